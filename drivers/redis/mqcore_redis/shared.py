"""One client of a Cluster for all handles of a process on the same URI.

What knows a Cluster is large and slow to make, and does no harm when it is shared.
"""

import os
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

__all__ = ["SharedClients"]


@dataclass(slots=True)
class _Entry:
    client: Any
    users: int = 0


class SharedClients:
    """Clients by key, each with how many use it. Thread-safe; a forked process shares nothing."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, _Entry] = {}
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget)

    def take(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The client under the key; made, beside the lock, when there is none."""
        with self._lock:
            entry = self._entries.get(key)
            if entry:
                entry.users += 1
                return entry.client
        made = make()
        with self._lock:
            entry = self._entries.setdefault(key, _Entry(made))
            entry.users += 1
        if entry.client is not made:
            made.close()
        return entry.client

    def give_back(self, key: Hashable) -> None:
        """Close the client if nobody else uses it."""
        with self._lock:
            entry = self._entries[key]
            entry.users -= 1
            if entry.users:
                return
            del self._entries[key]
        entry.client.close()

    def _forget(self) -> None:
        self._entries, self._lock = {}, threading.Lock()
