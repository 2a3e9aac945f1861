"""How our harnesses count the work of a call."""

import sqlite3
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import redis
from pymongo import MongoClient
from sqlalchemy import NullPool, Pool, create_engine, event

from ..backends import Swift

__all__ = [
    "MariaDBMeter",
    "MongoMeter",
    "PostgreSQLMeter",
    "RedisMeter",
    "SQLiteMeter",
    "SwiftMeter",
    "python_calls",
]


def python_calls(call: Callable[[], object]) -> int:
    """Make the call; return how many functions it had Python call, in this thread."""
    made = 0

    def count(_frame: FrameType, kind: str, _function: object) -> None:
        nonlocal made
        made += kind in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        call()
    finally:
        sys.setprofile(before)
    return made


class SQLiteMeter:
    """Counts the steps of SQLite's virtual machine, in all connections opened while it is on."""

    EVERY = 10

    def __init__(self) -> None:
        self._connections: dict[int, sqlite3.Connection] = {}
        self._ticks = 0

    def __enter__(self) -> None:
        event.listen(Pool, "connect", self._opened)
        event.listen(Pool, "close", self._closed)

    def __exit__(self, *_: object) -> None:
        event.remove(Pool, "connect", self._opened)
        event.remove(Pool, "close", self._closed)

    def steps(self, call: Callable[[], object]) -> int:
        """Make the call; return how many steps it took, to the ten."""
        self._ticks = 0
        for connection in self._connections.values():
            connection.set_progress_handler(self._tick, self.EVERY)
        call()
        for connection in self._connections.values():
            connection.set_progress_handler(None, 0)
        return self._ticks * self.EVERY

    def _opened(self, connection: sqlite3.Connection, _record: object) -> None:
        self._connections[id(connection)] = connection

    def _closed(self, connection: sqlite3.Connection, _record: object) -> None:
        self._connections.pop(id(connection), None)

    def _tick(self) -> int:
        self._ticks += 1
        return 0


class MongoMeter:
    """Counts what a MongoDB server looks at, changes and returns: keys and documents; and commands.

    The driver's own counts are written without waiting, so that a few of these may count elsewhere.
    """

    COMMANDS = ("aggregate", "count", "delete", "find", "findAndModify", "insert", "update")

    def __init__(self, client: MongoClient[dict[str, Any]]) -> None:
        self._client = client

    def work(self, call: Callable[[], object]) -> int:
        """Make the call; return what it took."""
        before = self._total()
        call()
        return self._total() - before

    def close(self) -> None:
        self._client.close()

    def _total(self) -> int:
        metrics = self._client.admin.command("serverStatus", repl=0, wiredTiger=0)["metrics"]
        seen = metrics["queryExecutor"]["scanned"] + metrics["queryExecutor"]["scannedObjects"]
        commands = sum(metrics["commands"][name]["total"] for name in self.COMMANDS)
        return int(seen + sum(metrics["document"].values()) + commands)


class RedisMeter:
    """Counts the commands that Redis servers run, those in scripts too, and what they cost.

    A command that walks is one command, so the processor time of the servers' main threads counts
    as well, a unit for each tenth of a millisecond. Unlike time, it does not grow when others work.
    """

    def __init__(self, *uris: str) -> None:
        self._clients = [redis.Redis.from_url(uri) for uri in uris]

    def work(self, call: Callable[[], object]) -> int:
        """Make the call; return what it took."""
        commands = self._commands()
        seconds = self._seconds()
        call()
        seconds = self._seconds() - seconds
        return self._commands() - commands + int(seconds * 10_000)

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def _commands(self) -> int:
        return sum(
            stats["calls"]
            for client in self._clients
            for name, stats in client.info("commandstats").items()
            if name != "cmdstat_info"
        )

    def _seconds(self) -> float:
        found = [client.info("cpu") for client in self._clients]
        kinds = ("used_cpu_user_main_thread", "used_cpu_sys_main_thread")
        return float(sum(cpu[kind] for cpu in found for kind in kinds))


class DatabaseMeter:
    """Counts what a database server does for a call, by numbers that it keeps itself."""

    library: str
    query: str
    """Rows that end with a number each, whose sum grows with the work of all connections."""

    def __init__(self, uri: str) -> None:
        scheme, _, place = uri.partition(":")
        self._engine = create_engine(f"{scheme}+{self.library}:{place}", poolclass=NullPool)
        self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def work(self, call: Callable[[], object]) -> int:
        """Make the call; return how much the number grew."""
        before = self._read()
        call()
        return self._read() - before

    def close(self) -> None:
        self._connection.close()

    def _read(self) -> int:
        return sum(int(row[-1]) for row in self._connection.exec_driver_sql(self.query))


class MariaDBMeter(DatabaseMeter):
    """Rows that the storage engine was asked for, and rows written (the counters `Handler_...`)."""

    library = "pymysql"
    query = "SHOW GLOBAL STATUS WHERE variable_name REGEXP '^handler_(read|write|update|delete)'"


class PostgreSQLMeter(DatabaseMeter):
    """Pages of tables and indexes that were looked at, and rows that were read and written."""

    library = "psycopg"
    query = (
        "SELECT (SELECT sum(heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit)"
        " FROM pg_statio_user_tables)"
        " + (SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0) + n_tup_ins + n_tup_upd"
        " + n_tup_del) FROM pg_stat_user_tables)"
        " + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes)"
    )

    _told = False

    def work(self, call: Callable[[], object]) -> int:
        if not self._told:
            event.listen(Pool, "checkin", self._tell)
            self._told = True
        return super().work(call)

    def close(self) -> None:
        super().close()
        if self._told:
            event.remove(Pool, "checkin", self._tell)

    def _tell(self, connection: Any, _record: object) -> None:
        """By itself, a connection tells others what it did about once in a second only."""
        if connection is not None and hasattr(connection, "pgconn"):
            connection.execute("SELECT pg_stat_force_next_flush()")


class SwiftMeter:
    """Counts the requests to Swift, and the KiB that go to and fro.

    The driver keeps in memory what is in a queue; so what it does there counts as well, a unit
    for a thousand calls of functions, which are about those that a request takes.
    """

    def __init__(self, server: Swift) -> None:
        self._server = server

    def work(self, call: Callable[[], object]) -> int:
        """Make the call; return what it took."""
        requests, size = self._server.work()
        calls = python_calls(call)
        later_requests, later_size = self._server.work()
        return later_requests - requests + (later_size - size) // 1024 + calls // 1000
