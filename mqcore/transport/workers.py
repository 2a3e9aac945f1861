"""The storage threads, and whose job is next.

Waking a thread costs more than many a job, because it then fights with the event loop for the
interpreter. So while jobs are quick, one thread does all that wait. When they are slow, as those
are that wait for a disk or a network, each goes to a thread of its own.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["Finish", "Job", "Workers"]

Finish = Callable[[], None]
Job = Callable[[], Finish]
"""Runs on a storage thread, never raises, and returns what to do then on the event loop."""

QUICK = 0.0005
"""Jobs that usually take less (seconds) are not worth a thread each."""
PATIENCE = 0.001
"""How long (seconds) jobs wait for a busy thread that finishes nothing, before another wakes."""


class Workers:
    """`threads` threads that do jobs. Made, fed and closed on one event loop."""

    def __init__(self, threads: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._turns = _Turns()
        self._lock = threading.Lock()
        self._awake = 0
        self._taken = 0
        self._usual = 0.0
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
        with self._lock:
            self._turns.put(project, job)
            most = 1 if self._usual < QUICK else len(self._threads)
            wake = self._awake < most
            self._awake += wake
        if wake:
            self._wake.put(True)
        if self._watched is None:
            self._watched = self._taken
            self._loop.call_later(PATIENCE, self._watch)

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
            while job := self._take():
                start = time.perf_counter()
                self._done.append(job())
                self._usual += (time.perf_counter() - start - self._usual) / 8
                if not self._told:
                    self._told = True
                    self._loop.call_soon_threadsafe(self._finish)

    def _take(self) -> Job | None:
        """The next job; None when there is none and the thread goes to sleep."""
        with self._lock:
            job = self._turns.pop()
            if job is None:
                self._awake -= 1
            else:
                self._taken += 1
            return job

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


class _Turns:
    """Jobs of several projects; `pop` goes round the projects."""

    def __init__(self) -> None:
        self._jobs: dict[str | None, deque[Job]] = {}
        self._next: deque[str | None] = deque()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def put(self, project: str | None, job: Job) -> None:
        jobs = self._jobs.get(project)
        if jobs is None:
            self._jobs[project] = deque((job,))
            self._next.append(project)
        else:
            jobs.append(job)
        self._size += 1

    def pop(self) -> Job | None:
        if not self._next:
            return None
        project = self._next.popleft()
        jobs = self._jobs[project]
        job = jobs.popleft()
        if jobs:
            self._next.append(project)
        else:
            del self._jobs[project]
        self._size -= 1
        return job
