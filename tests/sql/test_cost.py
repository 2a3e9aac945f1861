"""Nothing that traffic does may walk over what lies in the queue."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from mqcore_sql.driver import SqlDriver, open_driver
from sqlalchemy import Engine, Pool, event

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


def test_every_statement_finds_its_rows_by_an_index(path: Path, clock: Clock) -> None:
    used: dict[str, Any] = {}

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        many = rest[-1]
        used[statement] = parameters[0] if many else parameters

    event.listen(Engine, "before_cursor_execute", note)
    try:
        driver = open_driver(f"sqlite:///{path}", clock=clock)
        used.clear()
        use_everything(driver, clock)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    driver.close()
    wasteful = []
    with sqlite3.connect(path) as connection:
        for statement, parameters in used.items():
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            for *_, step in plan:
                scans = step.startswith("SCAN") and step.split()[1] in BIG
                # All of a queue, by however good an index.
                scans |= step.endswith("(queue_id=?)") and "LIMIT" not in statement
                if scans or "TEMP B-TREE" in step or "AUTOMATIC" in step:
                    wasteful.append((step, statement))
    connection.close()
    assert len(used) > 50
    assert not wasteful


class Meter:
    """Counts the steps of SQLite's virtual machine in all connections opened while it is on."""

    EVERY = 10

    def __init__(self) -> None:
        self._connections: list[sqlite3.Connection] = []
        self._ticks = 0

    def opened(self, connection: sqlite3.Connection, _record: object) -> None:
        self._connections.append(connection)

    def _tick(self) -> int:
        self._ticks += 1
        return 0

    def steps(self, call: Callable[[], object]) -> int:
        """How many steps the call takes on open connections."""
        self._ticks = 0
        for connection in self._connections:
            connection.set_progress_handler(self._tick, self.EVERY)
        call()
        for connection in self._connections:
            connection.set_progress_handler(None, 0)
        return self._ticks * self.EVERY


@contextmanager
def metered() -> Iterator[Meter]:
    meter = Meter()
    event.listen(Pool, "connect", meter.opened)
    try:
        yield meter
    finally:
        event.remove(Pool, "connect", meter.opened)


def fill(driver: SqlDriver, clock: Clock, state: str, size: int) -> None:
    """Put `size` messages in a state, with some free ones behind them."""
    driver.queues.create(QUEUE, {})
    post(driver, size, ttl=60 if state == "expired" else 2 * DAY, delay=DAY * (state == "delayed"))
    if state == "claimed":
        for _ in range(size // 500):
            claim(driver, 500, ttl=DAY)
    if state == "expired":
        clock.advance(120)
    if state != "waiting":
        post(driver, 500)


def delete_by_claim(driver: SqlDriver) -> None:
    (made,) = driver.claims.claim(QUEUE, [ClaimRequest(new_id(), 10, 3600, 60)])
    assert isinstance(made, Claim)
    handles = [Handle(each.id, (made.id,)) for each in made.messages]
    assert driver.messages.delete(QUEUE, handles) == [None] * 10


def costs(driver: SqlDriver, meter: Meter) -> dict[str, int]:
    """The steps of each operation, which leave the queue about as it is."""
    one, ten = new(1), new(10)
    popped: list[str] = []
    calls: dict[str, Callable[[], object]] = {
        "post": lambda: driver.messages.post(QUEUE, one),
        "post 10": lambda: driver.messages.post(QUEUE, ten),
        "delete": lambda: driver.messages.delete(QUEUE, [Handle(one[0].id)]),
        "claim": lambda: claim(driver, 10),
        "pop": lambda: popped.extend(m.id for m in driver.messages.pop(QUEUE, 10)),
        "page": lambda: driver.messages.list(QUEUE),
        "page of all": lambda: driver.messages.list(
            QUEUE, include_claimed=True, include_delayed=True
        ),
        "page with claimed": lambda: driver.messages.list(QUEUE, include_claimed=True),
        "page with delayed": lambda: driver.messages.list(QUEUE, include_delayed=True),
        "delete ten by claim": lambda: delete_by_claim(driver),
        "first": lambda: driver.messages.first(QUEUE),
        "last": lambda: driver.messages.first(QUEUE, -1),
        "stats": lambda: driver.queues.stats(QUEUE),
        "get": lambda: driver.messages.get_many(QUEUE, [ten[0].id]),
        "get ten": lambda: driver.messages.get_many(QUEUE, [each.id for each in ten]),
        "delete ten": lambda: driver.messages.delete(QUEUE, [Handle(each.id) for each in ten]),
        "purge": lambda: driver.messages.purge(QUEUE),
    }
    steps = {name: meter.steps(call) for name, call in calls.items()}
    assert len(popped) == 10
    return steps


@pytest.mark.parametrize("state", ["waiting", "claimed", "delayed", "expired"])
def test_twenty_times_as_many_messages_cost_no_more(
    state: str, tmp_path: Path, clock: Clock
) -> None:
    measured = []
    for size in (1000, 20_000):
        uri = f"sqlite:///{tmp_path / str(size)}?synchronous=normal"
        with metered() as meter, closing(open_driver(uri, clock=clock)) as driver:
            fill(driver, clock, state, size)
            measured.append(costs(driver, meter))
    small, large = measured
    # A run of 1024 messages may be walked once; the runs themselves are a few steps each.
    grown = {
        name: (small[name], large[name])
        for name in small
        if large[name] > 1.5 * small[name] + (12_000 if state == "expired" else 200)
    }
    assert not grown


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
