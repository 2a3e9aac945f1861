"""Opening `lmdb:///path` and the handle that it gives."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import mqcore.contract as mq

from .box import Box, Row
from .claims import Claims, Lease
from .claims import end as end_claim
from .messages import Messages
from .queues import Queues, volume
from .store import Store, Transaction, pack
from .subscriptions import Subscriptions
from .subscriptions import remove as remove_subscription

PIECE = 250
"""The most records that one transaction of `collect` removes, so that others get their turn."""


class LmdbDriver(mq.Driver):
    """A handle on one file.

    EXACT_STATS is not declared: the counts are stored and change with each call, but messages
    expire and claims end by the clock alone, and until somebody tidies up they are counted as
    they were. To count them exactly would need a sum over the ends that are still to come.
    """

    capabilities = (
        mq.Capability.FIFO
        | mq.Capability.DELAY
        | mq.Capability.DURABLE
        | mq.Capability.ATOMIC_BATCH
    )

    def __init__(self, store: Store) -> None:
        self._store = store
        self.queues = Queues(store)
        self.messages = Messages(store)
        self.claims = Claims(store)
        self.subscriptions = Subscriptions(store)

    def ping(self) -> None:
        with self._store.begin():
            pass

    def volume(self) -> mq.QueueStats:
        with self._store.begin() as tx:
            return volume(tx)

    def collect(self, limit: int = 1000) -> int:
        removed = 0
        for step in STEPS:
            full = True
            while full and removed < limit:
                room = min(limit - removed, PIECE)
                with self._store.begin(write=True) as tx:
                    gone = step(tx, room)
                removed, full = removed + gone, gone == room
        return removed

    def close(self) -> None:
        self._store.close()


def _empty_trash(tx: Transaction, room: int) -> int:
    """Remove messages of deleted and purged queues. Their claims go when they end."""
    gone = 0
    for key, _ in list(tx.scan("trash", b"")):
        while gone < room and (number := tx.nearest("Row", key, 0)) is not None:
            _remove_message(tx, key + pack(number))
            gone += 1
        if gone == room:
            break
        tx.delete("counts", key)
        tx.delete("trash", key)
    return gone


def _remove_message(tx: Transaction, key: bytes) -> None:
    if row := tx.load(Row, key, over=True):
        Box(tx, key[:8]).remove(row)


def _tidy(
    kind: type, remove: Callable[[Transaction, bytes], None], tx: Transaction, room: int
) -> int:
    """Remove records that are over."""
    keys = tx.over(kind, room)
    for key in keys:
        remove(tx, key)
    return len(keys)


STEPS: tuple[Callable[[Transaction, int], int], ...] = (
    _empty_trash,
    partial(_tidy, Lease, end_claim),
    partial(_tidy, Row, _remove_message),
    partial(_tidy, mq.Subscription, remove_subscription),
)


def open_driver(uri: str, *, clock: mq.Clock) -> LmdbDriver:
    """Open `lmdb:///relative/path` or `lmdb:////absolute/path`, creating the file.

    Option: `map_size`, the most gibibytes that the file may grow to (16).
    """
    parsed = mq.StoreUri(uri)
    map_size = parsed.number("map_size", 16, least=0.001, most=65536)
    parsed.done()
    name = unquote(parsed.parts.path.removeprefix("/"))
    if parsed.parts.netloc or not name:
        raise mq.BadUri(f"{parsed}: write lmdb:///relative/path or lmdb:////absolute/path")
    path = Path(name).resolve()
    if not path.parent.is_dir() or path.is_dir():
        raise mq.Misconfigured(f"{path} must name a file, new or old, in a folder that exists")
    return LmdbDriver(Store(path, int(map_size * 2**30), clock))
