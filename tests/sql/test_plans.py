"""Every statement that traffic makes a database server run finds its rows by an index.

The statements are taken from a running handle, and explained by the server with the settings of
its connections: in tables that are nearly empty, beside a long queue, and after that.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, ClassVar

import pytest
from mqcore_sql import mysql, postgresql
from mqcore_sql.client import Client
from mqcore_sql.driver import SqlDriver
from mqcore_sql.statements import Database
from psycopg import sql

from mqcore.conformance import Clock
from mqcore.contract import Claim, ClaimRequest, QueueRef, StoreUri, new_id
from mqcore.loader import bare_opener
from tests.backends import MariaDB, PostgreSQL

from .conftest import DAY, new
from .test_cost import use_everything

LONG = QueueRef("project", "long")
SMALL = ("counters", "graves", "queues", "numbers", "tally_deltas")
"""Tables with few rows, or few for a queue: the list of changes is folded as it grows."""
BY_TIME = ("claims_by_end", "segments_by_expiry", "subscriptions_by_expiry")
FEW = 20
"""MariaDB deletes by walking over a queue when that is hardly longer than what it deletes."""

Plan = Callable[[Any, str, tuple[Any, ...]], Iterator[str]]
"""What is bad in the plan of a statement."""


class Noting:
    """A cursor that keeps each statement that is run, with parameters that it was run with."""

    used: ClassVar[dict[str, tuple[Any, ...]]] = {}

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, statement: str, parameters: tuple[Any, ...] = ()) -> None:
        self.used[statement] = parameters
        self._cursor.execute(statement, parameters)

    def executemany(self, statement: str, parameters: list[tuple[Any, ...]]) -> None:
        self.used[statement] = parameters[0]
        self._cursor.executemany(statement, parameters)


def noted(client: Client, connection: Any) -> Database:
    return Database(client.dialect, Noting(client.cursor(connection)))


def on_mariadb(connection: Any, statement: str, parameters: tuple[Any, ...]) -> Iterator[str]:
    cursor = connection.cursor()
    cursor.execute(f"EXPLAIN {statement}", parameters)
    steps = cursor.fetchall()
    connection.rollback()  # even explaining locks rows
    for _, _, table, kind, _, index, length, _, rows, extra in steps:
        if table is None or table.startswith("<"):
            continue  # nothing is read, or only what parts of the statement found
        if "filesort" in extra or "temporary" in extra:
            yield f"{table}: {extra}"
        if kind in ("ALL", "index") and table not in SMALL:
            yield f"{table}: {kind}"
        # The first column alone, which is the queue's id in all of these.
        whole = index not in BY_TIME and int(length or 8) <= 8 and int(rows) > FEW
        if whole and table not in SMALL and "LIMIT" not in statement:
            yield f"{table}: all of a queue by {index}"


def on_postgresql(connection: Any, statement: str, parameters: tuple[Any, ...]) -> Iterator[str]:
    """Of the generic plan, as the driver has it."""
    numbers = iter(range(1, 100))
    text = re.sub("%s", lambda _: f"${next(numbers)}", statement).replace("%%", "%")
    connection.execute(f"PREPARE plan AS {text}")
    given = sql.SQL(", ").join(sql.Literal(value) for value in parameters)
    execute = sql.SQL("({})").format(given) if parameters else sql.SQL("")
    explain = sql.SQL("EXPLAIN (FORMAT JSON) EXECUTE plan") + execute
    ((plan,),) = connection.execute(explain).fetchall()
    connection.execute("DEALLOCATE plan")
    yield from _bad_nodes(plan[0]["Plan"], limited=False)


def _bad_nodes(node: dict[str, Any], *, limited: bool) -> Iterator[str]:
    kind, table = node["Node Type"], node.get("Relation Name", "")
    limited = limited or kind == "Limit"
    if "Sort" in kind or (kind == "Seq Scan" and table not in SMALL):
        yield f"{table}: {kind}"
    if kind.startswith("Index") and table not in SMALL and not limited:
        condition = node.get("Index Cond", "")
        if re.fullmatch(r"\(?\(?queue_id = \$?\w+\)?\)?", condition) or not condition:
            yield f"{table}: all of a queue by {node['Index Name']}"
    for below in node.get("Plans", ()):
        yield from _bad_nodes(below, limited=limited)


SERVERS: dict[str, tuple[Any, Plan]] = {
    "mariadb": (mysql.MysqlClient, on_mariadb),
    "postgresql": (postgresql.PostgresqlClient, on_postgresql),
}


@pytest.mark.parametrize("kind", SERVERS)
def test_every_statement_finds_its_rows_by_an_index(
    kind: str, clock: Clock, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    database: MariaDB | PostgreSQL = request.getfixturevalue(kind)
    uri = database.fresh_database()
    monkeypatch.setattr(Noting, "used", {})
    client, bad_in = SERVERS[kind]
    monkeypatch.setattr(client, "database_on", noted)
    driver = bare_opener(uri)(clock)
    assert isinstance(driver, SqlDriver)
    with closing(driver), closing(client(StoreUri(uri)).connect()) as connection:
        use_everything(driver, clock)
        used = {
            statement: parameters
            for statement, parameters in Noting.used.items()
            if statement.startswith(("SELECT", "UPDATE", "DELETE", "(SELECT", "WITH"))
        }
        assert len(used) > 45
        wasteful = {}
        for size, make in {"few": None, "many": fill, "no more": drain}.items():
            if make:
                make(driver)
                analyse(database, uri)
            for statement, parameters in used.items():
                bad = list(bad_in(connection, statement, parameters))
                if bad:
                    wasteful[size, statement] = bad
    assert not wasteful


def test_no_query_reads_through_a_long_queue_of_mariadb(
    mariadb: MariaDB, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan with a LIMIT does not say what is passed over on the way, so the rows are counted."""
    uri = mariadb.fresh_database()
    monkeypatch.setattr(mysql.MysqlClient, "database_on", noted)
    driver = bare_opener(uri)(clock)
    assert isinstance(driver, SqlDriver)
    with closing(driver), closing(mysql.MysqlClient(StoreUri(uri)).connect()) as connection:
        fill(driver)
        monkeypatch.setattr(Noting, "used", {})
        for flags in range(4):
            driver.messages.list(
                LONG, include_claimed=bool(flags & 1), include_delayed=bool(flags & 2)
            )
        driver.messages.first(LONG)
        driver.messages.pop(LONG, 10)
        driver.queues.stats(LONG)
        (made,) = driver.claims.claim(LONG, [ClaimRequest(new_id(), 10, DAY, 60)])
        assert isinstance(made, Claim)
        driver.claims.get(LONG, made.id)
        driver.messages.get_many(LONG, [each.id for each in made.messages])
        cursor = connection.cursor()
        for statement, parameters in Noting.used.items():
            if statement.startswith("SELECT"):
                cursor.execute(f"ANALYZE {statement}", parameters)
                for step in cursor.fetchall():
                    assert float(step[9] or 0) <= 100, (statement, step)
        connection.rollback()


def fill(driver: SqlDriver) -> None:
    """A queue of 20,000 messages: a third claimed, a third delayed, a third free."""
    driver.queues.create(LONG, {})
    for number in range(20):
        driver.messages.post(LONG, new(1000, delay=DAY if number % 3 == 1 else 0))
        if number % 3 == 0:
            requests = [ClaimRequest(new_id(), 100, DAY, 60) for _ in range(10)]
            assert all(isinstance(c, Claim) for c in driver.claims.claim(LONG, requests))


def drain(driver: SqlDriver) -> None:
    """Large tables with next to nothing in them, which may be long again before the server sees."""
    driver.queues.delete(LONG)
    driver.collect(1_000_000)


def analyse(database: MariaDB | PostgreSQL, uri: str) -> None:
    if isinstance(database, PostgreSQL):
        database.sql("VACUUM ANALYZE", uri)
        return
    for table in database.sql("SHOW TABLES", uri).split():
        database.sql(f"ANALYZE TABLE {table}", uri)
