"""The storage threads, and whose job is next; or the event loop, where nothing waits.

Threads that have work fight for the interpreter, each other's and the event loop's. So while the
processor is the limit, two threads do all that waits. While it is not, because jobs wait for a
disk or a network, each job goes to a thread of its own.
"""

import asyncio
import threading
import time
from collections import deque
from queue import SimpleQueue

from .passes import NextPass
from .turns import Finish, Job, Turns

__all__ = ["OnLoop", "Workers"]

FEW = 2
"""The threads at work while the processor is the limit: one may wait while the other reads."""
SATURATED = 0.9
"""How much of a processor this process uses when that is the limit."""
LOOK = 0.01
"""How often (seconds) this is looked at, at the most."""
PATIENCE = 0.001
"""How long (seconds) jobs wait for a busy thread that finishes nothing, before another wakes."""


class Workers:
    """`threads` threads that do jobs. Made, fed and closed on one event loop."""

    def __init__(self, threads: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._turns = Turns(threads - threads // 4)
        self._lock = threading.Lock()
        self._awake = 0
        self._taken = 0
        self._most = threads
        self._looked = self._loop.time()
        self._used = time.process_time()
        self._watched: int | None = None
        self._wake: SimpleQueue[bool] = SimpleQueue()
        self._done: deque[Finish] = deque()
        self._told = False
        self._threads = [
            threading.Thread(target=self._work, name=f"storage-{n}", daemon=True)
            for n in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, project: str | None, job: Job) -> None:
        """Have the job done. Projects take turns, and within a project the oldest is first."""
        self._look()
        with self._lock:
            self._turns.put(project, job)
            wake = self._awake < self._most
            self._awake += wake
        if wake:
            self._wake.put(True)
        if self._watched is None:
            self._watched = self._taken
            self._loop.call_later(PATIENCE, self._watch)

    def _look(self) -> None:
        """See whether the processor is the limit."""
        now = self._loop.time()
        if now > self._looked + LOOK:
            used = time.process_time()
            saturated = used - self._used > SATURATED * (now - self._looked)
            self._most = min(FEW, len(self._threads)) if saturated else len(self._threads)
            self._looked, self._used = now, used

    def _watch(self) -> None:
        """Wake another thread when jobs wait and those that are awake finish nothing."""
        with self._lock:
            stuck = self._watched == self._taken and self._awake < len(self._threads)
            stuck = stuck and len(self._turns) > 0
            self._awake += stuck
            self._watched = self._taken if len(self._turns) else None
        if stuck:
            self._wake.put(True)
        if self._watched is not None:
            self._loop.call_later(PATIENCE, self._watch)

    def _work(self) -> None:
        while self._wake.get():
            while taken := self._take():
                project, job = taken
                self._done.append(job())
                if not self._told:
                    self._told = True
                    self._loop.call_soon_threadsafe(self._finish)
                with self._lock:
                    self._turns.ended(project)

    def _take(self) -> tuple[str | None, Job] | None:
        """The next job; None when there is none for this thread, which goes to sleep then."""
        with self._lock:
            taken = None if self._awake > self._most else self._turns.pop()
            if taken is None:
                self._awake -= 1
            else:
                self._taken += 1
            return taken

    def _finish(self) -> None:
        # Cleared first: a thread that adds to `_done` from here on wakes the loop again.
        self._told = False
        while self._done:
            self._done.popleft()()

    async def close(self) -> None:
        """Do what waits, then end the threads."""
        while len(self._turns):
            await asyncio.sleep(0.001)
        for _ in self._threads:
            self._wake.put(False)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._finish()


class OnLoop:
    """Does jobs on the event loop: those of all requests that it has read, then it reads more."""

    def __init__(self) -> None:
        self._jobs: NextPass[Job] = NextPass(lambda job: job()())

    def put(self, _: str | None, job: Job) -> None:
        """Have the job done. The oldest is first."""
        self._jobs.put(job)

    async def close(self) -> None:
        """Do what waits."""
        while self._jobs:
            await asyncio.sleep(0)
