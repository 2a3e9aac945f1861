"""The SQL driver against its own statements through a bare client, in one run.

python bench/statements.py URI [--clients N ...] [--rounds N]

URI: `sqlite:///folder`, or a server whose user may make databases. What the driver says to the
database is written down in one database. Then the same statements with the same values, on cursors
of the database's own module, and the driver itself take turns, each in a database of its own. So
the difference is what the driver does in Python, and on PostgreSQL what it saves by sending
statements together. Each client has its own queue and its own thread.
"""

import argparse
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from statistics import quantiles
from typing import Any
from urllib.parse import urlsplit

from mqcore_sql.driver import SqlDriver
from mqcore_sql.file import SqliteStore
from mqcore_sql.server import ServerStore
from mqcore_sql.statements import Database
from sqlalchemy import create_engine, text

from mqcore.contract import Claim, ClaimRequest, Driver, Handle, NewMessage, QueueRef, new_id
from mqcore.loader import bare_opener

BODY = b"x" * 1024
WAITING = 1000
LIBRARIES = {"postgresql": "psycopg", "mysql": "pymysql", "mariadb": "pymysql"}
SIDES = ("noted", "bare", "driver")

Said = tuple[str, str, Any]
"""A method of a cursor, a statement and its values."""


class Noting:
    """A cursor that writes down what it is told."""

    def __init__(self, cursor: Any, notes: list[Said]) -> None:
        self._cursor = cursor
        self._notes = notes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, sql: str, values: Any = ()) -> Any:
        self._notes.append(("execute", sql, values))
        return self._cursor.execute(sql, values)

    def executemany(self, sql: str, values: Any) -> Any:
        self._notes.append(("executemany", sql, values))
        return self._cursor.executemany(sql, values)


def cursor_of(driver: SqlDriver) -> Any:
    """A cursor like those on which the driver writes."""
    if isinstance(driver._store, SqliteStore):
        return driver._store._writer._cursor
    assert isinstance(driver._store, ServerStore)
    client = driver._store._client
    return client.cursor(client.connect())


def note(driver: SqlDriver, notes: list[Said]) -> None:
    """Have all that the driver says when it writes written down."""
    if isinstance(driver._store, SqliteStore):
        writer = driver._store._writer
        writer._cursor = Noting(writer._cursor, notes)
        writer._db = Database(writer._connection.dialect, writer._cursor)
        return
    assert isinstance(driver._store, ServerStore)
    client: Any = driver._store._client
    client.database_on = lambda connection: Database(
        client.dialect, Noting(client.cursor(connection), notes)
    )


def say(cursor: Any, said: Sequence[Said]) -> None:
    for method, sql, values in said:
        getattr(cursor, method)(sql, values)
        if method == "execute" and cursor.description:
            cursor.fetchall()


def post(driver: Driver, queue: QueueRef, n: int) -> None:
    driver.messages.post(queue, [NewMessage(new_id(), BODY, 3600) for _ in range(n)])


def claim_delete(driver: Driver, queue: QueueRef, n: int) -> None:
    (claim,) = driver.claims.claim(queue, [ClaimRequest(new_id(), n, 600, 60)])
    assert isinstance(claim, Claim)
    driver.messages.delete(queue, [Handle(each.id, (claim.id,)) for each in claim.messages])


Call = Callable[[Driver, QueueRef, int], None]
CALLS: tuple[Call, ...] = (post, claim_delete)


@contextmanager
def places(uri: str) -> Iterator[list[str]]:
    """A new database for each side."""
    if uri.startswith("sqlite:"):
        with tempfile.TemporaryDirectory(dir=uri.removeprefix("sqlite:///")) as folder:
            yield [f"sqlite:///{folder}/{side}.db" for side in SIDES]
        return
    scheme, _, place = uri.partition(":")
    engine = create_engine(f"{scheme}+{LIBRARIES[scheme]}:{place}", isolation_level="AUTOCOMMIT")
    names = [f"mqcore_{side}_{secrets.token_hex(4)}" for side in SIDES]
    try:
        with engine.connect() as connection:
            for name in names:
                connection.execute(text(f"CREATE DATABASE {name}"))
        yield [urlsplit(uri)._replace(path=f"/{name}").geturl() for name in names]
    finally:
        with engine.connect() as connection:
            for name in names:
                connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        engine.dispose()


def prepare(driver: Driver, queues: Sequence[QueueRef]) -> None:
    for queue in queues:
        driver.queues.create(queue, {})
        for _ in range(WAITING // 100):
            post(driver, queue, 100)


class Sides:
    """The driver and the bare client, after the same preparation."""

    def __init__(self, at: Sequence[str], clients: int) -> None:
        self.queues = [QueueRef("mqcore-bench", f"statements-{n}") for n in range(clients)]
        self._drivers = [bare_opener(each)(time.time) for each in at]
        noted, bare, self._driver = self._drivers
        assert isinstance(noted, SqlDriver)
        assert isinstance(bare, SqlDriver)
        self._noted = noted
        self._notes: list[Said] = []
        note(noted, self._notes)
        prepare(noted, self.queues)
        prepare(self._driver, self.queues)
        self._cursors = [cursor_of(bare) for _ in self.queues]
        say(self._cursors[0], self._notes)
        self._own_cursors = isinstance(bare._store, ServerStore)

    def turn(self, pool: Executor, call: Call, n: int, calls: int, *, bare_first: bool) -> float:
        """Seconds of the bare side over those of the driver, for so many calls of each client."""
        said: list[list[Said]] = []
        for queue in self.queues:
            self._notes.clear()
            for _ in range(calls):
                call(self._noted, queue, n)
            said.append(self._notes.copy())

        def with_driver(client: int) -> None:
            for _ in range(calls):
                call(self._driver, self.queues[client], n)

        def bare(client: int) -> None:
            say(self._cursors[client], said[client])

        spent = {}
        for side in (bare, with_driver) if bare_first else (with_driver, bare):
            start = time.perf_counter()
            list(pool.map(side, range(len(self.queues))))
            spent[side] = time.perf_counter() - start
        return spent[bare] / spent[with_driver]

    def close(self) -> None:
        for cursor in self._cursors if self._own_cursors else ():
            cursor.connection.close()
        for driver in self._drivers:
            driver.close()


def ratios(uri: str, clients: int, batch: int, turns: int, calls: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {call.__name__: [] for call in CALLS}
    with (
        places(uri) as at,
        closing(Sides(at, clients)) as sides,
        ThreadPoolExecutor(clients) as pool,
    ):
        for turn in range(turns):
            for call in CALLS:
                ratio = sides.turn(pool, call, batch, calls, bare_first=turn % 2 == 0)
                found[call.__name__].append(ratio)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("uri")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--calls", type=int, default=20, help="of each client in a turn")
    arguments = parser.parse_args()
    print("call          batch clients  driver/bare (quartiles)")
    for clients in [1] if arguments.uri.startswith("sqlite:") else arguments.clients:
        for batch in (1, 10):
            found = ratios(arguments.uri, clients, batch, arguments.turns, arguments.calls)
            for call, each in found.items():
                low, middle, high = quantiles(each, n=4)
                print(
                    f"{call:13} {batch:5} {clients:7}  {middle:.2f} ({low:.2f}-{high:.2f})",
                    flush=True,
                )


if __name__ == "__main__":
    main()
