"""One LMDB file: opened once in a process, read in snapshots, written by one at a time.

That one writer at a time, across all processes, makes every promise of the contract simple to
keep: a call is one transaction, and between its first read and its commit nobody else writes.
Only this module names the exceptions of the client library.
"""

import json
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any, TypeVar

import lmdb

import mqcore.contract as mq

TABLES = (
    *("Row", "Lease", "Subscription", "ends", "hidden", "states", "runs", "ids", "bodies"),
    *("counts", "numbers", "queues", "subscribers", "trash"),
)

T = TypeVar("T")


def pack(number: int) -> bytes:
    """A number as part of a key. Keys sort as bytes do."""
    return struct.pack(">Q", number)


def unpack(part: bytes) -> int:
    return int.from_bytes(part)


def pack_time(time: float) -> bytes:
    """A time as part of a key. Positive floats sort by their bytes, so no end is rounded."""
    return struct.pack(">d", time)


class Transaction:
    """What a controller sees of the store. `now` is one moment for the whole call."""

    def __init__(self, file: "_File", txn: "lmdb.Transaction[bytes]", now: float) -> None:
        self._tables = file.tables
        self._txn = txn
        self.now = now

    def get(self, table: str, key: bytes) -> bytes | None:
        return self._txn.get(key, db=self._tables[table])

    def put(self, table: str, key: bytes, value: bytes = b"") -> None:
        self._txn.put(key, value, db=self._tables[table])

    def delete(self, table: str, key: bytes) -> None:
        self._txn.delete(key, db=self._tables[table])

    def scan(self, table: str, prefix: bytes, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Keys and values under the prefix, in order. Do not write while reading them."""
        cursor = self._txn.cursor(self._tables[table])
        if cursor.set_range(prefix + after):
            for key, value in cursor.iternext():
                if not key.startswith(prefix):
                    return
                if key != prefix + after:
                    yield key, value

    def nearest(self, table: str, prefix: bytes, number: int, step: int = 1) -> int | None:
        """The next number under the prefix from `number` on, upwards (1) or downwards (-1)."""
        if number < 0:
            return None
        cursor = self._txn.cursor(self._tables[table])
        wanted = prefix + pack(number)
        found = cursor.set_range(wanted)
        if step < 0 and cursor.key() != wanted:
            found = cursor.prev() if found else cursor.last()
        key = cursor.key() if found else b""
        return unpack(key[len(prefix) :]) if key.startswith(prefix) else None

    def due(self, table: str, prefix: bytes, limit: int) -> list[bytes]:
        """Of the keys that go on with a time, the first whose time has come; what follows it."""
        until = prefix + pack_time(self.now)
        found: list[bytes] = []
        for key, _ in self.scan(table, prefix):
            if key[: len(until)] > until or len(found) == limit:
                break
            found.append(key[len(until) :])
        return found

    def save(self, key: bytes, record: Any, end: float) -> None:
        """Store a dataclass that is over when its end has come, in place of an older one."""
        kind = type(record).__name__
        self.drop(type(record), key)
        self.put(kind, key, pack_time(end) + json.dumps(astuple(record)).encode())
        self.put("ends", kind.encode() + pack_time(end) + key)

    def load(self, kind: type[T], key: bytes, *, over: bool = False) -> T | None:
        """The record under the key, if there is one; one that is over only when asked for."""
        stored = self.get(kind.__name__, key)
        if stored is None or (stored[:8] <= pack_time(self.now) and not over):
            return None
        return kind(*json.loads(stored[8:]))

    def drop(self, kind: type, key: bytes) -> None:
        stored = self.get(kind.__name__, key)
        if stored is not None:
            self.delete(kind.__name__, key)
            self.delete("ends", kind.__name__.encode() + stored[:8] + key)

    def over(self, kind: type, limit: int) -> list[bytes]:
        """The keys of records that are over."""
        return self.due("ends", kind.__name__.encode(), limit)

    def next_number(self) -> int:
        """A number that was never given before in this store."""
        number = unpack(self.get("numbers", b"next") or b"") + 1
        self.put("numbers", b"next", pack(number))
        return number


class Store:
    """A handle's way to the file. Threads may share it."""

    def __init__(self, path: Path, map_size: int, clock: mq.Clock) -> None:
        self._clock = clock
        self._closed = False
        self._file = _acquire(path, map_size)

    @contextmanager
    def begin(self, *, write: bool = False) -> Iterator[Transaction]:
        """A snapshot, or with `write` a change: synced to disk as a whole, or undone by an error.

        Never begin one inside another: the inner one would wait for the outer one for ever.
        """
        with self._in_use() as file, _translated(file.path):
            file.check()
            with file.env.begin(write=write) as txn:
                # The time is taken here because a writer may have waited long for its turn.
                yield Transaction(file, txn, self._clock())

    @contextmanager
    def _in_use(self) -> Iterator["_File"]:
        """Keeps the file open until the call is over, even if the handle is closed meanwhile."""
        with _lock:
            if self._closed:
                raise mq.Closed("this driver is closed; open another one")
            self._file.users += 1
        try:
            yield self._file
        finally:
            _release(self._file)

    def close(self) -> None:
        with _lock:
            first, self._closed = not self._closed, True
        if first:
            _release(self._file)


class _File:
    """The open file, which the handles of this process share."""

    def __init__(self, path: Path, map_size: int) -> None:
        self.path = path
        self.map_size = map_size
        self.users = 0
        self.env = lmdb.open(
            str(path), map_size=map_size, subdir=False, mode=0o600, max_dbs=len(TABLES)
        )
        # A killed process leaves its snapshot behind, and its pages could never be used again.
        self.env.reader_check()
        self.tables = {name: self.env.open_db(name.encode()) for name in TABLES}
        self._opened_by = os.getpid()
        self._inode = path.stat().st_ino

    def check(self) -> None:
        """Refuse what LMDB itself would let happen, at the cost of data."""
        if os.getpid() != self._opened_by:
            raise mq.Unavailable(f"{self.path} was opened before a fork; open it after")
        if self.path.stat().st_ino != self._inode:
            raise mq.Unavailable(f"{self.path} was replaced; start this process again")


_lock = threading.Lock()
_files: dict[Path, _File] = {}


def _acquire(path: Path, map_size: int) -> _File:
    """LMDB forbids opening a file twice in a process: all handles on one path share it."""
    with _lock:
        if path not in _files:
            try:
                _files[path] = _File(path, map_size)
            except (lmdb.Error, OSError) as error:
                raise mq.Misconfigured(f"{path} cannot be opened: {error}") from error
        file = _files[path]
        if file.map_size != map_size:
            raise mq.Misconfigured(f"{path} is open already, with another map_size; use the same")
        file.users += 1
        return file


def _release(file: _File) -> None:
    """The last one out closes it."""
    with _lock:
        file.users -= 1
        if not file.users:
            del _files[file.path]
            file.env.close()


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Say what went wrong as an error of the contract; the cause goes along."""
    try:
        yield
    except lmdb.MapFullError as error:
        advice = "raise ?map_size= in the storage URI and start again"
        raise mq.Unavailable(f"{path} is as large as it may get; {advice}") from error
    except lmdb.MapResizedError as error:
        advice = "give all processes the same ?map_size= in the storage URI"
        raise mq.Unavailable(f"another process made {path} larger; {advice}") from error
    except (lmdb.Error, OSError) as error:
        raise mq.Unavailable(f"{path} cannot be used: {error}") from error
