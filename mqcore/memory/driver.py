"""Opening a store in memory and the handle that it gives."""

import threading
import weakref

from ..contract import (
    BadUri,
    Capability,
    Clock,
    Driver,
    LocalWaking,
    QueueRef,
    QueueStats,
    Stop,
    StoreUri,
    Wake,
    Waking,
)
from .claims import Claims
from .messages import Messages
from .queues import Queues
from .store import Store
from .subscriptions import Subscriptions

__all__ = ["MemoryDriver", "open_driver"]


class MemoryDriver(Driver):
    """A handle on a store in this process."""

    capabilities = (
        Capability.FIFO
        | Capability.DELAY
        | Capability.EXACT_STATS
        | Capability.ATOMIC_BATCH
        | Capability.WAKING
    )
    local = True
    blocking = False
    checks_versions = True

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.closed = False
        self.waking: Waking = LocalWaking(store)
        self.queues = Queues(self)
        self.messages = Messages(self)
        self.claims = Claims(self)
        self.subscriptions: Subscriptions = Subscriptions(self)

    def ping(self) -> None:
        self.queues.count(None)

    def volume(self) -> QueueStats:
        self.ping()
        with self.store.lock:
            now = self.clock()
            for box in self.store.boxes():
                box.settle(now)
            counts = [box.counts() for box in self.store.boxes()]
        free, claimed = (sum(column) for column in zip((0, 0), *counts, strict=True))
        return QueueStats(free, claimed)

    def collect(self, limit: int = 1000) -> int:
        self.ping()
        with self.store.lock:
            now = self.clock()
            gone = self.subscriptions.settle(self.store, now)
            for box in self.store.boxes():
                if gone >= limit:
                    break
                gone += box.settle(now, limit - gone)
            return gone

    def watch(self, queue: QueueRef, wake: Wake) -> Stop:
        return self.waking.watch(queue, wake)

    def close(self) -> None:
        self.closed = True
        self.waking.close()


_stores: "weakref.WeakValueDictionary[str, Store]" = weakref.WeakValueDictionary()
_stores_lock = threading.Lock()


def open_driver(uri: str, *, clock: Clock) -> MemoryDriver:
    """Open `memory://` (a new, empty store) or `memory://NAME` (shared in this process)."""
    parsed = StoreUri(uri)
    parsed.done()
    if parsed.parts.path not in ("", "/"):
        raise BadUri(f"{parsed}: write memory:// or memory://NAME")
    name = parsed.parts.netloc
    if not name:
        return MemoryDriver(Store(), clock)
    with _stores_lock:
        return MemoryDriver(_stores.setdefault(name, Store()), clock)
