"""Repeating a call whose answer was lost, with the same ids, does no harm."""

from ..contract import Capability, Claim, ClaimRequest, NewSubscription, new_id
from .suite import Suite, new_messages, race, requires

__all__ = ["TestRepeats"]


class TestRepeats(Suite):
    def test_a_repeated_post_stores_nothing_again(self) -> None:
        """B-040."""
        messages = new_messages(3)
        wanted = [message.id for message in messages]
        for _ in range(2):
            assert list(self.open().messages.post(self.queue, messages)) == wanted
        assert self.listed() == wanted

    def test_a_post_that_is_repeated_in_part_stores_the_rest(self) -> None:
        """B-040."""
        messages = new_messages(4)
        wanted = [message.id for message in messages]
        self.driver.messages.post(self.queue, messages[:2])
        assert list(self.driver.messages.post(self.queue, messages)) == wanted
        assert self.listed() == wanted

    def test_an_id_twice_in_one_batch_is_one_message(self) -> None:
        """B-040."""
        (message,) = new_messages(1)
        results = self.driver.messages.post(self.queue, [message, message])
        assert list(results) == [message.id, message.id]
        assert self.listed() == [message.id]

    def test_a_repeated_post_leaves_a_claimed_message_alone(self) -> None:
        """B-040."""
        messages = new_messages(1)
        self.driver.messages.post(self.queue, messages)
        claim = self.claim()
        self.driver.messages.post(self.queue, messages)
        assert self.try_claim() is None
        assert self.driver.claims.get(self.queue, claim.id) == claim

    def test_racing_repeats_of_a_post_store_it_once(self) -> None:
        """B-040."""
        messages = new_messages(10)
        wanted = [message.id for message in messages]
        results = race(self.workers(4, lambda d: d.messages.post(self.queue, messages)))
        assert [list(result) for result in results] == [wanted] * 4
        assert self.listed() == wanted

    def test_a_repeated_claim_is_the_same_claim(self) -> None:
        """B-090."""
        posted = self.post(5)
        request = ClaimRequest(new_id(), 2, 60, 0)
        (first,) = self.driver.claims.claim(self.queue, [request])
        self.advance(10)
        (second,) = self.open().claims.claim(self.queue, [request])
        assert isinstance(first, Claim)
        assert second == first
        held = self.ids(first)
        assert self.listed() == [each for each in posted if each not in held]

    def test_a_repeated_claim_shows_what_it_still_holds(self) -> None:
        """B-090."""
        self.post(2)
        request = ClaimRequest(new_id(), 2, 60, 0)
        (first,) = self.driver.claims.claim(self.queue, [request])
        assert isinstance(first, Claim)
        held = [message.id for message in first.messages]
        self.delete(held[:1], first)
        self.post(2)
        (second,) = self.driver.claims.claim(self.queue, [request])
        assert isinstance(second, Claim)
        assert [message.id for message in second.messages] == held[1:]

    def test_an_id_twice_in_one_call_is_one_claim(self) -> None:
        """B-090."""
        posted = self.post(5)
        request = ClaimRequest(new_id(), 2, 60, 0)
        first, second = self.driver.claims.claim(self.queue, [request, request])
        assert isinstance(first, Claim)
        assert second == first
        held = self.ids(first)
        assert len(held) == 2
        assert self.listed() == [each for each in posted if each not in held]

    def test_racing_repeats_of_a_claim_strand_nothing(self) -> None:
        """B-090, B-108."""
        posted = self.post(8)
        request = ClaimRequest(new_id(), 2, 60, 0)
        results = race(self.workers(4, lambda d: d.claims.claim(self.queue, [request])))
        claims = [claim for (claim,) in results if isinstance(claim, Claim)]
        assert claims == [claims[0]] * 4
        held = self.ids(claims[0])
        assert len(held) == 2
        assert self.listed() == [each for each in posted if each not in held]

    def test_a_repeated_renewal_release_and_delete_are_harmless(self) -> None:
        """B-050, B-093, B-103."""
        posted = self.post(2)
        claim = self.claim(2)
        for _ in range(2):
            self.driver.claims.renew(self.queue, claim.id, ttl=90, grace=5)
        renewed = self.driver.claims.get(self.queue, claim.id)
        assert (renewed.ttl, self.ids(renewed)) == (90, posted)
        for _ in range(2):
            assert self.delete(posted[:1], claim) == [None]
        for _ in range(2):
            self.driver.claims.release(self.queue, claim.id)
        assert self.listed() == posted[1:]

    @requires(Capability.EXACT_STATS)
    def test_repeats_are_counted_once(self) -> None:
        """B-022, B-027."""
        messages = new_messages(4)
        for _ in range(2):
            self.driver.messages.post(self.queue, messages)
        claim = self.claim(2)
        claimed = [message.id for message in claim.messages]
        for _ in range(2):
            self.delete(claimed[:1], claim)
        stats = self.driver.queues.stats(self.queue)
        assert (stats.free, stats.claimed) == (2, 1)
        for _ in range(2):
            self.driver.claims.release(self.queue, claim.id)
        stats = self.driver.queues.stats(self.queue)
        assert (stats.free, stats.claimed) == (3, 0)

    def test_a_repeated_subscription_is_the_same_one(self) -> None:
        """B-121."""
        new = NewSubscription(new_id(), "http://a.example", 600, {"a": 1})
        created = self.driver.subscriptions.create(self.queue, new)
        assert created is not None
        assert self.open().subscriptions.create(self.queue, new) == created
        assert self.driver.subscriptions.list(self.queue).items == (created,)

    def test_the_id_of_an_expired_subscription_is_free(self) -> None:
        """B-136."""
        id_ = new_id()
        for subscriber in ("http://a.example", "http://b.example"):
            new = NewSubscription(id_, subscriber, 60, {})
            created = self.driver.subscriptions.create(self.queue, new)
            assert created is not None
            assert self.driver.subscriptions.list(self.queue).items == (created,)
            self.advance(60)
