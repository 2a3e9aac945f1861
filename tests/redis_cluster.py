"""A Redis Cluster for tests: real nodes, each behind a proxy that it announces as its port."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from mqcore.conformance.proxy import Proxy

from .backends import Redis

__all__ = ["Cluster", "redis_cluster"]

SETTINGS = ("cluster-enabled yes", "cluster-node-timeout 2000")
PATIENCE = 30.0
"""Seconds that the nodes have to learn of each other."""


class Cluster:
    """`nodes` are the servers, `proxies` what clients reach them through, in the same order."""

    def __init__(self, nodes: list[Redis], proxies: list[Proxy]) -> None:
        self.nodes = nodes
        self.proxies = proxies
        self.uri = f"redis+cluster://127.0.0.1:{proxies[0].port}"

    def form(self) -> None:
        """Make them a cluster and wait until each node tells the ports of all proxies."""
        places = [f"127.0.0.1:{node.port}" for node in self.nodes]
        self.nodes[0].run("redis-cli", "--cluster", "create", *places, "--cluster-yes")
        for node, proxy in zip(self.nodes, self.proxies, strict=True):
            node.cli("config", "set", "cluster-announce-bus-port", str(node.port + 10_000))
            node.cli("config", "set", "cluster-announce-port", str(proxy.port))
        deadline = time.monotonic() + PATIENCE
        while not all(self._is_whole(node) for node in self.nodes):
            if time.monotonic() > deadline:
                raise RuntimeError("the nodes of the cluster did not find each other")
            time.sleep(0.05)

    def _is_whole(self, node: Redis) -> bool:
        known = node.cli("cluster", "nodes")
        ready = "cluster_state:ok" in node.cli("cluster", "info")
        return ready and all(f":{proxy.port}@" in known for proxy in self.proxies)


@contextmanager
def redis_cluster(nodes: int = 3) -> Iterator[Cluster]:
    """Start one, and stop it."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(Redis(append_only=False, settings=SETTINGS)) for _ in range(nodes)
        ]
        proxies = [stack.enter_context(Proxy("127.0.0.1", server.port)) for server in servers]
        cluster = Cluster(servers, proxies)
        cluster.form()
        yield cluster
