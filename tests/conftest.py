"""Servers for all tests, started when the first test asks, and the report of those not there."""

import os
from collections import Counter
from collections.abc import Generator, Iterator

import pytest

from mqcore.conformance.ledger import MARK, Ledger

from .backends import (
    MariaDB,
    Missing,
    MongoDB,
    MongoSet,
    PostgreSQL,
    Redis,
    RedisCluster,
    RedisSentinel,
    Swift,
)

LONGEST = (
    "test_swift",
    "test_postgresql",
    "test_mongodb",
    "test_mongodb_standalone",
    "test_example",
    "test_mariadb",
    "test_packaging",
    "test_runner",
    "test_redis_cluster",
    "test_migrations",
)
"""Files that take so long that nothing else should be left to do when they are begun."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: processes of pytest-xdist take one file after another."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)


def pytest_configure(config: pytest.Config) -> None:
    # Here, since what the suite registers in the processes of pytest-xdist cannot print.
    Ledger.start(config)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    with PostgreSQL(os.environ.get("MQCORE_TEST_POSTGRESQL", "")) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    with MariaDB(os.environ.get("MQCORE_TEST_MARIADB", "")) as server:
        yield server


@pytest.fixture(scope="session")
def mongodb() -> Iterator[MongoDB]:
    with MongoDB(os.environ.get("MQCORE_TEST_MONGODB", ""), replica_set=True) as server:
        yield server


@pytest.fixture(scope="session")
def mongo_set() -> Iterator[MongoSet]:
    with MongoSet() as servers:
        yield servers


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    with Redis(os.environ.get("MQCORE_TEST_REDIS", ""), settings=("databases 4096",)) as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisCluster]:
    with RedisCluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def redis_sentinel() -> Iterator[RedisSentinel]:
    with RedisSentinel() as watched:
        yield watched


@pytest.fixture(scope="session")
def swift() -> Iterator[Swift]:
    with Swift(os.environ.get("MQCORE_TEST_SWIFT", "")) as server:
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test whose server is missing was not run; where everything must be there, it failed."""
    report = yield
    if call.excinfo and isinstance(call.excinfo.value, Missing):
        report.user_properties.append(("missing", str(call.excinfo.value)))
        report.longrepr = f"{item.nodeid}: {call.excinfo.value}"
        if os.environ.get("CI") != "true":
            path, line, _ = item.location
            report.outcome = "skipped"
            report.longrepr = (path, (line or 0) + 1, f"{MARK}{call.excinfo.value}")
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.getreports("skipped")
    reasons = Counter(v for r in reports for k, v in r.user_properties if k == "missing")
    for reason, tests in reasons.items():
        terminalreporter.write_line(f"{tests} tests not run: {reason}", yellow=True)
