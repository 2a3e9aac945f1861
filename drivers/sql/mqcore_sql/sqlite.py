"""SQLite: one file, many readers and one writing connection."""

import random
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event

from mqcore.contract import Misconfigured

from .errors import is_locked

__all__ = ["STATISTICS", "Settings", "begin_writing", "reader_engine", "share", "writer_engine"]

READERS = 32
"""The most reading connections of one handle; a reader beyond waits for one to be free."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to open the file. `busy_timeout` is in seconds, `synchronous` is `FULL` or `NORMAL`."""

    path: Path
    busy_timeout: float
    synchronous: str


def begin_writing(cursor: Any, busy_timeout: float) -> None:
    """Begin a transaction that has the write lock.

    SQLite's own waiting sleeps longer and longer, up to 0.1 s, and starves beside a process that
    always writes; so this one waits by itself, in short sleeps.
    """
    deadline = time.monotonic() + busy_timeout
    while True:
        try:
            cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_locked(error) or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.002, 0.01))  # noqa: S311 - spreads the tries
        else:
            return


def writer_engine(settings: Settings) -> Engine:
    """The engine of the one writing connection: a transaction takes the write lock at once."""

    def begin(connection: Connection) -> None:
        begin_writing(connection.connection.cursor(), settings.busy_timeout)

    return _engine(settings, begin, wait=0, kept=1, most=1, cache_mb=32)


def reader_engine(settings: Settings) -> Engine:
    """The engine of the readers: a transaction sees one moment of the database."""

    def begin(connection: Connection) -> None:
        connection.connection.cursor().execute("BEGIN")

    return _engine(settings, begin, wait=settings.busy_timeout, kept=4, most=READERS, cache_mb=4)


def _engine(
    settings: Settings,
    begin: Callable[[Connection], None],
    *,
    wait: float,
    kept: int,
    most: int,
    cache_mb: int,
) -> Engine:
    def connect() -> sqlite3.Connection:
        # isolation_level None keeps the sqlite3 module from beginning transactions by itself.
        connection = sqlite3.connect(
            f"file:{quote(str(settings.path))}?mode=rw",
            uri=True,
            timeout=wait,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        for pragma in (
            f"synchronous = {settings.synchronous}",
            f"cache_size = -{cache_mb * 1024}",
            "journal_size_limit = 67108864",
        ):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    engine = create_engine(
        "sqlite://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=kept,
        max_overflow=most - kept,
    )
    event.listen(engine, "begin", begin)
    return engine


def share(connection: Connection, settings: Settings) -> None:
    """Let readers and a writer work side by side, and plan for long queues; the file remembers."""
    cursor = connection.connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    if cursor.fetchone() != ("wal",):
        raise Misconfigured(
            f"the file system of {settings.path} has no shared memory, which the write-ahead log"
            " needs; put the database on a local disk"
        )
    _describe_sizes(cursor)


STATISTICS = {
    ("messages", "messages"): "1000000 1000000 1",
    ("messages", "sqlite_autoindex_messages_2"): "1000000 1000000 1",
    ("messages", "messages_by_state"): "1000000 1000000 500000 1",
    ("messages", "messages_due"): "500000 500000 10 1",
    ("bodies", "sqlite_autoindex_bodies_1"): "1000000 1000000 1",
    ("claims", "sqlite_autoindex_claims_1"): "100000 100000 1",
    ("claims", "claims_by_end"): "100000 10",
    ("segments", "segments"): "20000 20000 10000 1",
    ("segments", "segments_by_expiry"): "20000 10000 10",
    ("tallies", "tallies"): "1000 1000 500 100 1",
}
"""What ANALYZE would find where one queue holds a million messages (sqlite.org/fileformat2.html,
section 2.6.3): rows of each index, then how many share its first columns."""


def _describe_sizes(cursor: Any) -> None:
    """Tell the planner the sizes to plan for.

    By itself it takes a queue for ten rows, and then reads a whole queue to find two ids in it.
    """
    cursor.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'")
    if cursor.fetchone() is None:
        cursor.execute("ANALYZE sqlite_master")  # reads nothing, but makes the table
    cursor.execute("SELECT tbl, idx, stat FROM sqlite_stat1")
    wanted = {(*names, stat) for names, stat in STATISTICS.items()}
    if set(cursor.fetchall()) != wanted:
        cursor.execute("DELETE FROM sqlite_stat1")
        cursor.executemany("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", sorted(wanted))
        cursor.execute("ANALYZE sqlite_master")  # reads the table again
