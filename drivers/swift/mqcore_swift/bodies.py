"""Bodies that were written or read of late. They never change, so they are never out of date."""

import threading
from collections import OrderedDict

from .packs import Body

__all__ = ["Bodies"]

MOST_BYTES = 16_000_000
EACH = 400
"""Bytes that keeping one takes besides the body itself."""


class Bodies:
    """By the object that they are in, and where in it. Thread-safe."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[str, Body], bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def keep(self, pack: str, where: Body, body: bytes) -> None:
        with self._lock:
            if (pack, where) not in self._found:
                self._size += len(body) + EACH
            self._found[pack, where] = body
            while self._size > MOST_BYTES:
                self._size -= len(self._found.popitem(last=False)[1]) + EACH

    def find(self, pack: str, where: Body) -> bytes | None:
        with self._lock:
            found = self._found.get((pack, where))
            if found is not None:
                self._found.move_to_end((pack, where))
            return found
