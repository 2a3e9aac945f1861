"""What the handles of one URI share, and how their controllers come to it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

from sortedcontainers import SortedSet

from ..contract import Closed, QueueRef
from .box import Box

if TYPE_CHECKING:
    from .driver import MemoryDriver

__all__ = ["Controller", "Store"]


class Store:
    """What the handles of one URI share."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.counter = count(1)
        self.queues: dict[str | None, Any] = {}
        self.subscriptions: dict[QueueRef, Any] = {}
        self.subscribers: dict[tuple[QueueRef, str], str] = {}
        self.endings: Any = SortedSet()

    def boxes(self) -> Iterator[Box]:
        return (box for boxes in self.queues.values() for box in boxes.values())


class Controller:
    """What the four controllers of a handle have in common."""

    def __init__(self, handle: "MemoryDriver") -> None:
        self._handle = handle

    @contextmanager
    def _store(self) -> Iterator[tuple[Store, float]]:
        """The store, locked, and the time."""
        store = self._handle.store
        with store.lock:
            if self._handle.closed:
                raise Closed("this driver is closed; open another one")
            yield store, self._handle.clock()

    @contextmanager
    def _box(self, queue: QueueRef) -> Iterator[tuple[Box | None, float]]:
        """What is in the queue now, or None when there is no such queue, and the time."""
        with self._store() as (store, now):
            box: Box | None = store.queues.get(queue.project, {}).get(queue.name)
            if box is not None:
                box.settle(now)
            yield box, now
