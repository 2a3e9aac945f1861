"""What threads of this process are about to take, so that they do not go for the same messages.

It saves work and promises nothing: others are in other processes.
"""

import os
import threading
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary

__all__ = ["Turns", "turns"]

PATIENCE = 0.5
"""Seconds to wait for a turn: the one whose turn it is may wait for a store that is gone."""


class Turns:
    """Of one queue. Whose turn it is looks, chooses, and adds what is chosen to `taken`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.taken: set[int] = set()
        """The numbers of messages that somebody is about to mark."""

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
