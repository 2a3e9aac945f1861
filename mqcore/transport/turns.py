"""Whose job is next."""

from collections import Counter, deque
from collections.abc import Callable

__all__ = ["Finish", "Job", "Turns"]

Finish = Callable[[], None]
Job = Callable[[], Finish]
"""Runs where the store is called, never raises, and returns what to do then on the event loop."""


class Turns:
    """Jobs of several projects; `pop` goes round the projects.

    It leaves out those that have `most` jobs running: so one whose jobs hang does not take all
    threads from the others.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._jobs: dict[str | None, deque[Job]] = {}
        self._next: deque[str | None] = deque()
        self._running: Counter[str | None] = Counter()
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

    def pop(self) -> tuple[str | None, Job] | None:
        for _ in range(len(self._next)):
            project = self._next.popleft()
            if self._running[project] >= self._most:
                self._next.append(project)
                continue
            jobs = self._jobs[project]
            job = jobs.popleft()
            if jobs:
                self._next.append(project)
            else:
                del self._jobs[project]
            self._running[project] += 1
            self._size -= 1
            return project, job
        return None

    def ended(self, project: str | None) -> None:
        """A job of the project is done."""
        self._running[project] -= 1
        if not self._running[project]:
            del self._running[project]
