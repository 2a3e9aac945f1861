"""What calls have in common; a driver may use it or not."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import Closed

__all__ = ["Calls", "Moment"]


class Calls:
    """The calls that are under way on a handle. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._n = 0
        self._closed = False

    @contextmanager
    def one(self) -> Iterator[None]:
        """Around a call. Raises Closed once `close` has begun."""
        with self._changed:
            if self._closed:
                raise Closed("this driver is closed; open another one")
            self._n += 1
        try:
            yield
        finally:
            with self._changed:
                self._n -= 1
                if self._closed:
                    self._changed.notify_all()

    def close(self) -> bool:
        """Let no more begin, and wait for the end of the others; whether this was the first."""
        with self._changed:
            first, self._closed = not self._closed, True
            self._changed.wait_for(lambda: self._n == 0)
        return first


class Moment:
    """The time of a call, for stores that keep ends as whole seconds, rounded up.

    `now` is exact. `second` is what ends are compared with: `end > now` and `end > second` are the
    same then.
    """

    __slots__ = ("now", "second")

    def __init__(self, now: float) -> None:
        self.now = now
        self.second = math.floor(now)

    def end(self, seconds: float) -> int:
        """The end of something that begins now, rounded up."""
        return math.ceil(self.now + seconds)
