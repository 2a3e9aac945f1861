"""Opening a Redis store and the handle that it gives."""

from mqcore.contract import Capability, Clock, Driver, QueueRef, QueueStats, Stop, Wake

from .address import read
from .claims import Claims
from .collect import collect
from .messages import JoinedMessages, Messages
from .queues import Queues, volume
from .store import Store
from .subscriptions import Subscriptions

__all__ = ["RedisDriver", "open_driver"]


class RedisDriver(Driver):
    """A handle on a store. DURABLE is declared when the servers are set so."""

    capabilities = (
        Capability.FIFO
        | Capability.DELAY
        | Capability.EXACT_STATS
        | Capability.ATOMIC_BATCH
        | Capability.WAKING
    )

    checks_versions = True

    def __init__(self, store: Store) -> None:
        self._store = store
        self.cooperative = store.cooperative
        if store.durable:
            self.capabilities = self.capabilities | Capability.DURABLE
        self.queues = Queues(store)
        self.messages = (JoinedMessages if store.is_one_server else Messages)(store)
        self.claims = Claims(store)
        self.subscriptions = Subscriptions(store)

    def ping(self) -> None:
        self._store.ping()

    def volume(self) -> QueueStats:
        return volume(self._store)

    def collect(self, limit: int = 1000) -> int:
        return collect(self._store, limit)

    def watch(self, queue: QueueRef, wake: Wake) -> Stop:
        return self._store.waking.watch(queue, wake)

    def close(self) -> None:
        self._store.close()


def open_driver(uri: str, *, clock: Clock) -> RedisDriver:
    """Open `redis://user:password@host:port/database`, or another scheme of docs/redis.md.

    The options are described there, too. DURABLE is declared when every server has appendonly
    on and appendfsync set to always.
    """
    return RedisDriver(Store(read(uri), clock))
