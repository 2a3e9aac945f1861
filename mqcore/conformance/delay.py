"""Delayed messages, and core's refusal of what a driver does not declare."""

import pytest

from ..contract import Capability, NotSupported, QueueEmpty, QueueRef, TooLarge
from .ledger import not_run
from .suite import Suite, at_limit, new_messages, requires, without

__all__ = ["TestDelay", "TestGate"]


class TestDelay(Suite):
    @requires(Capability.DELAY)
    @pytest.mark.parametrize("delay", [1, 3])
    def test_a_delayed_message_is_not_claimable_before_its_time(self, delay: int) -> None:
        """B-105."""
        (posted,) = self.post(delay=delay)
        assert self.try_claim() is None
        self.advance(delay - 1)
        assert self.try_claim() is None
        self.advance(1)
        assert self.ids(self.claim()) == [posted]

    def test_a_message_without_delay_is_claimable_at_once(self) -> None:
        """B-105, B-106."""
        posted = self.post(2, delay=0)
        assert self.ids(self.claim()) == posted

    def test_metadata_means_nothing_to_the_driver(self) -> None:
        """B-106."""
        self.driver.queues.set_metadata(
            self.queue, {"_default_message_delay": 600, "_default_message_ttl": 60}
        )
        posted = self.post(2)
        assert self.ids(self.claim()) == posted
        self.driver.queues.set_metadata(self.queue, {})
        assert self.everything() == posted

    @requires(Capability.DELAY)
    def test_delayed_messages_are_found_by_id(self) -> None:
        """B-059."""
        posted = self.post(2, delay=60)
        assert self.ids(self.driver.messages.get_many(self.queue, posted)) == posted
        assert self.driver.messages.get(self.queue, posted[0]).claim_id is None

    @requires(Capability.DELAY)
    def test_a_delayed_message_is_among_the_first(self) -> None:
        """B-071."""
        (posted,) = self.post(delay=60)
        assert self.driver.messages.first(self.queue, 1).id == posted
        assert self.driver.messages.first(self.queue, -1).id == posted

    @requires(Capability.DELAY)
    def test_a_delayed_message_can_be_deleted(self) -> None:
        """B-045."""
        posted = self.post(2, delay=60)
        assert self.delete(posted) == [None, None]
        self.advance(60)
        assert self.everything() == []

    @requires(Capability.DELAY)
    def test_a_message_may_expire_before_its_delay_is_over(self) -> None:
        """B-068."""
        self.post(delay=120, ttl=60)
        self.advance(60)
        assert self.everything() == []
        with pytest.raises(QueueEmpty):
            self.driver.messages.first(self.queue)
        self.advance(60)
        assert self.try_claim() is None

    @requires(Capability.DELAY)
    def test_a_life_counts_from_the_post_not_from_the_end_of_the_delay(self) -> None:
        """B-068."""
        (posted,) = self.post(delay=60, ttl=100)
        self.advance(99)
        assert self.listed() == [posted]
        self.advance(1)
        assert self.listed() == []

    @requires(Capability.DELAY)
    def test_a_released_message_is_not_delayed_again(self) -> None:
        """B-103."""
        (posted,) = self.post(delay=60)
        self.advance(60)
        self.release(self.claim())
        assert self.ids(self.claim()) == [posted]


class TestGate(Suite):
    """Limits hold for the driver itself; refusals are made by core's gate, so they need it."""

    def need_gate(self) -> None:
        if self.harness.gate is None:
            not_run("without core's gate")

    @without(Capability.DELAY)
    def test_a_delay_is_refused_not_ignored(self) -> None:
        """B-105."""
        self.need_gate()
        with pytest.raises(NotSupported):
            self.driver.messages.post(self.queue, new_messages(1) + new_messages(1, delay=1))
        assert self.everything() == []

    @at_limit("body")
    def test_a_body_may_be_as_large_as_the_limit(self) -> None:
        """B-042."""
        limit = self.driver.limits.body or 0
        (posted,) = self.post(body=b"x" * limit)
        assert len(self.driver.messages.get(self.queue, posted).body) == limit

    @at_limit("body", beyond=True)
    def test_a_body_over_the_limit_is_refused(self) -> None:
        """B-042."""
        limit = self.driver.limits.body or 0
        self.need_gate()
        batch = new_messages(1) + new_messages(1, body=b"x" * (limit + 1))
        with pytest.raises(TooLarge):
            self.driver.messages.post(self.queue, batch)
        assert self.everything() == []

    def metadata(self, over: int = 0) -> dict[str, str]:
        """Metadata as large as the limit, or larger by so many bytes."""
        limit = self.driver.limits.metadata or 0
        return {"k": "x" * (limit + over - len('{"k":""}'))}

    @at_limit("metadata")
    def test_metadata_may_be_as_large_as_the_limit(self) -> None:
        """B-004."""
        self.driver.queues.set_metadata(self.queue, self.metadata())
        assert self.driver.queues.get(self.queue).metadata == self.metadata()

    @at_limit("metadata", beyond=True)
    def test_metadata_over_the_limit_is_refused(self) -> None:
        """B-004."""
        large = self.metadata(over=1)
        self.need_gate()
        with pytest.raises(TooLarge):
            self.driver.queues.set_metadata(self.queue, large)
        other = QueueRef(self.queue.project, "other")
        with pytest.raises(TooLarge):
            self.driver.queues.create(other, large)
        assert self.driver.queues.exists(other) is False
        assert self.driver.queues.get(self.queue).metadata == {}
