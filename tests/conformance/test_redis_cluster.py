"""The suite on a Redis Cluster, behind core's gate; what is durable is tested on one server."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from mqcore_redis.driver import open_driver

from mqcore.checked import CheckedDriver
from mqcore.conformance import *  # noqa: F403
from mqcore.conformance.proxy import Proxy
from mqcore.contract.watchers import PACE

from ..backends import Redis, RedisCluster
from .meters import RedisMeter
from .proxied import ProxiedHarness

PATIENCE = 30.0
"""Seconds that the nodes have to tell each other where the proxies are."""


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
def harness() -> Iterator[ProxiedHarness]:
    """Reaches each node through a proxy, which the node announces as its port."""
    with RedisCluster(fsync=False) as cluster, ExitStack() as stack:
        nodes = cluster.nodes
        proxies = [stack.enter_context(Proxy("127.0.0.1", node.port)) for node in nodes]
        announce(nodes, proxies)
        meter = stack.enter_context(closing(RedisMeter(*(node.uri for node in nodes))))
        uri = f"redis+cluster://127.0.0.1:{proxies[0].port}"
        harness = ProxiedHarness(open_driver, uri, *proxies, meter=meter)
        harness.quiet = 2 * PACE
        harness.gate = CheckedDriver
        yield harness
