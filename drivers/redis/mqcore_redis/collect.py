"""Giving back the room of what is over, in steps that leave others their turn."""

from .scripts import script
from .store import Store

__all__ = ["collect"]

_COLLECT = script("queue", "collect")

STEP = 100
"""The most records that one script removes."""
QUEUES = 100
"""How many queues are looked up at a time."""


def collect(store: Store, limit: int) -> int:
    """Remove about `limit` records; fewer means that nothing is left."""
    removed = 0
    for partition in range(store.keys.partitions):
        while removed < limit:
            due = store.command(
                *("ZRANGEBYSCORE", store.keys.agenda(partition), "-inf"),
                *(store.moment().second, "LIMIT", 0, QUEUES),
            )
            for stem in due:
                removed += _tidy(store, stem.decode(), partition, min(STEP, limit - removed))
                if removed >= limit:
                    break
            if not due:
                break
    return removed


def _tidy(store: Store, stem: str, partition: int, most: int) -> int:
    keys = store.keys.at(stem, partition)
    removed = store.run(
        _COLLECT,
        (keys.agenda, *keys.queue, *keys.subscriptions),
        (stem, store.moment().second, most),
    )
    return int(removed)
