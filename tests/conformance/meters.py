"""How our harnesses count the work of a call."""

import sqlite3
import sys
from collections.abc import Callable
from types import FrameType
from typing import Protocol

import redis
from sqlalchemy import Pool, event

from ..backends import Swift

__all__ = ["Meter", "RedisMeter", "SQLiteMeter", "SwiftMeter", "python_calls"]


class Meter(Protocol):
    """Counts the work of a call, that of a store in front of which a proxy may stand."""

    def work(self, call: Callable[[], object]) -> int:
        """Make the call; return what it took."""
        ...


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
