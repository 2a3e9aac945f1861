"""The suite on a Redis Cluster: bare, and behind core's gate."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from mqcore_redis.driver import open_driver

from mqcore.checked import CheckedDriver
from mqcore.conformance import *  # noqa: F403
from mqcore.conformance import Clock, Harness
from mqcore.conformance.harness import Opener
from mqcore.contract import Driver

from ..redis_cluster import Cluster, redis_cluster
from .meters import RedisMeter


class ClusterHarness(Harness):
    def __init__(self, cluster: Cluster) -> None:
        self.proxies = cluster.proxies
        self.uri = cluster.uri
        self.meter = RedisMeter(*(node.uri for node in cluster.nodes))

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


@pytest.fixture(scope="module", params=["bare", "checked"])
def harness(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[ClusterHarness]:
    harness = ClusterHarness(cluster)
    harness.gate = None if request.param == "bare" else CheckedDriver
    yield harness
    harness.meter.close()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with redis_cluster() as cluster:
        yield cluster
