"""The suite on PostgreSQL, behind core's gate as in a server. What fails is the network between."""

from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import urlsplit

import pytest
from mqcore_sql.postgresql import open_driver

from mqcore.checked import CheckedDriver
from mqcore.conformance import *  # noqa: F403
from mqcore.conformance import Clock, Harness
from mqcore.conformance.harness import Opener
from mqcore.conformance.proxy import Proxy
from mqcore.contract import Driver
from tests.backends import PostgreSQL


class PostgresqlHarness(Harness):
    gate = CheckedDriver

    def __init__(self, proxy: Proxy, uri: str) -> None:
        self.proxy = proxy
        self.uri = uri

    def open(self, clock: Clock) -> Driver:
        return open_driver(self.uri, clock=clock)

    def opener(self) -> Opener:
        return partial(open_driver, self.uri)

    def break_backend(self) -> None:
        self.proxy.cut()

    def repair_backend(self) -> None:
        self.proxy.restore()

    def lose_reply(self, skip: int = 0) -> Callable[[], bool]:
        self.proxy.lose_reply(skip)
        return lambda: not self.proxy.pending


@pytest.fixture(scope="module")
def harness(postgresql: PostgreSQL) -> Iterator[PostgresqlHarness]:
    direct = urlsplit(postgresql.fresh_database())
    assert direct.port
    with Proxy("127.0.0.1", direct.port) as proxy:
        there = direct.netloc.replace(f":{direct.port}", f":{proxy.port}")
        uri = direct._replace(netloc=there, query="pool_size=8").geturl()
        yield PostgresqlHarness(proxy, uri)
