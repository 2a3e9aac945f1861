"""Calls on the event loop that give way while they wait, each in a greenlet of its own."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from greenlet import getcurrent, greenlet

from mqcore.contract import share_thread

from .turns import Job, Turns

__all__ = ["Cooperative"]

T = TypeVar("T")


class Cooperative:
    """Does `most` jobs at a time on the event loop on which it is made."""

    def __init__(self, most: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._turns = Turns(most - most // 4)
        self._most = most
        self._running = 0
        self._starting = False
        share_thread(_current)

    def put(self, project: str | None, job: Job) -> None:
        """Have the job done. Projects take turns, and within a project the oldest is first.

        It begins after all that the event loop has read by now, so that a job which serves many
        requests finds them.
        """
        self._turns.put(project, job)
        self._start_soon()

    def _start_soon(self) -> None:
        if not self._starting:
            self._starting = True
            self._loop.call_soon(self._start)

    def _start(self) -> None:
        self._starting = False
        while self._running < self._most and (taken := self._turns.pop()):
            self._running += 1
            _Call(self._loop, self._do).switch(*taken)

    def _do(self, project: str | None, job: Job) -> None:
        finish = job()
        self._running -= 1
        self._turns.ended(project)
        if len(self._turns):
            # Not from here: who is started from a greenlet gives way to that one.
            self._start_soon()
        finish()

    async def close(self) -> None:
        """Do what waits."""
        while self._running or len(self._turns):
            await asyncio.sleep(0.001)


class _Call(greenlet):
    def __init__(
        self, loop: asyncio.AbstractEventLoop, run: Callable[[str | None, Job], None]
    ) -> None:
        super().__init__(run)
        self._loop = loop

    def ready(self, fd: int, *, to_write: bool, timeout: float | None) -> None:
        loop = self._loop
        add, remove = loop.add_reader, loop.remove_reader
        if to_write:
            add, remove = loop.add_writer, loop.remove_writer
        # Whichever comes first takes back the other.
        add(fd, self.switch, True)
        late = None if timeout is None else loop.call_later(timeout, self.switch, False)
        try:
            if not self._give_way():
                raise TimeoutError("timed out")
        finally:
            remove(fd)
            if late is not None:
                late.cancel()

    def elsewhere(self, job: Callable[[], T]) -> T:
        done = self._loop.run_in_executor(None, job)
        done.add_done_callback(self.switch)
        self._give_way()
        return done.result()

    def _give_way(self) -> object:
        """Let others run; what `switch` is called with is returned."""
        if self.parent is None:  # for the types: only the first greenlet of a thread has none
            raise RuntimeError("a call has begun outside of the event loop")
        return self.parent.switch()


def _current() -> _Call | None:
    call = getcurrent()
    return call if isinstance(call, _Call) else None
