"""Claims: what they take, how long they and their messages live, how they end."""

import pytest

from ..contract import Capability, Claim, ClaimNotFound, ClaimRequest, QueueRef, new_id
from .suite import MISSING, Suite, requires

__all__ = ["TestClaiming", "TestLeases", "TestMessageLives"]

UNKNOWN = ["malformed", "'; DROP TABLE claims; --", MISSING]


class TestClaiming(Suite):
    def test_a_claim_takes_up_to_its_limit(self) -> None:
        """B-090."""
        posted = self.post(20)
        claim = self.claim(15)
        claimed = self.ids(claim)
        assert len(claimed) == 15
        assert self.listed() == [each for each in posted if each not in claimed]
        assert self.everything() == posted

    @requires(Capability.EXACT_STATS)
    def test_a_claim_shows_in_the_counts(self) -> None:
        """B-090."""
        self.post(20)
        self.claim(15)
        stats = self.driver.queues.stats(self.queue)
        assert (stats.claimed, stats.free, stats.total) == (15, 5, 20)

    def test_a_claim_reads_as_it_was_made(self) -> None:
        """B-091, B-092."""
        self.post(3, body=b"[1.0]")
        claim = self.claim(3, ttl=90, grace=7)
        assert {message.claim_id for message in claim.messages} == {claim.id}
        assert (claim.ttl, claim.grace, claim.renewed_at) == (90, 7, self.clock())
        self.advance(5)
        assert self.open().claims.get(self.queue, claim.id) == claim

    def test_successive_claims_are_disjoint(self) -> None:
        """B-095."""
        posted = self.post(51)
        claims = [self.claim(10, driver=self.open()) for _ in range(5)]
        assert [len(claim.messages) for claim in claims] == [10] * 5
        last = self.claim(10)
        assert len(last.messages) == 1
        everything = [message for claim in [*claims, last] for message in claim.messages]
        assert sorted(message.id for message in everything) == posted

    def test_requests_of_one_call_are_served_one_after_another(self) -> None:
        """B-095, B-101."""
        posted = self.post(5)
        requests = [ClaimRequest(new_id(), 2, 60 + n, n) for n in range(4)]
        results = self.driver.claims.claim(self.queue, requests)
        claims = [result for result in results if isinstance(result, Claim)]
        assert results[3] is None
        assert [claim.id for claim in claims] == [request.id for request in requests[:3]]
        assert [len(claim.messages) for claim in claims] == [2, 2, 1]
        assert [(claim.ttl, claim.grace) for claim in claims] == [(60, 0), (61, 1), (62, 2)]
        assert sorted(m.id for claim in claims for m in claim.messages) == posted

    def test_nothing_to_claim_is_no_claim(self) -> None:
        """B-101."""
        request = ClaimRequest(new_id(), 1, 60, 60)
        assert list(self.driver.claims.claim(self.queue, [request])) == [None]
        self.post(2)
        self.claim(2)
        assert list(self.driver.claims.claim(self.queue, [request])) == [None]
        with pytest.raises(ClaimNotFound):
            self.driver.claims.get(self.queue, request.id)

    def test_a_missing_queue_has_nothing_to_claim(self) -> None:
        """B-102."""
        missing = QueueRef(self.queue.project, "missing")
        assert self.try_claim(queue=missing) is None
        assert self.driver.queues.exists(missing) is False

    def test_every_claim_counts(self) -> None:
        """B-095."""
        (posted,) = self.post()
        for count in (1, 2, 3):
            claim = self.claim(ttl=60)
            assert claim.messages[0].claim_count == count
            self.driver.claims.renew(self.queue, claim.id, ttl=60, grace=60)
            assert self.driver.messages.get(self.queue, posted).claim_count == count
            self.release(claim)
        self.claim(ttl=60)
        self.advance(60)
        assert self.claim().messages[0].claim_count == 5

    def test_any_limit_ttl_and_grace_work(self) -> None:
        """B-090, B-097."""
        posted = self.post(3)
        claim = self.claim(10_000, ttl=1, grace=0)
        assert self.ids(claim) == posted
        self.advance(1)
        assert self.listed() == posted


class TestLeases(Suite):
    def test_a_released_claim_is_gone(self) -> None:
        """B-094."""
        self.post()
        claim = self.claim()
        self.release(claim)
        with pytest.raises(ClaimNotFound):
            self.driver.claims.get(self.queue, claim.id)
        with pytest.raises(ClaimNotFound):
            self.driver.claims.renew(self.queue, claim.id, ttl=60, grace=0)

    def test_released_messages_are_claimable_and_listed_at_once(self) -> None:
        """B-103."""
        posted = self.post(3)
        self.release(self.claim(3))
        other = self.open()
        assert self.ids(other.messages.list(self.queue)) == posted
        assert {m.claim_id for m in other.messages.list(self.queue).items} == {None}
        assert self.ids(self.claim(3, driver=other)) == posted

    def test_messages_of_an_expired_claim_are_claimable(self) -> None:
        """B-104."""
        posted = self.post(3)
        self.claim(3, ttl=60)
        self.advance(59)
        assert self.try_claim() is None
        self.advance(1)
        assert self.listed() == posted
        assert self.ids(self.claim(3)) == posted

    def test_an_expired_claim_is_gone(self) -> None:
        """B-097, B-110."""
        self.post()
        claim = self.claim(ttl=1)
        self.advance(1)
        with pytest.raises(ClaimNotFound):
            self.driver.claims.get(self.queue, claim.id)
        with pytest.raises(ClaimNotFound):
            self.driver.claims.renew(self.queue, claim.id, ttl=60, grace=0)

    def test_an_expired_claim_is_not_renewed_by_the_first_to_ask(self) -> None:
        """B-097, B-110."""
        posted = self.post(2)
        claim = self.claim(1, ttl=60)
        self.advance(60)
        with pytest.raises(ClaimNotFound):
            self.driver.claims.renew(self.queue, claim.id, ttl=60, grace=0)
        assert self.ids(self.claim(2)) == posted

    def test_releasing_an_expired_claim_changes_nothing(self) -> None:
        """B-098, B-104."""
        posted = self.post(2)
        claim = self.claim(1, ttl=60)
        self.advance(60)
        self.driver.claims.release(self.queue, claim.id)
        assert self.listed() == posted
        assert self.ids(self.claim(2)) == posted

    def test_a_claim_that_is_over_cannot_be_brought_back(self) -> None:
        """B-097, B-110."""
        posted = self.post(2)
        old = self.claim(2, ttl=60)
        self.advance(60)
        new = self.claim(2, ttl=600, driver=self.open())
        with pytest.raises(ClaimNotFound):
            self.driver.claims.renew(self.queue, old.id, ttl=60, grace=0)
        self.driver.claims.release(self.queue, old.id)
        assert self.try_claim() is None
        assert self.ids(self.driver.claims.get(self.queue, new.id)) == posted

    @pytest.mark.parametrize("claim_id", UNKNOWN)
    def test_an_unknown_claim_is_released_silently_and_not_found_otherwise(
        self, claim_id: str
    ) -> None:
        """B-098, B-099."""
        self.post(2)
        claim = self.claim(1)
        self.driver.claims.release(self.queue, claim_id)
        with pytest.raises(ClaimNotFound):
            self.driver.claims.get(self.queue, claim_id)
        with pytest.raises(ClaimNotFound):
            self.driver.claims.renew(self.queue, claim_id, ttl=60, grace=0)
        assert self.driver.claims.get(self.queue, claim.id) == claim

    def test_the_claims_of_a_deleted_queue_are_gone(self) -> None:
        """B-100."""
        self.post()
        claim = self.claim()
        self.driver.queues.delete(self.queue)
        with pytest.raises(ClaimNotFound):
            self.driver.claims.get(self.queue, claim.id)
        with pytest.raises(ClaimNotFound):
            self.driver.claims.renew(self.queue, claim.id, ttl=60, grace=0)
        self.driver.claims.release(self.queue, claim.id)

    def test_renewing_restarts_the_lease_and_keeps_its_messages(self) -> None:
        """B-093."""
        posted = self.post(3)
        claim = self.claim(3, ttl=60)
        self.advance(50)
        self.open().claims.renew(self.queue, claim.id, ttl=70, grace=5)
        renewed = self.driver.claims.get(self.queue, claim.id)
        assert (renewed.id, renewed.ttl, renewed.grace) == (claim.id, 70, 5)
        assert renewed.renewed_at == self.clock()
        assert self.ids(renewed) == posted
        self.advance(69)
        assert self.try_claim() is None
        self.advance(1)
        assert self.ids(self.claim(3)) == posted

    def test_renewing_can_shorten_the_lease(self) -> None:
        """B-093."""
        posted = self.post(2)
        claim = self.claim(2, ttl=600)
        self.driver.claims.renew(self.queue, claim.id, ttl=1, grace=0)
        self.advance(1)
        assert self.ids(self.claim(2)) == posted

    def test_a_claim_shows_what_it_still_holds(self) -> None:
        """B-091."""
        posted = self.post(3)
        claim = self.claim(3)
        self.delete(posted[:1], claim)
        assert self.ids(self.driver.claims.get(self.queue, claim.id)) == posted[1:]
        self.delete(posted[1:], claim)
        assert self.driver.claims.get(self.queue, claim.id).messages == ()
        self.driver.claims.renew(self.queue, claim.id, ttl=60, grace=0)
        self.advance(60)
        with pytest.raises(ClaimNotFound):
            self.driver.claims.get(self.queue, claim.id)


class TestMessageLives(Suite):
    @pytest.mark.parametrize(
        ("ttl", "grace", "wanted"), [(777, 0, 777), (777, 23, 800), (121, 22, 143), (60, 30, 120)]
    )
    def test_a_claim_extends_a_message_that_would_die_before_its_end(
        self, ttl: int, grace: int, wanted: int
    ) -> None:
        """B-096."""
        (posted,) = self.post(ttl=120)
        claim = self.claim(ttl=ttl, grace=grace)
        assert claim.messages[0].ttl == wanted
        assert self.driver.messages.get(self.queue, posted).ttl == wanted
        self.advance(wanted - 1)
        assert self.everything() == [posted]
        self.advance(1)
        assert self.everything() == []

    def test_each_claim_of_one_call_extends_what_it_holds_and_no_more(self) -> None:
        """B-096, B-095."""
        posted = self.post(5, ttl=120)
        requests = [ClaimRequest(new_id(), 2, ttl, 0) for ttl in (60, 777, 60)]
        claims = [
            result
            for result in self.driver.claims.claim(self.queue, requests)
            if isinstance(result, Claim)
        ]
        lives = [[message.ttl for message in claim.messages] for claim in claims]
        assert lives == [[120, 120], [777, 777], [120]]
        assert sorted(message.id for claim in claims for message in claim.messages) == posted
        assert self.listed() == []
        for claim in claims:
            assert self.driver.claims.get(self.queue, claim.id) == claim
        back = sorted(self.ids(claims[0]) + self.ids(claims[2]))
        self.advance(60)
        assert sorted(self.listed()) == back
        self.advance(60)
        assert self.everything() == self.ids(claims[1])

    def test_an_extended_life_counts_from_the_claim(self) -> None:
        """B-096."""
        (posted,) = self.post(ttl=120)
        self.advance(100)
        claim = self.claim(ttl=60, grace=30)
        message = claim.messages[0]
        assert (message.ttl, message.posted_at) == (90, self.clock() - 100)
        self.advance(89)
        assert self.everything() == [posted]
        self.advance(1)
        assert self.everything() == []

    @pytest.mark.parametrize(("ttl", "grace", "wanted"), [(121, 22, 143), (119, 60, 120)])
    def test_renewing_extends_lives_by_the_same_rule(
        self, ttl: int, grace: int, wanted: int
    ) -> None:
        """B-093, B-096."""
        (posted,) = self.post(ttl=120)
        claim = self.claim(ttl=60, grace=0)
        self.driver.claims.renew(self.queue, claim.id, ttl=ttl, grace=grace)
        assert self.driver.messages.get(self.queue, posted).ttl == wanted
        self.advance(wanted - 1)
        assert self.everything() == [posted]
        self.advance(1)
        assert self.everything() == []

    def test_an_extended_life_stays_extended_after_release(self) -> None:
        """B-096, B-103."""
        (posted,) = self.post(ttl=60)
        claim = self.claim(ttl=300, grace=100)
        self.release(claim)
        assert self.driver.messages.get(self.queue, posted).ttl == 400
        self.advance(399)
        assert self.listed() == [posted]
        self.advance(1)
        assert self.listed() == []

    def test_grace_keeps_a_message_after_its_claim_has_ended(self) -> None:
        """B-096, B-104."""
        (posted,) = self.post(ttl=60)
        self.claim(ttl=100, grace=20)
        self.advance(100)
        assert self.listed() == [posted]
        self.advance(20)
        assert self.listed() == []
