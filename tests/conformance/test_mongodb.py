"""The suite on MongoDB, behind core's gate: a replica set of one, and a standalone server."""

from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from mqcore_mongodb.driver import open_driver

from mqcore.checked import CheckedDriver
from mqcore.conformance import *  # noqa: F403
from mqcore.conformance.proxy import Proxy

from ..backends import MongoDB
from .meters import MongoMeter
from .proxied import ProxiedHarness

QUICK = "&primary_timeout=1&connect_timeout=1"
"""For tests that wait until a dead store is noticed."""


@pytest.fixture(scope="module", autouse=True)
def _look_often() -> Iterator[None]:
    """Pymongo looks for a server that is gone twice a second, and offers no option for that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pymongo.common.MIN_HEARTBEAT_INTERVAL", 0.02)
        yield


@pytest.fixture(scope="module", params=["set", "standalone"])
def harness(request: pytest.FixtureRequest) -> Iterator[ProxiedHarness]:
    """Reaches the server through a proxy, whatever name the server has for itself."""
    with (
        MongoDB(replica_set=request.param == "set") as server,
        Proxy("127.0.0.1", server.port) as proxy,
        closing(MongoMeter(server.client())) as meter,
    ):
        there = f"127.0.0.1:{proxy.port}"
        uri = urlsplit(server.fresh_database())._replace(netloc=there, query=f"direct=yes{QUICK}")
        harness = ProxiedHarness(open_driver, uri.geturl(), proxy, meter=meter)
        harness.gate = CheckedDriver
        yield harness
