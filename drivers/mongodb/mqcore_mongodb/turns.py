"""Where a process takes messages: not those that its other threads are about to take, and apart
from other processes while these take messages, too.

It saves work and promises nothing.
"""

import os
import threading
import time
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from secrets import randbelow
from weakref import WeakValueDictionary

__all__ = ["Turns", "turns"]

PATIENCE = 0.5
"""Seconds to wait for a turn: the one whose turn it is may wait for a store that is gone."""
CROWDED = 0.5
"""Seconds for which others are expected to go on."""


class Turns:
    """Of one queue. Whose turn it is looks, chooses, and adds what is chosen to `taken`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.taken: set[int] = set()
        """The numbers of messages that somebody is about to mark."""
        self.place = 0
        """Where this process takes messages while others take them, too."""
        self._crowded_until = 0.0

    @property
    def crowded(self) -> bool:
        """Whether other processes took messages a moment ago."""
        return time.monotonic() < self._crowded_until

    def crowd(self, *, lost: bool = False) -> None:
        """They do now; `lost`: at the same place."""
        self._crowded_until = time.monotonic() + CROWDED
        if lost:
            self.move()

    def move(self) -> None:
        """Go where others might not be."""
        self.place = randbelow(2**16)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn, but not for long."""
        mine = self._lock.acquire(timeout=PATIENCE)
        try:
            yield
        finally:
            if mine:
                self._lock.release()

    def end(self, seqs: Iterable[int]) -> None:
        """They are marked, or somebody else was faster."""
        self.taken.difference_update(seqs)


_turns: "WeakValueDictionary[Hashable, Turns]" = WeakValueDictionary()
_lock = threading.Lock()


def turns(key: Hashable) -> Turns:
    """The one of the queue, shared by all handles of this process."""
    with _lock:
        return _turns.setdefault(key, Turns())


def _forget() -> None:
    """In a child, which has none of the parent's threads."""
    global _turns, _lock
    _turns, _lock = WeakValueDictionary(), threading.Lock()


os.register_at_fork(after_in_child=_forget)
