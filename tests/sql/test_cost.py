"""Nothing that traffic does may walk over what lies in the queue."""

import sqlite3
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
from mqcore_sql.driver import SqlDriver, open_driver

from mqcore.conformance import Clock
from mqcore.contract import (
    Claim,
    ClaimRequest,
    DeadLetter,
    Handle,
    NewSubscription,
    QueueRef,
    new_id,
)

from .conftest import DAY, QUEUE, claim, new, post

BIG = ("messages", "bodies", "claims", "segments", "tallies", "subscriptions")


def use_everything(driver: SqlDriver, clock: Clock) -> None:
    """Call every operation, in states that make it use all its statements."""
    dead = QueueRef(QUEUE.project, "dead")
    driver.queues.create(QUEUE, {})
    driver.queues.create(dead, {})
    batch = new(30, client="me")
    driver.messages.post(QUEUE, batch)
    driver.messages.post(QUEUE, batch)
    post(driver, 5, ttl=60)
    post(driver, 5, delay=30)
    for flags in range(8):
        driver.messages.list(
            QUEUE,
            hide_client="me" if flags & 4 else None,
            include_claimed=bool(flags & 1),
            include_delayed=bool(flags & 2),
        )
    letter = DeadLetter(dead.name, 1, 60)
    for limit in (1, 5, 5):
        request = ClaimRequest(new_id(), limit, 2 * DAY, 60, letter)
        (made,) = driver.claims.claim(QUEUE, [request])
        assert isinstance(made, Claim)
        driver.claims.claim(QUEUE, [request])
        driver.claims.get(QUEUE, request.id)
        driver.claims.renew(QUEUE, request.id, ttl=DAY, grace=60)
        held = Handle(made.messages[0].id, (request.id,))
        driver.messages.delete(QUEUE, [held, Handle(batch[-1].id)])
        driver.claims.release(QUEUE, request.id)
    claim(driver, 3, ttl=30)
    driver.messages.get_many(QUEUE, [each.id for each in batch])
    clock.advance(120)
    driver.messages.list(QUEUE)
    driver.messages.pop(QUEUE, 3)
    driver.messages.first(QUEUE)
    driver.messages.first(QUEUE, -1)
    driver.queues.stats(QUEUE)
    for number in range(3):
        new_one = NewSubscription(new_id(), f"http://{number}.example", 60, {})
        driver.subscriptions.create(QUEUE, new_one)
        driver.subscriptions.update(QUEUE, new_one.id, subscriber=f"http://x{number}.example")
        driver.subscriptions.confirm(QUEUE, new_one.id, True)
        driver.subscriptions.get_by_subscriber(QUEUE, f"http://x{number}.example")
    driver.subscriptions.list(QUEUE)
    clock.advance(3 * DAY)
    driver.collect()
    driver.messages.purge(QUEUE)
    driver.queues.delete(QUEUE)
    driver.subscriptions.purge(QUEUE)
    driver.collect()


class Noting(sqlite3.Cursor):
    """Keeps each statement that is run, with parameters that it was run with."""

    used: ClassVar[dict[str, Any]] = {}

    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        self.used[sql] = parameters
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> Self:
        self.used[sql] = parameters[0]
        return super().executemany(sql, parameters)


class Noted(sqlite3.Connection):
    def cursor(self, _factory: Any = None) -> Any:
        return super().cursor(Noting)


def test_every_statement_finds_its_rows_by_an_index(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Noted))
        driver = open_driver(f"sqlite:///{path}", clock=clock)
        Noting.used.clear()
        use_everything(driver, clock)
    driver.close()
    used = {
        sql: parameters
        for sql, parameters in Noting.used.items()
        if not sql.startswith(("BEGIN", "PRAGMA"))
    }
    wasteful = []
    with sqlite3.connect(path) as connection:
        for statement, parameters in used.items():
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            for *_, step in plan:
                scans = step.startswith("SCAN") and step.split()[1] in BIG
                # All of a queue, by however good an index; `numbers` has one row of each.
                whole = step.endswith("(queue_id=?)") and " numbers " not in step
                scans |= whole and "LIMIT" not in statement
                if scans or "TEMP B-TREE" in step or "AUTOMATIC" in step:
                    wasteful.append((step, statement))
    connection.close()
    assert len(used) > 50
    assert not wasteful


def test_a_page_that_hides_its_own_poster_does_not_walk_over_its_messages(
    driver: SqlDriver,
) -> None:
    """What hides one's own messages leaves out whole runs of them, and finds the first other."""
    for _ in range(5):
        driver.messages.post(QUEUE, new(1000, client="me"))
    others = new(2, client="you")
    driver.messages.post(QUEUE, others)
    driver.messages.post(QUEUE, new(2000, client="me"))
    page = driver.messages.list(QUEUE, hide_client="me")
    assert [each.id for each in page.items] == [each.id for each in others]
