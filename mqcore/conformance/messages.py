"""Messages: reading, popping, purging, expiry."""

import pytest

from ..contract import (
    Capability,
    ClaimNotFound,
    MessageNotFound,
    NewSubscription,
    QueueEmpty,
    QueueRef,
    new_id,
)
from .suite import MISSING, Suite, requires

__all__ = ["TestEnds", "TestExpiry", "TestPopping", "TestPurging", "TestReading"]


class TestReading(Suite):
    def test_a_message_has_all_its_fields(self) -> None:
        """B-041."""
        (posted,) = self.post(body=b"[1]", ttl=777, client="me", checksum="sum")
        start = self.clock()
        self.advance(5)
        message = self.driver.messages.get(self.queue, posted)
        assert (message.id, message.body, message.ttl) == (posted, b"[1]", 777)
        assert (message.posted_at, message.checksum) == (start, "sum")
        assert (message.claim_id, message.claim_count) == (None, 0)

    def test_a_message_shows_its_live_claim_and_how_often_it_was_claimed(self) -> None:
        """B-041."""
        (posted,) = self.post()
        self.release(self.claim())
        claim = self.claim(ttl=60)
        message = self.driver.messages.get(self.queue, posted)
        assert (message.claim_id, message.claim_count) == (claim.id, 2)
        self.advance(60)
        message = self.driver.messages.get(self.queue, posted)
        assert (message.claim_id, message.claim_count) == (None, 2)

    def test_every_way_to_read_gives_the_same_message(self) -> None:
        """B-041, B-059."""
        (posted,) = self.post(ttl=120, checksum="sum")
        claim = self.claim(ttl=300, grace=10)
        message = self.driver.messages.get(self.queue, posted)
        assert claim.messages == (message,)
        assert self.driver.messages.get_many(self.queue, [posted]) == (message,)
        page = self.driver.messages.list(self.queue, include_claimed=True)
        assert page.items == (message,)
        assert self.driver.messages.first(self.queue) == message
        assert self.driver.claims.get(self.queue, claim.id).messages == (message,)

    def test_a_deleted_message_is_not_found(self) -> None:
        """B-045."""
        (posted,) = self.post()
        self.delete([posted])
        with pytest.raises(MessageNotFound):
            self.driver.messages.get(self.queue, posted)

    @pytest.mark.parametrize("message_id", ["malformed", MISSING])
    def test_an_unknown_message_is_not_found(self, message_id: str) -> None:
        """B-046."""
        with pytest.raises(MessageNotFound):
            self.driver.messages.get(self.queue, message_id)

    def test_a_missing_queue_has_no_messages(self) -> None:
        """B-047, B-060."""
        missing = QueueRef(self.queue.project, "missing")
        with pytest.raises(MessageNotFound):
            self.driver.messages.get(missing, MISSING)
        assert self.driver.messages.get_many(missing, [MISSING]) == ()

    def test_many_are_returned_in_the_order_asked_for(self) -> None:
        """B-059, B-060."""
        posted = self.post(6)
        self.delete([posted[2]])
        asked = [posted[4], "malformed", posted[0], posted[2], MISSING, posted[5], posted[4]]
        found = self.driver.messages.get_many(self.queue, asked)
        assert [message.id for message in found] == [posted[4], posted[0], posted[5]]

    def test_claimed_messages_are_found_by_id(self) -> None:
        """B-059."""
        posted = self.post(2)
        self.claim()
        found = self.driver.messages.get_many(self.queue, posted)
        assert [message.id for message in found] == posted


class TestEnds(Suite):
    @requires(Capability.FIFO)
    def test_first_is_the_oldest_or_the_newest(self) -> None:
        """B-071."""
        posted = self.post(3)
        assert self.driver.messages.first(self.queue).id == posted[0]
        assert self.driver.messages.first(self.queue, 1).id == posted[0]
        assert self.driver.messages.first(self.queue, -1).id == posted[2]
        claim = self.claim(3)
        assert self.driver.messages.first(self.queue, 1).claim_id == claim.id
        assert self.driver.messages.first(self.queue, -1).id == posted[2]

    def test_an_empty_or_missing_queue_has_no_first(self) -> None:
        """B-072."""
        for queue in (self.queue, QueueRef(self.queue.project, "missing")):
            for sort in (1, -1):
                with pytest.raises(QueueEmpty):
                    self.driver.messages.first(queue, sort)

    @pytest.mark.parametrize("sort", [0, 2, -2])
    def test_first_knows_two_directions_only(self, sort: int) -> None:
        """B-073."""
        self.post()
        with pytest.raises(ValueError, match="sort"):
            self.driver.messages.first(self.queue, sort)


class TestExpiry(Suite):
    def test_an_expired_message_is_in_no_view(self) -> None:
        """B-068, B-070."""
        (short,) = self.post(ttl=1)
        (long,) = self.post(ttl=600)
        self.advance(1)
        with pytest.raises(MessageNotFound):
            self.driver.messages.get(self.queue, short)
        found = self.driver.messages.get_many(self.queue, [short, long])
        assert [message.id for message in found] == [long]
        assert self.everything() == [long]
        for sort in (1, -1):
            assert self.driver.messages.first(self.queue, sort).id == long
        assert self.delete([short]) == [None]
        assert self.ids(self.claim()) == [long]

    @pytest.mark.parametrize("limit", [1, 10])
    def test_expired_messages_do_not_take_the_place_of_others(self, limit: int) -> None:
        """B-068, B-070."""
        self.post(5, ttl=60)
        (kept,) = self.post(ttl=600)
        self.post(5, ttl=60)
        self.advance(60)
        assert self.ids(self.driver.messages.list(self.queue, limit=limit)) == [kept]
        assert self.driver.messages.first(self.queue, -1).id == kept
        claim = self.claim(limit)
        assert self.ids(claim) == [kept]
        self.release(claim)
        assert self.ids(self.driver.messages.pop(self.queue, limit)) == [kept]

    @pytest.mark.parametrize("sort", [1, -1])
    def test_an_expired_message_is_not_the_first_to_be_asked_for(self, sort: int) -> None:
        """B-071."""
        self.post(ttl=60)
        (kept,) = self.post(ttl=600)
        self.post(ttl=60)
        self.advance(60)
        assert self.driver.messages.first(self.queue, sort).id == kept

    def test_a_message_lives_to_the_last_second(self) -> None:
        """B-068."""
        posted = self.post(2, ttl=60)
        self.advance(59)
        assert self.listed() == posted
        self.advance(1)
        assert self.listed() == []

    def test_an_expired_message_is_not_popped(self) -> None:
        """B-070."""
        self.post(ttl=1)
        (long,) = self.post(ttl=600)
        self.advance(1)
        assert self.ids(self.driver.messages.pop(self.queue, 10)) == [long]

    def test_a_queue_of_expired_messages_is_empty(self) -> None:
        """B-070, B-072."""
        self.post(3, ttl=60)
        self.advance(60)
        assert self.try_claim() is None
        assert self.driver.messages.pop(self.queue, 10) == ()
        with pytest.raises(QueueEmpty):
            self.driver.messages.first(self.queue)


class TestPopping(Suite):
    def test_pop_takes_out_one_message(self) -> None:
        """B-074."""
        posted = self.post(3)
        (popped,) = self.driver.messages.pop(self.queue, 1)
        assert popped.id in posted
        assert self.everything() == [each for each in posted if each != popped.id]

    def test_pop_takes_what_is_claimable(self) -> None:
        """B-075."""
        posted = self.post(5)
        claimed = self.ids(self.claim(2))
        popped = self.ids(self.driver.messages.pop(self.queue, 10))
        assert popped == [each for each in posted if each not in claimed]
        assert self.everything() == claimed

    @requires(Capability.DELAY)
    def test_pop_leaves_delayed_messages(self) -> None:
        """B-075."""
        (delayed,) = self.post(delay=60)
        (free,) = self.post()
        assert self.ids(self.driver.messages.pop(self.queue, 10)) == [free]
        self.advance(60)
        assert self.ids(self.driver.messages.pop(self.queue, 10)) == [delayed]

    def test_pop_of_an_empty_or_missing_queue_is_empty(self) -> None:
        """B-075."""
        assert self.driver.messages.pop(self.queue, 1) == ()
        missing = QueueRef(self.queue.project, "missing")
        assert self.driver.messages.pop(missing, 1) == ()

    def test_pop_does_not_count_as_a_claim(self) -> None:
        """B-074."""
        posted_at = self.clock()
        self.post(body=b"x", ttl=777, checksum="sum")
        self.release(self.claim())
        self.advance(1)
        (popped,) = self.driver.messages.pop(self.queue, 1)
        assert (popped.body, popped.ttl, popped.checksum) == (b"x", 777, "sum")
        assert (popped.posted_at, popped.claim_id, popped.claim_count) == (posted_at, None, 1)


class TestPurging(Suite):
    def test_purge_removes_messages_and_claims(self) -> None:
        posted = self.post(3)
        claim = self.claim(1)
        self.driver.messages.purge(self.queue)
        assert self.everything() == []
        assert self.driver.messages.get_many(self.queue, posted) == ()
        with pytest.raises(ClaimNotFound):
            self.driver.claims.get(self.queue, claim.id)

    @requires(Capability.DELAY)
    def test_purge_removes_delayed_messages(self) -> None:
        self.post(2, delay=60)
        self.driver.messages.purge(self.queue)
        self.advance(60)
        assert self.everything() == []

    def test_purge_keeps_metadata_and_subscriptions(self) -> None:
        self.driver.queues.set_metadata(self.queue, {"kept": 1})
        new = NewSubscription(new_id(), "http://a.example", 600, {})
        self.driver.subscriptions.create(self.queue, new)
        self.driver.messages.purge(self.queue)
        assert self.driver.queues.get(self.queue).metadata == {"kept": 1}
        assert self.driver.subscriptions.exists(self.queue, new.id)

    def test_a_purged_queue_takes_messages_again(self) -> None:
        self.post(3)
        self.driver.messages.purge(self.queue)
        posted = self.post(2)
        assert self.listed() == posted
        assert self.ids(self.claim()) == posted

    @requires(Capability.FIFO)
    def test_a_marker_stays_good_after_a_purge(self) -> None:
        """B-064, B-078."""
        self.post(3)
        end = self.driver.messages.list(self.queue).next
        self.driver.messages.purge(self.queue)
        posted = self.post(2)
        assert self.listed(marker=end) == posted

    def test_purging_a_missing_queue_is_silent(self) -> None:
        missing = QueueRef(self.queue.project, "missing")
        self.driver.messages.purge(missing)
        assert self.driver.queues.exists(missing) is False
