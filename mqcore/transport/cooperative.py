"""Calls on the event loop that give way while they wait, each in a greenlet of its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from greenlet import getcurrent, greenlet

from mqcore.contract import is_ready, share_thread

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
        # One for each job: one that waits for another job must not keep that one from a thread.
        self._elsewhere = ThreadPoolExecutor(most, "elsewhere")
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
            _Call(self._loop, self._elsewhere, self._do).switch(*taken)

    def _do(self, project: str | None, job: Job) -> None:
        try:
            finish = job()
        finally:
            self._running -= 1
            self._turns.ended(project)
            if len(self._turns):
                # Not from here: who is started from a greenlet gives way to that one.
                self._start_soon()
        finish()

    async def close(self) -> None:
        """Do what waits, then end the threads."""
        while self._running or len(self._turns):
            await asyncio.sleep(0.001)
        self._elsewhere.shutdown(wait=False)


class _Call(greenlet):
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        threads: ThreadPoolExecutor,
        run: Callable[[str | None, Job], None],
    ) -> None:
        super().__init__(run)
        self._loop = loop
        self._threads = threads

    def ready(self, fd: int, *, to_write: bool, timeout: float | None) -> None:
        loop = self._loop
        add, remove = loop.add_reader, loop.remove_reader
        if to_write:
            add, remove = loop.add_writer, loop.remove_writer
        # Whichever comes first takes back the other.
        add(fd, self.switch, True)
        late = None if timeout is None else loop.call_later(timeout, self.switch, False)
        try:
            # A loop that was held up notices first that time is over, and then what has come.
            if not self._give_way() and not is_ready(fd, to_write=to_write, timeout=0):
                raise TimeoutError("timed out")
        finally:
            remove(fd)
            if late is not None:
                late.cancel()

    def elsewhere(self, job: Callable[[], T]) -> T:
        done = self._loop.run_in_executor(self._threads, job)
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
