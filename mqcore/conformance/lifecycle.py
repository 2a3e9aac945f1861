"""Handles: opening, closing, tidying up, and a store that fails."""

from collections.abc import Iterator

import pytest

from ..contract import Capability, Closed, Driver, Handle, NewSubscription, Unavailable, new_id
from .calls import CALLS, CONTROLLERS, methods_of
from .suite import Suite, requires

__all__ = ["TestClosing", "TestCollecting", "TestDeadStore", "TestDurability"]

DAY = 86_400


class TestClosing(Suite):
    def test_every_method_of_the_contract_is_called(self) -> None:
        called = {name.partition(",")[0] for name in CALLS}
        wanted = {
            f"{name}.{method}"
            for name, controller in CONTROLLERS.items()
            for method in methods_of(controller)
        }
        assert called == wanted | (methods_of(Driver) - {"close", "watch"})

    @pytest.mark.parametrize("name", CALLS)
    def test_a_closed_handle_raises_from_every_method(self, name: str) -> None:
        handle = self.open()
        handle.close()
        with pytest.raises(Closed):
            CALLS[name](handle, self.queue)

    def test_closing_twice_is_silent_and_leaves_other_handles_open(self) -> None:
        posted = self.post(2)
        handle = self.open()
        handle.messages.list(self.queue)
        handle.close()
        handle.close()
        assert self.listed() == posted

    def test_a_claim_outlives_the_handle_that_made_it(self) -> None:
        """B-091."""
        self.post(2)
        handle = self.open()
        claim = self.claim(1, driver=handle)
        handle.close()
        assert self.driver.claims.get(self.queue, claim.id) == claim

    def test_a_working_store_answers_ping(self) -> None:
        self.driver.ping()
        self.open().ping()


class TestDurability(Suite):
    @requires(Capability.DURABLE)
    def test_everything_is_there_after_all_handles_were_closed(self) -> None:
        self.driver.queues.set_metadata(self.queue, {"kept": 1})
        posted = self.post(3)
        claim = self.claim(1, ttl=60)
        held = self.ids(claim)
        new = NewSubscription(new_id(), "http://a.example", 600, {})
        self.driver.subscriptions.create(self.queue, new)
        for handle in self._handles:
            handle.close()
        self.driver = self.open()
        assert self.driver.queues.get(self.queue).metadata == {"kept": 1}
        assert self.everything() == posted
        assert self.ids(self.driver.claims.get(self.queue, claim.id)) == held
        assert self.driver.subscriptions.exists(self.queue, new.id)
        self.advance(60)
        assert self.ids(self.claim(3)) == posted


class TestCollecting(Suite):
    @pytest.fixture(autouse=True)
    def _tidy(self, _arrange: None) -> None:
        """Other tests leave things behind on the same backend: have them collected first."""
        self.advance(100 * DAY)
        self.collect()

    def collect(self, limit: int = 1000) -> int:
        """Collect until nothing is left to do; return how many records were removed."""
        removed = last = self.driver.collect(limit)
        while last >= limit:
            last = self.driver.collect(limit)
            removed += last
        return removed

    def test_expired_messages_are_removed_and_no_others(self) -> None:
        """B-079."""
        self.post(3, ttl=60)
        kept = self.post(2, ttl=600)
        assert self.collect() == 0
        self.advance(60)
        assert self.collect() == 3
        assert self.collect() == 0
        assert self.listed() == kept

    def test_expired_claims_are_removed_and_live_ones_are_not(self) -> None:
        """B-109."""
        posted = self.post(6)
        for _ in range(2):
            self.claim(1, ttl=60)
        live = self.claim(2, ttl=600)
        self.advance(60)
        assert self.collect() == 2
        assert self.driver.claims.get(self.queue, live.id) == live
        assert self.listed() == [each for each in posted if each not in self.ids(live)]
        assert self.everything() == posted

    def test_expired_subscriptions_are_removed_and_no_others(self) -> None:
        """B-079, B-136."""
        ids = [new_id() for _ in range(3)]
        for number, each in enumerate(ids):
            new = NewSubscription(each, f"http://{number}.example", 600 if number else 60, {})
            self.driver.subscriptions.create(self.queue, new)
        self.advance(60)
        assert self.collect() == 1
        found = self.driver.subscriptions.list(self.queue).items
        assert [each.id for each in found] == ids[1:]

    def test_collecting_goes_on_in_bounded_steps(self) -> None:
        """B-079."""
        self.post(25, ttl=60)
        kept = self.post(5, ttl=600)
        self.advance(60)
        assert self.collect(limit=10) == 25
        assert self.listed() == kept

    def test_collecting_after_a_deleted_queue_shows_nothing_of_it(self) -> None:
        """B-016, B-079."""
        posted = self.post(5)
        self.driver.queues.delete(self.queue)
        self.driver.queues.create(self.queue, {})
        kept = self.post(2)
        self.collect()
        assert self.everything() == kept
        assert self.driver.messages.get_many(self.queue, posted) == ()


class TestDeadStore(Suite):
    """Called on handles that were open and in use when the store died."""

    @pytest.fixture(autouse=True)
    def _broken(self, _arrange: None) -> Iterator[None]:
        self.posted = self.post(3)
        self.claimed = self.claim(1)
        self.marker = self.driver.messages.list(self.queue, limit=1).next
        self.harness.break_backend()
        try:
            yield
        finally:
            self.harness.repair_backend()

    @pytest.mark.parametrize("name", CALLS)
    def test_every_method_raises_unavailable_with_its_cause(self, name: str) -> None:
        with pytest.raises(Unavailable) as caught:
            CALLS[name](self.driver, self.queue)
        assert caught.value.__cause__ is not None
        assert caught.value.retryable

    def test_the_second_page_of_a_list_raises_too(self) -> None:
        with pytest.raises(Unavailable):
            self.driver.messages.list(self.queue, marker=self.marker)

    def test_a_repaired_store_works_on_the_same_handle_and_has_lost_nothing(self) -> None:
        with pytest.raises(Unavailable):
            self.driver.messages.delete(self.queue, [Handle(self.posted[0], force=True)])
        self.harness.repair_backend()
        self.driver.ping()
        assert self.everything() == self.posted
        assert self.driver.claims.get(self.queue, self.claimed.id) == self.claimed
