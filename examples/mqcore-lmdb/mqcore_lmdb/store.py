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
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import lmdb

import mqcore.contract as mq

pack_time = struct.Struct(">d").pack
"""A time as part of a key: positive floats sort as their bytes do, so that none is rounded."""


def timed(key: bytes, record: Any, end: float) -> dict[bytes, bytes]:
    """A record that is over at its end, and the entry by which `collect` finds it then."""
    time = pack_time(end)
    return {key: time + json.dumps(record).encode(), b"due/" + time + key: b""}


class Transaction:
    """What a controller sees of the store. `now` is one moment for the whole call."""

    def __init__(self, txn: "lmdb.Transaction[bytes]", now: float) -> None:
        self.get, self.put, self.delete, self._cursor = txn.get, txn.put, txn.delete, txn.cursor
        self.now = now

    def scan(self, prefix: bytes, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """What follows the prefix in keys, and their values, in order. Do not write meanwhile."""
        cursor = self._cursor()
        if cursor.set_range(prefix + after):
            for key, value in cursor.iternext():
                if not key.startswith(prefix):
                    return
                if key != prefix + after:
                    yield key[len(prefix) :], value

    def load(self, key: bytes, *, over: bool = False) -> Any:
        """The record under the key, or None; one that is over only when asked for."""
        stored = self.get(key)
        if stored is None or (stored[:8] <= pack_time(self.now) and not over):
            return None
        return json.loads(stored[8:])

    def save(self, key: bytes, record: Any, end: float = 0) -> None:
        """Store the record in place of what is there; None is none."""
        stored = self.get(key)
        old = {key: stored, b"due/" + stored[:8] + key: b""} if stored else {}
        self.replace(old, {} if record is None else timed(key, record, end))

    def replace(self, old: dict[bytes, bytes], new: dict[bytes, bytes]) -> None:
        """Store the new entries in place of the old ones."""
        for key in old.keys() - new.keys():
            self.delete(key)
        for key, value in new.items() - old.items():
            self.put(key, value)

    def due(self) -> list[bytes]:
        """The keys of records that are over, first a hundred of them."""
        found = islice(self.scan(b"due/"), 100)
        return [key[8:] for key, _ in found if key[:8] <= pack_time(self.now)]

    def next_number(self) -> bytes:
        """Twelve hexadecimal digits, more than this store ever gave before."""
        number = b"%012x" % (int(self.get(b"number") or b"0", 16) + 1)
        self.put(b"number", number)
        return number


class Store:
    """A handle's way to the file. Threads may share it."""

    def __init__(self, path: Path, map_size: int, clock: mq.Clock) -> None:
        self._path, self._map_size, self._clock = path, map_size, clock
        self._closed = False
        self._held = ExitStack()
        try:
            self._held.enter_context(_opened(path, map_size))
        except (lmdb.Error, OSError) as error:
            raise mq.Misconfigured(f"{path} cannot be opened: {error}") from error

    @contextmanager
    def begin(self, *, write: bool = False) -> Iterator[Transaction]:
        """A snapshot, or with `write` a change: synced to disk as a whole, or undone by an error.

        Never begin one inside another: the inner one would wait for the outer one for ever.
        """
        if self._closed:
            raise mq.Closed("this driver is closed; open another one")
        try:
            # Held by the call too, so that it gets its answer if the handle is closed meanwhile.
            with _opened(self._path, self._map_size) as file:
                if self._path.stat().st_ino != file.inode:
                    raise mq.Unavailable(f"{self._path} was replaced; start this process again")
                with file.env.begin(write=write) as txn:
                    # The time is taken here because a writer may have waited long for its turn.
                    yield Transaction(txn, self._clock())
        except (lmdb.MapFullError, lmdb.MapResizedError) as error:
            advice = "raise ?map_size= in the storage URI, in all processes, and start again"
            raise mq.Unavailable(f"{self._path} needs more room; {advice}") from error
        except (lmdb.Error, OSError) as error:
            raise mq.Unavailable(f"{self._path} cannot be used: {error}") from error

    def close(self) -> None:
        self._closed = True
        self._held.close()


class _File:
    def __init__(self, path: Path, map_size: int) -> None:
        self.map_size = map_size
        self.users = 0
        self.env = lmdb.open(str(path), map_size=map_size, subdir=False, mode=0o600)
        # A killed process leaves its snapshot behind, and its pages could never be used again.
        self.env.reader_check()
        self.inode = path.stat().st_ino


_files: dict[tuple[int, Path], _File] = {}
_lock = threading.RLock()


@contextmanager
def _opened(path: Path, map_size: int) -> Iterator[_File]:
    """Hold the file open; the last one to let go closes it.

    LMDB forbids opening it twice in a process, and using it across a fork.
    """
    key = os.getpid(), path
    with _lock:
        file = _files.get(key) or _files.setdefault(key, _File(path, map_size))
        if file.map_size != map_size:
            raise mq.Misconfigured(f"{path} is open already, with another map_size; use the same")
        file.users += 1
    try:
        yield file
    finally:
        with _lock:
            file.users -= 1
            if not file.users:
                del _files[key]
                file.env.close()
