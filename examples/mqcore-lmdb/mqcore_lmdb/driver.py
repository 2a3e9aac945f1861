"""Opening `lmdb:///path` and the handle that it gives."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import unquote

import mqcore.contract as mq

from .box import DIGITS, Box
from .messages import Claims, Messages, end_claim
from .queues import Queues, Subscriptions, tidy
from .store import Store, Transaction


class LmdbDriver(mq.Driver):
    """A handle on one file.

    EXACT_STATS is not declared: messages expire and claims end by the clock alone, and are
    counted as they were until `collect` comes by.
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
            counts = [Box(tx, record).counts() for _, record in tx.scan(b"queue/")]
        return mq.QueueStats(sum(free for free, _ in counts), sum(held for _, held in counts))

    def collect(self, limit: int = 1000) -> int:
        removed = 0
        with self._store.begin(write=True) as tx:
            while removed < limit and (keys := tx.due()):
                removed += _remove(tx, keys, limit - removed)
        return removed

    def close(self) -> None:
        self._store.close()


def _remove(tx: Transaction, due: Sequence[bytes], most: int) -> int:
    """Remove the first that is over, with other messages of its queue; return how many."""
    kind, _, name = due[0].partition(b"/")
    if kind == b"subscriptions":
        return tidy(tx, due[0])
    box, rest = Box(tx, name[:DIGITS]), name[DIGITS:]
    if kind == b"claim":
        end_claim(box, rest)
        return 1
    prefix = b"message/" + box.key
    if kind == b"trash":
        numbers = [number for number, _ in islice(tx.scan(prefix), most)]
        if len(numbers) < most:
            tx.save(due[0], None)
    else:
        numbers = [key[-DIGITS:] for key in due[:most] if key.startswith(prefix)]
    box.change((box.row(number), None) for number in numbers)
    return len(numbers)


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
    return LmdbDriver(Store(Path(name).resolve(), int(map_size * 2**30), clock))
