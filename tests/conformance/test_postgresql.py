"""The suite on PostgreSQL: bare, and behind core's gate."""

import os
from collections.abc import Callable, Iterator
from functools import partial

import psycopg
import pytest
from mqcore_sql.postgresql import open_driver

from mqcore.checked import CheckedDriver
from mqcore.conformance import *  # noqa: F403
from mqcore.conformance import Clock, Harness
from mqcore.conformance.harness import Opener
from mqcore.conformance.proxy import Proxy
from mqcore.contract import Driver


class PostgresqlHarness(Harness):
    def __init__(self, proxy: Proxy, database: str, direct: str) -> None:
        self.proxy = proxy
        self.uri = f"postgresql://mq@127.0.0.1:{proxy.port}/{database}?pool_size=10"

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


@pytest.fixture(scope="module", params=["bare", "checked"])
def harness(request: pytest.FixtureRequest) -> Iterator[PostgresqlHarness]:
    database = f"t{os.getpid()}_{request.param}"
    direct = "host=127.0.0.1 port=54399 user=mq dbname=postgres"
    with psycopg.connect(direct, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {database}")
    with Proxy("127.0.0.1", 54399) as proxy:
        harness = PostgresqlHarness(proxy, database, direct)
        harness.gate = None if request.param == "bare" else CheckedDriver
        yield harness
