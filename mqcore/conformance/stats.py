"""Counts: what is free and claimed, and which messages are at the two ends."""

import pytest

from ..contract import Capability, QueueNotFound, QueueRef, new_id
from .suite import Suite, requires, without

__all__ = ["TestStats"]


class TestStats(Suite):
    def counts(self) -> tuple[int, int, int]:
        """Free, claimed, total, as another handle sees them."""
        stats = self.open().queues.stats(self.queue)
        return stats.free, stats.claimed, stats.total

    def test_an_empty_queue_has_zeros_and_no_ends(self) -> None:
        """B-017."""
        stats = self.driver.queues.stats(self.queue)
        assert (stats.free, stats.claimed, stats.total) == (0, 0, 0)
        assert stats.oldest is None
        assert stats.newest is None

    def test_a_missing_queue_has_no_stats(self) -> None:
        """B-018."""
        with pytest.raises(QueueNotFound):
            self.driver.queues.stats(QueueRef(self.queue.project, "missing"))

    @requires(Capability.EXACT_STATS)
    def test_posted_messages_are_free(self) -> None:
        """B-019."""
        self.post(12)
        assert self.counts() == (12, 0, 12)

    @without(Capability.EXACT_STATS)
    def test_counts_that_lag_are_no_less_than_zero(self) -> None:
        """B-019."""
        self.post(12)
        self.claim(5)
        assert min(self.counts()) >= 0

    @without(Capability.EXACT_STATS)
    def test_counts_that_lag_settle_once_nothing_changes(self) -> None:
        """B-019, B-025."""
        self.post(12)
        self.claim(5, ttl=36_000)
        for _ in range(100):
            if self.counts() == (7, 5, 12):
                break
            self.driver.collect()
            self.advance(1)
        assert self.counts() == (7, 5, 12)

    @requires(Capability.FIFO)
    @requires(Capability.EXACT_STATS)
    def test_the_ends_are_the_oldest_and_the_newest_message(self) -> None:
        """B-020, B-021."""
        start = self.clock()
        first = self.post(2)
        self.advance(2)
        second = self.post(2)
        self.advance(3)
        stats = self.driver.queues.stats(self.queue)
        assert stats.oldest is not None
        assert stats.newest is not None
        assert (stats.oldest.id, stats.oldest.posted_at) == (first[0], start)
        assert (stats.newest.id, stats.newest.posted_at) == (second[-1], start + 2)

    @requires(Capability.FIFO)
    @requires(Capability.EXACT_STATS)
    def test_the_ends_may_be_claimed_but_not_expired(self) -> None:
        """B-020, B-028."""
        self.post(ttl=60)
        claimed, free = self.post(2)
        self.advance(60)
        assert self.ids(self.claim(1)) == [claimed]
        stats = self.driver.queues.stats(self.queue)
        assert stats.oldest is not None
        assert stats.newest is not None
        assert (stats.oldest.id, stats.newest.id) == (claimed, free)

    @requires(Capability.EXACT_STATS)
    def test_deletes_count_at_once(self) -> None:
        """B-022, B-023."""
        posted = self.post(10)
        self.delete(posted[:1])
        assert self.counts() == (9, 0, 9)
        self.delete([*posted[1:5], "malformed", "'; DROP TABLE messages; --"])
        assert self.counts() == (5, 0, 5)

    @requires(Capability.EXACT_STATS)
    def test_claims_count_at_once(self) -> None:
        """B-024, B-025, B-026, B-027."""
        self.post(15)
        claim = self.claim(10)
        assert self.counts() == (5, 10, 15)
        claimed = [message.id for message in claim.messages]
        self.delete(claimed[:1], claim)
        assert self.counts() == (5, 9, 14)
        self.delete(claimed[1:3], force=True)
        assert self.counts() == (5, 7, 12)
        self.release(claim)
        assert self.counts() == (12, 0, 12)

    @requires(Capability.EXACT_STATS)
    def test_messages_of_an_expired_claim_are_free(self) -> None:
        """B-027, B-104."""
        self.post(3)
        self.claim(2, ttl=60)
        self.advance(59)
        assert self.counts() == (1, 2, 3)
        self.advance(1)
        assert self.counts() == (3, 0, 3)

    @requires(Capability.EXACT_STATS)
    def test_expired_messages_are_not_counted(self) -> None:
        """B-028."""
        self.post(3, ttl=60)
        self.post(2, ttl=600)
        self.advance(60)
        assert self.counts() == (2, 0, 2)

    @requires(Capability.DELAY)
    @requires(Capability.EXACT_STATS)
    def test_delayed_messages_count_as_free(self) -> None:
        self.post(2, delay=60)
        self.post(1)
        assert self.counts() == (3, 0, 3)
        self.advance(60)
        assert self.counts() == (3, 0, 3)

    @requires(Capability.EXACT_STATS)
    def test_popped_and_purged_messages_are_not_counted(self) -> None:
        self.post(5)
        self.claim(1)
        self.driver.messages.pop(self.queue, 2)
        assert self.counts() == (2, 1, 3)
        self.driver.messages.purge(self.queue)
        assert self.counts() == (0, 0, 0)

    @requires(Capability.EXACT_STATS)
    def test_the_volume_is_that_of_all_queues_of_all_projects(self) -> None:
        before = self.driver.volume()
        nobody = self.new_queue(None, f"q-{new_id()}")
        self.post(4)
        self.post(2, queue=nobody)
        self.claim(3)
        self.claim(1, queue=nobody)
        volume = self.open().volume()
        assert (volume.free - before.free, volume.claimed - before.claimed) == (2, 4)
        assert (volume.oldest, volume.newest) == (None, None)
        self.driver.queues.delete(self.queue)
        self.driver.messages.purge(nobody)
        assert self.driver.volume() == before
