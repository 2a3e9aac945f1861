"""The suite on Redis: bare and durable; behind core's gate and in memory."""

from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from mqcore_redis.driver import open_driver

from mqcore.checked import CheckedDriver
from mqcore.conformance import *  # noqa: F403
from mqcore.conformance.proxy import Proxy
from mqcore.contract.watchers import PACE

from ..backends import Redis
from .meters import RedisMeter
from .proxied import ProxiedHarness


@pytest.fixture(scope="module", params=["bare", "checked"])
def harness(request: pytest.FixtureRequest) -> Iterator[ProxiedHarness]:
    durable = request.param == "bare"
    with (
        Redis(append_only=durable) as server,
        Proxy("127.0.0.1", server.port) as proxy,
        closing(RedisMeter(server.uri)) as meter,
    ):
        uri = urlsplit(server.uri)._replace(netloc=f"127.0.0.1:{proxy.port}").geturl()
        harness = ProxiedHarness(open_driver, uri, proxy, meter=meter)
        harness.quiet = 2 * PACE
        harness.gate = None if request.param == "bare" else CheckedDriver
        yield harness
