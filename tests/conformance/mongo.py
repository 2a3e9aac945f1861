"""How our harnesses reach a MongoDB server: through a proxy, whatever name it has for itself."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from urllib.parse import urlsplit

import pytest
from mqcore_mongodb.driver import open_driver

from mqcore.checked import CheckedDriver
from mqcore.conformance.harness import Clock, Opener
from mqcore.conformance.proxy import Proxy
from mqcore.contract import Driver, Unavailable

from ..backends import MongoDB
from .meters import MongoMeter
from .proxied import ProxiedHarness

__all__ = ["MongoHarness", "proxied"]

QUICK = "&primary_timeout=0.6"
"""For tests that wait until a dead store is noticed."""


class MongoHarness(ProxiedHarness):
    """Whose handles give a dead store up soon, but not while they are opened, nor elsewhere."""

    def open(self, clock: Clock) -> Driver:
        deadline = time.monotonic() + 30
        while True:
            try:
                return super().open(clock)
            except Unavailable:
                if time.monotonic() > deadline:
                    raise

    def opener(self) -> Opener:
        (uri,) = self._opener.args
        return partial(open_driver, uri.removesuffix(QUICK))


@contextmanager
def proxied(server: MongoDB) -> Iterator[MongoHarness]:
    """A harness for the server, behind core's gate as in a server of ours.

    Pymongo looks for a server that is gone twice a second, and offers no option for that.
    """
    with (
        server,
        Proxy("127.0.0.1", server.port) as proxy,
        closing(MongoMeter(server.client())) as meter,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("pymongo.common.MIN_HEARTBEAT_INTERVAL", 0.02)
        patch.setattr("pymongo.network_layer._POLL_TIMEOUT", 0.02)
        there = f"127.0.0.1:{proxy.port}"
        uri = urlsplit(server.fresh_database())._replace(netloc=there, query=f"direct=yes{QUICK}")
        harness = MongoHarness(open_driver, uri.geturl(), proxy, meter=meter)
        harness.gate = CheckedDriver
        yield harness
