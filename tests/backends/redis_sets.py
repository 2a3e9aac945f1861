"""Several Redis servers together: a Cluster, and a primary that Sentinels watch."""

import abc
import time
from collections.abc import Callable
from typing import Self

from .base import HOST
from .redis import Redis

NAME = "mqcore"
PATIENCE = {"down-after-milliseconds": 1000, "failover-timeout": 5000}
SECONDS_TO_SETTLE = 30


def wait_for(condition: Callable[[], bool], teller: Redis) -> None:
    deadline = time.monotonic() + SECONDS_TO_SETTLE
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"they did not settle. The log of one of them:\n{teller.log}")
        time.sleep(0.05)


class RedisSet(abc.ABC):
    """Servers that start and end together. Tests kill one, or all of them."""

    nodes: list[Redis]

    @property
    @abc.abstractmethod
    def uri(self) -> str: ...

    @abc.abstractmethod
    def settled(self) -> bool:
        """Whether all of them agree on who does what."""

    @abc.abstractmethod
    def start(self) -> None:
        """Return when they agree."""

    def wait(self) -> None:
        """Return when they agree, as after one of them was started again."""
        wait_for(self.settled, self.nodes[-1])

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def kill(self) -> None:
        """One after the other."""
        for node in self.nodes:
            node.kill()

    def pause(self) -> None:
        for node in self.nodes:
            node.pause()

    def resume(self) -> None:
        for node in self.nodes:
            node.resume()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        for node in self.nodes:
            node.__exit__(*exception)


class RedisCluster(RedisSet):
    """Three primaries, each with some replicas; without, the slots of one that is down are down."""

    def __init__(self, *, fsync: bool = True, replicas: int = 0) -> None:
        lines = ("cluster-enabled yes", "cluster-node-timeout 2000", "repl-diskless-sync-delay 0")
        self.nodes = [Redis(fsync=fsync, settings=lines) for _ in range(3 * (1 + replicas))]
        self._replicas = replicas
        self._made = False

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        if not self._made:
            shape = ("--cluster-replicas", str(self._replicas), "--cluster-yes")
            self.nodes[0].run("redis-cli", "--cluster", "create", *self._at, *shape)
            self._made = True
        self.wait()

    def settled(self) -> bool:
        """Replicas that are not online do not count."""
        fit = all("cluster_state:ok" in node.cli("cluster", "info") for node in self.nodes)
        online = sum(node.cli("info", "replication").count("state=online") for node in self.nodes)
        return fit and online == 3 * self._replicas

    @property
    def uri(self) -> str:
        return f"redis+cluster://{','.join(self._at)}"

    @property
    def _at(self) -> list[str]:
        return [f"{HOST}:{node.port}" for node in self.nodes]

    def fresh_database(self) -> str:
        """Empties the only one that a Cluster has."""
        for node in self.nodes:
            node.cli("flushall")
        return self.uri


class Sentinel(Redis):
    """One that watches a primary, under the name of `mqcore`."""

    def __init__(self, primary: Redis) -> None:
        monitor = f"sentinel monitor {NAME} {HOST} {primary.port} 2"
        patience = [f"{limit} {NAME} {ms}" for limit, ms in PATIENCE.items()]
        self.lines = [monitor, *(f"sentinel {line}" for line in patience)]
        super().__init__()

    def prepare(self) -> None:
        lines = [f"bind {HOST}", f"dir {self.folder}", *self.lines]
        self.write("redis.conf", "\n".join(lines).encode())

    def command(self) -> list[str]:
        return [*super().command(), "--sentinel"]


class RedisSentinel(RedisSet):
    """A primary with a replica, and three Sentinels that fail over within seconds."""

    def __init__(self, *, fsync: bool = True) -> None:
        lines = ("databases 4096", "repl-diskless-sync-delay 0")
        first = Redis(fsync=fsync, settings=lines)
        replica = Redis(fsync=fsync, settings=(*lines, f"replicaof {HOST} {first.port}"))
        self.data = [first, replica]
        self.sentinels = [Sentinel(first) for _ in range(3)]
        self.nodes = [*self.data, *self.sentinels]

    def start(self) -> None:
        for node in self.data:
            node.start()
        wait_for(self.replicates, self.data[0])  # Sentinels look for replicas every ten seconds
        for sentinel in self.sentinels:
            sentinel.start()
        self.wait()

    def replicates(self) -> bool:
        return any("state=online" in node.cli("info", "replication") for node in self.data)

    def settled(self) -> bool:
        views = [sentinel.cli("info", "sentinel") for sentinel in self.sentinels]
        complete = ["status=ok" in view and "slaves=1,sentinels=3" in view for view in views]
        return all(complete) and "role:master" in self.primary.cli("info", "replication")

    @property
    def primary(self) -> Redis:
        """Where the Sentinels say that it is."""
        address = self.sentinels[0].cli("sentinel", "get-master-addr-by-name", NAME).split()
        return next(node for node in self.data if str(node.port) in address)

    @property
    def uri(self) -> str:
        return self._database("0")

    def fresh_database(self) -> str:
        return self._database(self.primary.fresh_database().rpartition("/")[2])

    def _database(self, number: str) -> str:
        hosts = ",".join(f"{HOST}:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{NAME}?db={number}"
