"""The suite on a Redis Cluster, behind core's gate; what is durable is tested on one server."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest
from mqcore_redis.driver import open_driver

from mqcore.checked import CheckedDriver
from mqcore.conformance import *  # noqa: F403
from mqcore.conformance import Clock, Harness
from mqcore.conformance.harness import Opener
from mqcore.conformance.proxy import Proxy
from mqcore.contract import Driver

from ..backends import Redis, RedisCluster
from .meters import RedisMeter

PATIENCE = 30.0
"""Seconds that the nodes have to tell each other where the proxies are."""


class ClusterHarness(Harness):
    """Reaches each node through a proxy, which the node announces as its port."""

    gate = CheckedDriver

    def __init__(self, nodes: list[Redis], proxies: list[Proxy]) -> None:
        self.proxies = proxies
        self.uri = f"redis+cluster://127.0.0.1:{proxies[0].port}"
        self.meter = RedisMeter(*(node.uri for node in nodes))

    def open(self, clock: Clock) -> Driver:
        return open_driver(self.uri, clock=clock)

    def opener(self) -> Opener:
        return partial(open_driver, self.uri)

    def work(self, call: Callable[[], object]) -> int:
        return self.meter.work(call)

    def lose_reply(self, skip: int = 0) -> Callable[[], bool]:
        for proxy in self.proxies:
            proxy.lose_reply(skip)
        return lambda: not all(proxy.pending for proxy in self.proxies)

    def break_backend(self) -> None:
        for proxy in self.proxies:
            proxy.cut()

    def repair_backend(self) -> None:
        for proxy in self.proxies:
            proxy.restore()


def announce(nodes: list[Redis], proxies: list[Proxy]) -> None:
    """Return when every node names the proxies as the ports of the others."""
    for node, proxy in zip(nodes, proxies, strict=True):
        node.cli("config", "set", "cluster-announce-bus-port", str(node.port + 10_000))
        node.cli("config", "set", "cluster-announce-port", str(proxy.port))
    ports = [f":{proxy.port}@" for proxy in proxies]
    deadline = time.monotonic() + PATIENCE
    while not all(port in node.cli("cluster", "nodes") for node in nodes for port in ports):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def harness() -> Iterator[ClusterHarness]:
    with RedisCluster(fsync=False) as cluster, ExitStack() as stack:
        nodes = cluster.nodes
        proxies = [stack.enter_context(Proxy("127.0.0.1", node.port)) for node in nodes]
        announce(nodes, proxies)
        harness = ClusterHarness(nodes, proxies)
        yield harness
        harness.meter.close()
