"""Deleting messages: by which right, and what is left in place."""

import pytest

from ..contract import (
    Claim,
    ClaimNotFound,
    Handle,
    MessageClaimed,
    MessageNotClaimedBy,
    MQError,
    QueueRef,
)
from .suite import MISSING, Suite

__all__ = ["TestDeleting", "TestDeletingAllOrNothing"]


def classes(results: list[MQError | None]) -> list[type[MQError] | None]:
    """What kind of error each item has."""
    return [None if result is None else type(result) for result in results]


class TestDeleting(Suite):
    def test_a_free_message_is_deleted_without_a_claim(self) -> None:
        """B-045."""
        first, second = self.post(2)
        assert self.delete([first]) == [None]
        assert self.everything() == [second]

    @pytest.mark.parametrize("message_id", ["malformed", "'; DROP TABLE messages; --", MISSING])
    def test_an_unknown_id_is_silent(self, message_id: str) -> None:
        """B-048, B-058."""
        posted = self.post(2)
        claim = self.claim(1)
        assert self.delete([message_id]) == [None]
        assert self.delete([message_id], claim) == [None]
        assert self.delete([message_id], "no such claim") == [None]
        assert self.delete([message_id], force=True) == [None]
        assert self.everything() == posted

    def test_a_missing_queue_is_silent(self) -> None:
        """B-049, B-057."""
        missing = QueueRef(self.queue.project, "missing")
        handles = [Handle(MISSING), Handle("malformed", (MISSING,))]
        assert list(self.driver.messages.delete(missing, handles)) == [None, None]
        assert self.driver.queues.exists(missing) is False

    def test_a_second_delete_is_silent(self) -> None:
        """B-050."""
        posted = self.post(2)
        claim = self.claim(2)
        for _ in range(2):
            assert self.delete(posted, claim) == [None, None]
        assert self.delete(posted) == [None, None]
        assert self.delete(posted, "no such claim") == [None, None]

    def test_a_claimed_message_is_not_deleted_without_its_claim(self) -> None:
        """B-051."""
        (posted,) = self.post()
        claim = self.claim()
        assert classes(self.delete([posted])) == [MessageClaimed]
        assert self.ids(self.driver.claims.get(self.queue, claim.id)) == [posted]

    def test_the_claim_that_holds_a_message_deletes_it(self) -> None:
        """B-052."""
        posted = self.post(3)
        claim = self.claim(3)
        assert self.delete(posted[:1], claim) == [None]
        assert self.everything() == posted[1:]
        assert self.ids(self.driver.claims.get(self.queue, claim.id)) == posted[1:]

    def test_another_live_claim_does_not_delete_it(self) -> None:
        """B-053."""
        posted = self.post(2)
        first, second = self.claim(1), self.claim(1)
        held = self.ids(first)
        assert classes(self.delete(held, second)) == [MessageNotClaimedBy]
        assert self.everything() == posted
        assert self.ids(self.driver.claims.get(self.queue, first.id)) == held

    def test_a_live_claim_does_not_delete_a_free_message(self) -> None:
        """B-053."""
        posted = self.post(2)
        claim = self.claim(1)
        free = [each for each in posted if each not in self.ids(claim)]
        assert classes(self.delete(free, claim)) == [MessageNotClaimedBy]
        assert self.everything() == posted

    def test_a_released_claim_deletes_nothing(self) -> None:
        """B-054."""
        posted = self.post(2)
        claim = self.claim(2)
        self.release(claim)
        assert classes(self.delete(posted, claim)) == [ClaimNotFound, ClaimNotFound]
        assert self.listed() == posted

    def test_an_expired_claim_deletes_nothing_and_the_new_holder_keeps_the_message(self) -> None:
        """B-054."""
        (posted,) = self.post()
        old = self.claim(ttl=60)
        self.advance(60)
        assert classes(self.delete([posted], old)) == [ClaimNotFound]
        new = self.claim(ttl=60, driver=self.open())
        assert classes(self.delete([posted], old)) == [ClaimNotFound]
        assert self.ids(self.driver.claims.get(self.queue, new.id)) == [posted]
        assert self.delete([posted], new) == [None]

    @pytest.mark.parametrize("claim_id", ["", "malformed", "'; DROP TABLE messages; --", MISSING])
    def test_an_unknown_claim_deletes_nothing(self, claim_id: str) -> None:
        """B-055."""
        posted = self.post(2)
        self.claim(1)
        assert classes(self.delete(posted, claim_id)) == [ClaimNotFound, ClaimNotFound]
        assert self.everything() == posted

    def test_messages_of_an_expired_claim_are_deleted_without_one(self) -> None:
        """B-056."""
        posted = self.post(3)
        self.claim(3, ttl=60)
        self.advance(60)
        assert self.delete(posted[:1]) == [None]
        assert self.delete(posted[1:]) == [None, None]
        assert self.everything() == []

    def test_one_of_the_named_claims_must_hold_the_message(self) -> None:
        """B-052, B-053."""
        posted = self.post(3)
        first, second, third = self.claim(1), self.claim(1), self.claim(1)
        held = [message.id for claim in (first, second) for message in claim.messages]
        assert self.delete(held, "gone", second, first) == [None, None]
        assert classes(self.delete(self.ids(third), first, second)) == [MessageNotClaimedBy]
        assert classes(self.delete(self.ids(third), "gone", second)) == [MessageNotClaimedBy]
        assert self.everything() == [each for each in posted if each not in held]

    def test_force_deletes_whoever_holds_the_message(self) -> None:
        """B-026."""
        posted = self.post(3)
        claim = self.claim(2)
        assert self.delete(posted[:2], "no such claim", force=True) == [None, None]
        assert self.delete(posted[2:], force=True) == [None]
        assert self.everything() == []
        assert self.driver.claims.get(self.queue, claim.id).messages == ()

    def test_each_item_of_a_batch_is_judged_by_itself(self) -> None:
        """B-058."""
        posted = self.post(4)
        mine, other = self.claim(1), self.claim(1)
        (held,), (foreign,) = self.ids(mine), self.ids(other)
        free, kept = (each for each in posted if each not in (held, foreign))
        handles = [
            Handle("malformed"),
            Handle(held),
            Handle(foreign, (mine.id,)),
            Handle(kept, ("no such claim",)),
            Handle(free),
            Handle(held, (mine.id,)),
            Handle(foreign, force=True),
        ]
        results = list(self.driver.messages.delete(self.queue, handles))
        wanted = [None, MessageClaimed, MessageNotClaimedBy, ClaimNotFound, None, None, None]
        assert classes(results) == wanted
        assert self.everything() == [kept]


class TestDeletingAllOrNothing(Suite):
    def delete_all(self, ids: list[str], *claims: Claim) -> None:
        claim_ids = tuple(claim.id for claim in claims)
        handles = [Handle(message_id, claim_ids) for message_id in ids]
        results = self.driver.messages.delete(self.queue, handles, all_or_nothing=True)
        assert list(results) == [None] * len(handles)

    def test_all_are_deleted_when_every_handle_gives_the_right(self) -> None:
        posted = self.post(3)
        self.delete_all([posted[0], "malformed", MISSING, posted[2]])
        assert self.everything() == [posted[1]]
        self.delete_all([posted[1]], self.claim())
        assert self.everything() == []

    def test_nothing_is_deleted_when_one_handle_does_not(self) -> None:
        posted = self.post(4)
        claim = self.claim(2)
        held = self.ids(claim)
        free = [each for each in posted if each not in held]
        with pytest.raises(MessageClaimed):
            self.delete_all([free[0], held[0], free[1]])
        with pytest.raises(MessageNotClaimedBy):
            self.delete_all([held[0], free[0]], claim)
        self.release(claim)
        with pytest.raises(ClaimNotFound):
            self.delete_all(["malformed", held[0]], claim)
        assert self.listed() == posted

    def test_the_first_error_is_raised(self) -> None:
        posted = self.post(2)
        claim = self.claim(1)
        held = self.ids(claim)
        free = [each for each in posted if each not in held]
        handles = [Handle(free[0], ("no such claim",)), Handle(held[0])]
        with pytest.raises(ClaimNotFound):
            self.driver.messages.delete(self.queue, handles, all_or_nothing=True)
        with pytest.raises(MessageClaimed):
            self.driver.messages.delete(self.queue, handles[::-1], all_or_nothing=True)
        assert self.everything() == posted
