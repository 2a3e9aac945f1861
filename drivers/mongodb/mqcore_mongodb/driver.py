"""Opening a MongoDB store and the handle that it gives."""

from mqcore.contract import (
    Capability,
    Clock,
    Driver,
    Limits,
    QueueRef,
    QueueStats,
    Stop,
    Wake,
)

from .address import read
from .burial import Burial
from .claims import Claims
from .collect import collect
from .leases import Leases
from .messages import BODY, Messages
from .posts import Posts
from .queues import METADATA, Queues, volume
from .runs import Runs
from .store import Store
from .subscriptions import Subscriptions
from .taking import Taker
from .walk import Walker

__all__ = ["MongoDriver", "open_driver"]


class MongoDriver(Driver):
    """A handle on a store."""

    capabilities = Capability.FIFO | Capability.DELAY | Capability.DURABLE | Capability.ATOMIC_BATCH
    limits = Limits(body=BODY, metadata=METADATA)
    checks_versions = True

    def __init__(self, store: Store) -> None:
        self._store = store
        if store.deployment.streams:
            self.capabilities |= Capability.WAKING
        self._runs = runs = Runs(store)
        self._leases = leases = Leases(store)
        walker, posts = Walker(store, runs), Posts(store)
        taker = Taker(store, walker, leases, posts)
        self.queues = Queues(store, walker)
        self.messages = Messages(
            store, posts=posts, runs=runs, walker=walker, leases=leases, taker=taker
        )
        self.claims = Claims(store, runs, leases, taker, Burial(store, posts, runs))
        self.subscriptions = Subscriptions(store)

    def ping(self) -> None:
        self._store.ping()

    def volume(self) -> QueueStats:
        return self._store.call(lambda: volume(self._store))

    def collect(self, limit: int = 1000) -> int:
        return self._store.call(lambda: collect(self._store, self._leases, self._runs, limit))

    def watch(self, queue: QueueRef, wake: Wake) -> Stop:
        return self._store.waking.watch(queue, wake)

    def close(self) -> None:
        self._store.close()


def open_driver(uri: str, *, clock: Clock) -> MongoDriver:
    """Open `mongodb://user:password@host:port,host:port/database` or `mongodb+srv://...`.

    The options are described in docs/mongodb.md.
    """
    return MongoDriver(Store(read(uri), clock))
