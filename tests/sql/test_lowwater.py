"""Where a handle remembers that entries begin: what it must not miss, and what that saves."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import psycopg
import pytest
from mqcore_sql import lowwater
from mqcore_sql.driver import SqlDriver
from mqcore_sql.postgresql import open_driver

from mqcore.conformance import Clock
from mqcore.contract import Claim, ClaimRequest, Handle, new_id
from tests.backends import PostgreSQL
from tests.conformance.meters import PostgreSQLMeter

from .conftest import QUEUE, new

T = TypeVar("T")


@pytest.fixture
def uri(postgresql: PostgreSQL) -> str:
    return postgresql.fresh_database()


@pytest.fixture
def driver(uri: str, clock: Clock) -> Iterator[SqlDriver]:
    with closing(open_driver(uri, clock=clock)) as driver:
        driver.queues.create(QUEUE, {})
        yield driver


@pytest.fixture
def seldom(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is searched from the begin but by who found nothing else."""
    monkeypatch.setattr(lowwater, "WHOLE_EVERY", getattr(request, "param", 3600))
    monkeypatch.setattr(lowwater, "SHARE", 0)  # however busy the machine is


def post(driver: SqlDriver, n: int, *, delay: int = 0) -> list[str]:
    batch = new(n, delay=delay)
    driver.messages.post(QUEUE, batch)
    return [each.id for each in batch]


def claim(driver: SqlDriver, n: int, ttl: int = 60) -> Claim:
    (made,) = driver.claims.claim(QUEUE, [ClaimRequest(new_id(), n, ttl, 0)])
    assert isinstance(made, Claim)
    return made


def claimed(driver: SqlDriver, n: int) -> list[str]:
    return [message.id for message in claim(driver, n).messages]


@pytest.mark.usefixtures("seldom")
@pytest.mark.parametrize("posting", [False, True])
def test_work_does_not_grow_with_what_was_deleted_while_a_snapshot_is_held(
    driver: SqlDriver, uri: str, clock: Clock, posting: bool
) -> None:
    """Three times as many dead rows later, the same work, whether claims have ended or not."""

    def work(calls: int) -> None:
        for _ in range(calls):
            if posting:
                post(driver, 10)
            made = claim(driver, 10, ttl=5)
            handles = [Handle(message.id, (made.id,)) for message in made.messages]
            driver.messages.delete(QUEUE, handles)
            clock.advance(1)

    if not posting:
        for _ in range(8):
            post(driver, 1000)
    with closing(PostgreSQLMeter(uri)) as meter, psycopg.connect(uri) as other:
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT 1 FROM queues")
        work(100)
        early = meter.work(lambda: work(50))
        work(450)
        late = meter.work(lambda: work(50))
    assert late < 1.3 * early


@pytest.mark.usefixtures("seldom")
def test_what_comes_back_is_claimed_before_what_is_behind_it(
    driver: SqlDriver, uri: str, clock: Clock
) -> None:
    """Below the mark of free messages: released, or its claim or its delay over."""
    late = post(driver, 2, delay=40)
    ids = post(driver, 12)
    with closing(open_driver(uri, clock=clock)) as other:
        held, left = claim(other, 3), claimed(driver, 3)
        assert ([m.id for m in held.messages], left) == (ids[:3], ids[3:6])
        assert claimed(driver, 1) == ids[6:7]
        other.claims.release(QUEUE, held.id)
        assert claimed(driver, 4) == [*ids[:3], ids[7]]
        clock.advance(50)
        assert [m.id for m in driver.messages.list(QUEUE).items] == [*late, *ids[8:]]
        assert claimed(driver, 3) == [*late, ids[8]]
        clock.advance(15)
        assert claimed(driver, 20) == [*ids[:8], *ids[9:]]


@pytest.mark.usefixtures("seldom")
@pytest.mark.parametrize(("seldom", "order"), [(3600, [1, 0]), (0, [0, 1])], indirect=["seldom"])
def test_an_end_that_a_slower_clock_put_below_the_mark_is_found(
    driver: SqlDriver, uri: str, clock: Clock, order: list[int]
) -> None:
    """By the next look at the whole, or by who finds nothing else."""
    ids = post(driver, 2)
    assert len(driver.messages.list(QUEUE).items) == 2
    with closing(open_driver(uri, clock=Clock(clock() - 100))) as behind:
        assert claimed(behind, 1) == ids[:1]
    assert [claimed(driver, 1) for _ in ids] == [[ids[n]] for n in order]


def test_a_purge_while_a_post_waits_for_its_numbers_does_not_lose_the_post(
    driver: SqlDriver, uri: str
) -> None:
    post(driver, 1)
    with psycopg.connect(uri, autocommit=True) as watch, ThreadPoolExecutor() as pool:

        def start(call: Callable[[], T], waiting: int) -> Future[T]:
            begun = pool.submit(call)
            query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while watch.execute(query).fetchone() != (waiting,):
                time.sleep(0.01)
            return begun

        with psycopg.connect(uri) as other:
            other.execute("SELECT * FROM numbers FOR UPDATE")
            purged = start(lambda: driver.messages.purge(QUEUE), 1)
            posted = start(lambda: post(driver, 2), 2)
        purged.result()
        ids = posted.result()
    assert [m.id for m in driver.messages.list(QUEUE).items] == ids


def test_numbers_go_on_where_an_older_copy_of_the_database_has_them(
    driver: SqlDriver, uri: str
) -> None:
    post(driver, 3)
    with psycopg.connect(uri) as other:
        other.execute("UPDATE numbers SET next_seq = next_seq - 5")
        other.execute("DELETE FROM messages WHERE queue_id <> 0")
        other.execute("DELETE FROM bodies WHERE queue_id <> 0")
    ids = post(driver, 2)
    assert [m.id for m in driver.messages.list(QUEUE).items] == ids
