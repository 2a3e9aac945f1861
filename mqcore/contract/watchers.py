"""The parts of waking: who is to be woken, and the thread that does it."""

import logging
import threading
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from .errors import Closed

__all__ = ["PACE", "Paced", "Stop", "Wake", "Watchers"]

log = logging.getLogger(__name__)

Thing = TypeVar("Thing", bound=Hashable)

Wake = Callable[[], None]
"""Called with each hint, from a thread of the driver. It must return at once, as `Event.set` and
`loop.call_soon_threadsafe` do: while it runs, no other watcher of the handle is woken."""

Stop = Callable[[], None]
"""Ends a watch. Idempotent; may be called from a `Wake`."""

PACE = 0.1
"""Seconds between two hints on the same queue from the same handle."""


class Watchers:
    """Who watches what. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wakes: dict[Hashable, dict[object, Wake]] = {}
        self._closed = False

    def add(self, key: Hashable, wake: Wake) -> Stop:
        """Watch the key until the result is called. Raises Closed."""
        mark = object()
        with self._lock:
            if self._closed:
                raise Closed("this driver is closed; open another one")
            self._wakes.setdefault(key, {})[mark] = wake

        def stop() -> None:
            with self._lock:
                left = self._wakes.get(key, {})
                left.pop(mark, None)
                if not left:
                    self._wakes.pop(key, None)

        return stop

    def wake(self, keys: Iterable[Hashable]) -> None:
        """Wake those who watch one of these."""
        for key in keys:
            with self._lock:
                marks = [*self._wakes.get(key, ())]
            for mark in marks:
                wake = self._wakes.get(key, {}).get(mark)  # none when it was stopped meanwhile
                if wake:
                    _call(wake)

    def wake_all(self) -> None:
        with self._lock:
            keys = [*self._wakes]
        self.wake(keys)

    def close(self) -> None:
        """Forget all of them; nobody can be added."""
        with self._lock:
            self._closed = True
            self._wakes.clear()


def _call(wake: Wake) -> None:
    try:
        wake()
    except Exception:
        log.exception("what a hint has called failed; the next one calls it again")


class Paced(Generic[Thing]):
    """Hands on what it is told, in a thread of its own: at once, then every PACE seconds.

    What is told several times meanwhile is handed on once.
    """

    def __init__(self, hand_on: Callable[[set[Thing]], None]) -> None:
        self._hand_on = hand_on
        self._lock = threading.Lock()
        self._things: set[Thing] = set()
        self._told = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def tell(self, thing: Thing) -> None:
        """Never waits for what is handed on. Does nothing once this is closed."""
        with self._lock:
            if self._closing.is_set():
                return
            self._things.add(thing)
            if self._told.is_set():
                return
            self._told.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hints", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Hand on what is left, and end."""
        with self._lock:
            self._closing.set()
            self._told.set()
        if self._thread not in (None, threading.current_thread()):
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._told.wait()
            self._round()
            self._closing.wait(PACE)
        self._round()

    def _round(self) -> None:
        with self._lock:
            self._told.clear()
            things, self._things = self._things, set()
        if things:
            self._hand_on(things)
