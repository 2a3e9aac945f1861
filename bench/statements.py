"""The SQL driver against its own statements through a bare client, in one run.

python bench/statements.py URI [--clients N ...] [--rounds N]

URI: `sqlite:///folder`, or a server whose user may make databases. What the driver says to the
database is written down in one database. Then the same statements with the same values, on cursors
of the database's own module, and the driver itself take turns, each in a database of its own. So
the difference is what the driver does in Python. Each client has its own queue and its own thread.
"""

import argparse
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
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
    plain = client.cursor
    client.cursor = lambda connection: Noting(plain(connection), notes)


def say(cursor: Any, said: Sequence[Said]) -> None:
    for method, sql, values in said:
        getattr(cursor, method)(sql, values)
        if method == "execute" and cursor.description:
            cursor.fetchall()


def _say(cursors: Sequence[Any], said: Sequence[Sequence[Said]], client: int) -> None:
    say(cursors[client], said[client])


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


def ratios(uri: str, clients: int, batch: int, turns: int, calls: int) -> dict[str, list[float]]:
    """Seconds of the bare side over those of the driver, for each turn of each call."""
    queues = [QueueRef("mqcore-bench", f"statements-{n}") for n in range(clients)]
    with places(uri) as (noted_at, bare_at, driver_at), ThreadPoolExecutor(clients) as pool:
        noted, bare, driver = (bare_opener(at)(time.time) for at in (noted_at, bare_at, driver_at))
        assert isinstance(noted, SqlDriver)
        assert isinstance(bare, SqlDriver)
        notes: list[Said] = []
        note(noted, notes)
        prepare(noted, queues)
        prepare(driver, queues)
        cursors = [cursor_of(bare) for _ in queues]
        say(cursors[0], notes)
        found: dict[str, list[float]] = {call.__name__: [] for call in CALLS}

        def work(call: Call, client: int) -> None:
            for _ in range(calls):
                call(driver, queues[client], batch)

        for turn in range(turns):
            for call in CALLS:
                said: list[list[Said]] = []
                for queue in queues:
                    notes.clear()
                    for _ in range(calls):
                        call(noted, queue, batch)
                    said.append(notes.copy())
                sides: dict[str, Callable[[int], None]] = {
                    "driver": partial(work, call),
                    "bare": partial(_say, cursors, said),
                }
                spent = {}
                for side in sorted(sides, reverse=turn % 2 == 0):
                    start = time.perf_counter()
                    list(pool.map(sides[side], range(clients)))
                    spent[side] = time.perf_counter() - start
                found[call.__name__].append(spent["bare"] / spent["driver"])
        if not isinstance(bare._store, SqliteStore):  # there it is the driver's own
            for cursor in cursors:
                cursor.connection.close()
        for each in (noted, bare, driver):
            each.close()
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
