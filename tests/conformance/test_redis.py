"""The suite on Redis: bare and durable; behind core's gate and in memory."""

from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import urlsplit

import pytest
from mqcore_redis.driver import open_driver

from mqcore.checked import CheckedDriver
from mqcore.conformance import *  # noqa: F403
from mqcore.conformance import Clock, Harness
from mqcore.conformance.harness import Opener
from mqcore.conformance.proxy import Proxy
from mqcore.contract import Driver

from ..backends import Redis
from .meters import RedisMeter


class RedisHarness(Harness):
    """Reaches the server through a proxy, which breaks and loses what it is told to."""

    def __init__(self, uri: str, proxy: Proxy) -> None:
        self.proxy = proxy
        self.meter = RedisMeter(uri)
        self.uri = urlsplit(uri)._replace(netloc=f"127.0.0.1:{proxy.port}").geturl()

    def open(self, clock: Clock) -> Driver:
        return open_driver(self.uri, clock=clock)

    def opener(self) -> Opener:
        return partial(open_driver, self.uri)

    def work(self, call: Callable[[], object]) -> int:
        return self.meter.work(call)

    def lose_reply(self, skip: int = 0) -> Callable[[], bool]:
        self.proxy.lose_reply(skip)
        return lambda: not self.proxy.pending

    def break_backend(self) -> None:
        self.proxy.cut()

    def repair_backend(self) -> None:
        self.proxy.restore()


@pytest.fixture(scope="module", params=["bare", "checked"])
def harness(request: pytest.FixtureRequest) -> Iterator[RedisHarness]:
    durable = request.param == "bare"
    with Redis(append_only=durable) as server, Proxy("127.0.0.1", server.port) as proxy:
        harness = RedisHarness(server.uri, proxy)
        harness.gate = None if request.param == "bare" else CheckedDriver
        yield harness
        harness.meter.close()
