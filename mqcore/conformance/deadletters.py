"""Dead letters: a message that was claimed often enough moves instead of being claimed again."""

import pytest

from ..contract import (
    Capability,
    Claim,
    ClaimRequest,
    DeadLetter,
    MessageNotFound,
    QueueNotFound,
    QueueRef,
    new_id,
)
from .suite import Suite, new_messages, requires

__all__ = ["TestDeadLetters"]


class TestDeadLetters(Suite):
    @property
    def dead(self) -> QueueRef:
        return QueueRef(self.queue.project, "dead")

    def wear_out(self, times: int) -> None:
        """Claim everything and let go of it, so often."""
        for _ in range(times):
            self.release(self.claim(100, ttl=60, grace=0))

    def test_a_message_is_handed_out_so_often_and_then_moved(self) -> None:
        """B-107."""
        self.other_queue("dead")
        (posted,) = self.post(body=b"[1.0]", checksum="sum", client="me")
        letter = DeadLetter("dead", max_claims=2, ttl=9999)
        for count in (1, 2):
            claim = self.claim(ttl=60, dead_letter=letter)
            assert claim.messages[0].claim_count == count
            self.advance(60)
        assert self.try_claim(dead_letter=letter) is None
        with pytest.raises(MessageNotFound):
            self.driver.messages.get(self.queue, posted)
        assert self.everything() == []
        moved = self.open().messages.get(self.dead, posted)
        assert (moved.body, moved.checksum, moved.ttl) == (b"[1.0]", "sum", 9999)
        assert (moved.claim_id, moved.claim_count) == (None, 0)
        assert moved.posted_at == self.clock() - 120
        assert self.listed(self.dead) == [posted]
        assert self.listed(self.dead, hide_client="me") == []

    def test_a_new_ttl_counts_from_the_move(self) -> None:
        """B-107."""
        self.other_queue("dead")
        (posted,) = self.post(ttl=1000)
        self.wear_out(1)
        self.advance(500)
        assert self.try_claim(dead_letter=DeadLetter("dead", 1, ttl=100)) is None
        self.advance(99)
        assert self.listed(self.dead) == [posted]
        self.advance(1)
        assert self.everything(self.dead) == []

    def test_without_a_new_ttl_a_message_lives_as_long_as_before(self) -> None:
        """B-107."""
        self.other_queue("dead")
        (posted,) = self.post(ttl=1000)
        self.wear_out(1)
        self.advance(500)
        assert self.try_claim(dead_letter=DeadLetter("dead", 1)) is None
        assert self.driver.messages.get(self.dead, posted).ttl == 1000
        self.advance(499)
        assert self.listed(self.dead) == [posted]
        self.advance(1)
        assert self.everything(self.dead) == []

    @requires(Capability.FIFO)
    def test_a_claim_is_filled_from_the_messages_behind(self) -> None:
        """B-107."""
        self.other_queue("dead")
        worn = self.post(3)
        self.wear_out(1)
        fresh = self.post(4)
        claim = self.claim(3, dead_letter=DeadLetter("dead", 1))
        assert self.ids(claim) == fresh[:3]
        assert self.listed(self.dead) == worn
        assert self.listed() == fresh[3:]

    @requires(Capability.FIFO)
    def test_moved_messages_come_after_those_that_are_there(self) -> None:
        """B-107."""
        self.other_queue("dead")
        worn = self.post(2)
        self.wear_out(1)
        there = self.post(2, queue=self.dead)
        end = self.driver.messages.list(self.dead).next
        assert self.try_claim(dead_letter=DeadLetter("dead", 1)) is None
        assert self.listed(self.dead) == there + worn
        assert self.listed(self.dead, marker=end) == worn

    def test_a_message_counts_from_zero_in_its_new_queue(self) -> None:
        """B-107."""
        self.other_queue("dead")
        self.post()
        self.wear_out(3)
        assert self.try_claim(dead_letter=DeadLetter("dead", 3)) is None
        assert self.claim(queue=self.dead).messages[0].claim_count == 1

    def test_what_no_rule_counts_is_counted_all_the_same(self) -> None:
        """B-107."""
        self.other_queue("dead")
        (posted,) = self.post()
        self.wear_out(2)
        assert self.claim(dead_letter=DeadLetter("dead", 3)).messages[0].claim_count == 3
        self.advance(300)
        assert self.try_claim(dead_letter=DeadLetter("dead", 3)) is None
        assert self.listed(self.dead) == [posted]

    def test_messages_under_a_live_claim_are_not_moved(self) -> None:
        """B-107."""
        self.other_queue("dead")
        posted = self.post(2)
        self.wear_out(1)
        claim = self.claim(2)
        assert self.try_claim(dead_letter=DeadLetter("dead", 1)) is None
        assert self.everything(self.dead) == []
        assert self.ids(self.driver.claims.get(self.queue, claim.id)) == posted

    def test_expired_messages_are_not_moved(self) -> None:
        """B-107."""
        self.other_queue("dead")
        self.post(ttl=600)
        self.wear_out(1)
        self.advance(600)
        assert self.try_claim(dead_letter=DeadLetter("dead", 1, ttl=600)) is None
        assert self.everything(self.dead) == []

    def test_popping_moves_nothing(self) -> None:
        """B-107."""
        self.other_queue("dead")
        (posted,) = self.post()
        self.wear_out(5)
        assert self.ids(self.driver.messages.pop(self.queue, 1)) == [posted]
        assert self.everything(self.dead) == []

    def test_a_missing_dead_letter_queue_is_named_and_nothing_happens(self) -> None:
        """B-107."""
        worn = self.post(2)
        self.wear_out(1)
        fresh = self.post(2)
        request = ClaimRequest(new_id(), 10, 60, 0, DeadLetter("dead", 1, ttl=100))
        (result,) = self.driver.claims.claim(self.queue, [request])
        assert isinstance(result, QueueNotFound)
        assert result.queue == self.dead
        assert self.driver.queues.exists(self.dead) is False
        assert self.listed() == worn + fresh
        counts = [message.claim_count for message in self.driver.messages.list(self.queue).items]
        assert sorted(counts) == [0, 0, 1, 1]

        self.driver.queues.create(self.dead, {})
        (claim,) = self.driver.claims.claim(self.queue, [request])
        assert isinstance(claim, Claim)
        assert claim.id == request.id
        assert self.ids(claim) == fresh
        assert self.listed(self.dead) == worn

    def test_a_missing_dead_letter_queue_is_no_matter_until_it_is_needed(self) -> None:
        """B-107."""
        posted = self.post(2)
        assert self.ids(self.claim(2, dead_letter=DeadLetter("dead", 1))) == posted
        assert self.driver.queues.exists(self.dead) is False

    def test_requests_of_one_call_have_rules_of_their_own(self) -> None:
        """B-107."""
        self.other_queue("dead")
        (posted,) = self.post()
        self.wear_out(2)
        missing = ClaimRequest(new_id(), 1, 60, 0, DeadLetter("missing", 2))
        plain = ClaimRequest(new_id(), 1, 60, 0)
        first, second = self.driver.claims.claim(self.queue, [missing, plain])
        assert isinstance(first, QueueNotFound)
        assert isinstance(second, Claim)
        self.release(second)
        lenient = ClaimRequest(new_id(), 1, 60, 0, DeadLetter("dead", 4))
        strict = ClaimRequest(new_id(), 1, 60, 0, DeadLetter("dead", 3))
        first, second = self.driver.claims.claim(self.queue, [strict, lenient])
        assert first is None
        assert second is None
        assert self.listed(self.dead) == [posted]

    def test_a_message_that_the_dead_letter_queue_has_is_not_there_twice(self) -> None:
        """B-107."""
        dead = self.other_queue("dead")
        messages = new_messages(2)
        for queue in (dead, self.queue):
            self.driver.messages.post(queue, messages)
        self.wear_out(1)
        (fresh,) = self.post()
        assert self.ids(self.claim(3, dead_letter=DeadLetter("dead", 1))) == [fresh]
        assert self.everything(dead) == [message.id for message in messages]
        assert self.everything() == [fresh]
