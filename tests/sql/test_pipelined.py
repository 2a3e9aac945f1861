"""Statements that go to PostgreSQL together."""

import gc
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from mqcore_sql.pipelined import PipelinedDatabase
from mqcore_sql.postgresql import PostgresqlClient, open_driver, upgrade
from mqcore_sql.schema import graves
from mqcore_sql.statements import Statement
from sqlalchemy import bindparam, func, select

from mqcore.conformance import Clock
from mqcore.contract import Claim, ClaimRequest, Handle, StoreUri, new_id
from tests.backends import PostgreSQL

from .conftest import QUEUE, post

INSERT = Statement(graves.insert())
DELETE = Statement(graves.delete().where(graves.c.queue_id == bindparam("q")))
FOUND = Statement(select(graves.c.queue_id).order_by(graves.c.queue_id))
COUNT = Statement(select(func.count()).select_from(graves))
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"


@pytest.fixture
def uri(postgresql: PostgreSQL) -> str:
    uri = postgresql.fresh_database()
    upgrade(uri)
    return uri


@pytest.fixture
def connection(uri: str) -> "Iterator[psycopg.Connection[Any]]":
    with PostgresqlClient(StoreUri(uri)).connect() as connection:
        yield connection


@pytest.fixture
def other(uri: str) -> "Iterator[psycopg.Connection[Any]]":
    with PostgresqlClient(StoreUri(uri)).connect() as connection:
        yield connection


def begun(connection: "psycopg.Connection[Any]") -> PipelinedDatabase:
    db = PipelinedDatabase(PostgresqlClient.dialect, connection)
    db.begin(BEGIN, wait=False)
    return db


def rows(n: int) -> list[dict[str, int]]:
    return [{"queue_id": number} for number in range(1, n + 1)]


def committed(other: "psycopg.Connection[Any]") -> list[int]:
    found = other.execute("SELECT queue_id FROM graves ORDER BY queue_id").fetchall()
    return [row[0] for row in found]


def test_nothing_is_said_before_an_answer_is_needed(connection: Any, other: Any) -> None:
    db = begun(connection)
    db.later_many(INSERT, rows(3))
    db.later(DELETE, {"q": 2})
    idle = psycopg.pq.TransactionStatus.IDLE
    assert (connection.info.transaction_status, db.answered) == (idle, False)
    assert db.column(FOUND, {}) == [1, 3]
    db.later(DELETE, {"q": 1})
    assert committed(other) == []
    db.commit()
    assert committed(other) == [3]


def test_changes_come_before_what_is_run_at_once(connection: Any) -> None:
    db = begun(connection)
    db.later_many(INSERT, rows(3))
    assert db.run(DELETE, {"q": 3}) == 1
    db.later(INSERT, {"queue_id": 4})
    assert db.run_many(DELETE, [{"q": 4}, {"q": 5}]) == 1
    assert db.run_many(INSERT, [{"queue_id": 7}, {"queue_id": 8}]) == 2
    assert db.column(FOUND, {}) == [1, 2, 7, 8]
    db.commit()


def test_what_was_asked_ahead_needs_no_other_round_trip(connection: Any) -> None:
    db = begun(connection)
    db.later_many(INSERT, rows(2))
    db.ahead(FOUND, {})
    assert db.value(COUNT, {}) == 2
    connection.close()
    assert db.column(FOUND, {}) == [1, 2]
    with pytest.raises(psycopg.OperationalError):  # only once
        db.all(FOUND, {})


@pytest.mark.parametrize("how", ["run", "later"])
def test_what_was_asked_ahead_is_forgotten_when_something_changes(
    connection: Any, how: str
) -> None:
    db = begun(connection)
    db.later_many(INSERT, rows(2))
    db.ahead(FOUND, {})
    assert db.value(COUNT, {}) == 2
    getattr(db, how)(DELETE, {"q": 1})
    assert db.column(FOUND, {}) == [2]


@pytest.mark.parametrize("how", ["run", "later"])
def test_what_is_asked_together_with_a_change_knows_of_it(connection: Any, how: str) -> None:
    db = begun(connection)
    db.later_many(INSERT, rows(2))
    db.ahead(FOUND, {})
    getattr(db, how)(DELETE, {"q": 1})
    assert db.column(FOUND, {}) == [2]


def test_a_change_that_fails_lets_nothing_be_committed(connection: Any, other: Any) -> None:
    db = begun(connection)
    db.later_many(INSERT, rows(2))
    db.later(INSERT, {"queue_id": 2})
    db.later(INSERT, {"queue_id": 9})
    with pytest.raises(psycopg.errors.UniqueViolation):
        db.commit()
    connection.execute("ROLLBACK")
    assert committed(other) == []
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_connection_does_not_keep_what_was_found(postgresql: PostgreSQL, clock: Clock) -> None:
    with closing(open_driver(postgresql.fresh_database(), clock=clock)) as driver:
        driver.queues.create(QUEUE, {})
        for _ in range(3):
            post(driver, 10)
            (claim,) = driver.claims.claim(QUEUE, [ClaimRequest(new_id(), 10, 60, 60)])
            assert isinstance(claim, Claim)
            driver.messages.list(QUEUE, include_claimed=True)
        gc.collect()
        kept = [each for each in gc.get_objects() if type(each) is psycopg.Cursor]
        results = [each.pgresult for each in kept if each.pgresult is not None]
        assert results
        named = {result.fname(n) for result in results for n in range(result.nfields)}
        assert b"body" not in named


def test_a_call_takes_two_round_trips(
    postgresql: PostgreSQL, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = 0
    execute = PipelinedDatabase.execute
    here = threading.get_ident()

    def counted(self: PipelinedDatabase, sql: str, parameters: Any) -> None:
        nonlocal trips
        trips += threading.get_ident() == here  # hints have a thread, and a trip, of their own
        execute(self, sql, parameters)

    monkeypatch.setattr(PipelinedDatabase, "execute", counted)
    with closing(open_driver(postgresql.fresh_database(), clock=clock)) as driver:
        driver.queues.create(QUEUE, {})

        def cycle() -> list[int]:
            nonlocal trips
            counts = []
            trips = 0
            post(driver, 10)
            counts.append(trips)
            trips = 0
            (claim,) = driver.claims.claim(QUEUE, [ClaimRequest(new_id(), 10, 60, 60)])
            counts.append(trips)
            assert isinstance(claim, Claim)
            trips = 0
            handles = [Handle(each.id, (claim.id,)) for each in claim.messages]
            assert driver.messages.delete(QUEUE, handles) == [None] * 10
            return [*counts, trips]

        post(driver, 10)
        cycle()  # it knows then where the queue begins
        assert cycle() == [2, 2, 2]
