"""Opening a Swift store and the handle that it gives."""

from mqcore.contract import Capability, Clock, Driver, QueueStats

from .address import read
from .claims import Claims
from .messages import Messages
from .queues import Queues
from .store import Store
from .subscriptions import Subscriptions

__all__ = ["SwiftDriver", "open_driver"]


class SwiftDriver(Driver):
    """A handle on a store."""

    capabilities = (
        Capability.FIFO
        | Capability.DELAY
        | Capability.DURABLE
        | Capability.EXACT_STATS
        | Capability.ATOMIC_BATCH
    )

    checks_versions = True

    def __init__(self, store: Store) -> None:
        self._store = store
        self.queues = Queues(store)
        self.messages = Messages(store)
        self.claims = Claims(store)
        self.subscriptions = Subscriptions(store)

    def ping(self) -> None:
        with self._store.calls.one():
            self._store.requests.ping()

    def volume(self) -> QueueStats:
        with self._store.calls.one():
            counts = [log.volume() for log in self._store.logs()]
        return QueueStats(sum(free for free, _ in counts), sum(claimed for _, claimed in counts))

    def collect(self, limit: int = 1000) -> int:
        gone = 0
        with self._store.calls.one():
            for log in self._store.logs():
                if gone < limit:
                    gone += log.collect(limit - gone)
        return gone

    def close(self) -> None:
        self._store.close()


def open_driver(uri: str, *, clock: Clock) -> SwiftDriver:
    """Open `swift://account%3Auser:key@host:port/auth/v1.0`, or another form of docs/swift.md.

    The options are described there, too. The container is made unless it is there.
    """
    store = Store(read(uri), clock)
    store.requests.open()
    return SwiftDriver(store)
