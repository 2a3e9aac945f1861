"""Files and handles for the tests of what only this driver promises."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mqcore_sql.driver import SqlDriver, open_driver

from mqcore.conformance import Clock
from mqcore.contract import ClaimRequest, NewMessage, QueueRef, new_id

QUEUE = QueueRef("project", "queue")
DAY = 86_400

Open = Callable[..., SqlDriver]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queues.db"


@pytest.fixture
def open_handle(path: Path, clock: Clock) -> Iterator[Open]:
    """Opens a new handle on the file, with options in the URI's query."""
    handles: list[SqlDriver] = []

    def open_it(query: str = "") -> SqlDriver:
        handles.append(open_driver(f"sqlite:///{path}{query}", clock=clock))
        return handles[-1]

    yield open_it
    for handle in handles:
        handle.close()


@pytest.fixture
def driver(open_handle: Open) -> SqlDriver:
    """A handle on a file with one queue."""
    driver = open_handle()
    driver.queues.create(QUEUE, {})
    return driver


def new(n: int, *, ttl: int = DAY, delay: int = 0, client: str | None = None) -> list[NewMessage]:
    return [NewMessage(new_id(), b'"body"', ttl, delay, client) for _ in range(n)]


def post(driver: SqlDriver, n: int, *, ttl: int = DAY, delay: int = 0) -> list[str]:
    """Post in batches; return the ids."""
    ids: list[str] = []
    for start in range(0, n, 1000):
        batch = new(min(1000, n - start), ttl=ttl, delay=delay)
        driver.messages.post(QUEUE, batch)
        ids += [each.id for each in batch]
    return ids


def claim(driver: SqlDriver, n: int, *, ttl: int = 3600) -> list[str]:
    """Make one claim; return the ids of what it holds."""
    (made,) = driver.claims.claim(QUEUE, [ClaimRequest(new_id(), n, ttl, 60)])
    return [each.id for each in getattr(made, "messages", ())]
