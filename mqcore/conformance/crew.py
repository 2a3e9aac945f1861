"""Processes that work on the backend of a test, each with handles of its own."""

import multiprocessing
import os
import random
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Protocol, Self

from ..contract import Driver, QueueRef
from .harness import Clock, Opener

__all__ = ["Crew", "Place", "Station", "Worker", "prepare"]

PROCESSES = multiprocessing.get_context("forkserver")
"""Copies of a process that has imported what they need and opened nothing. They start ten times
faster than new interpreters and, unlike copies of the test itself, share no connection with it."""

PATIENCE = 60.0
"""Seconds that a process has to answer."""

STOPS = (0.002, 0.01, 0.05, 0.1, 1.0)
"""For how many seconds a process stands still at the most. All kinds are equally likely."""


def prepare(opener: Opener) -> None:
    """Have the driver imported before the first process starts; later it is no use, nor harm."""
    function: Any = getattr(opener, "func", opener)
    PROCESSES.set_forkserver_preload([__name__, function.__module__])


class Shared(Protocol):
    """A number that several processes have in common."""

    value: float


class SharedClock(Clock):
    """The clock of all processes of a crew."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    @property
    def now(self) -> float:
        return self._shared.value

    @now.setter
    def now(self, now: float) -> None:
        self._shared.value = now


@dataclass(frozen=True, slots=True)
class Place:
    """How a process opens the backend of a test, and the queue to work on."""

    opener: Opener
    gate: Callable[[Driver], Driver] | None
    queue: QueueRef

    def open(self, clock: Clock) -> Driver:
        driver = self.opener(clock=clock)
        return self.gate(driver) if self.gate else driver


class Station:
    """What a task finds in its process."""

    def __init__(self, pipe: Connection, clock: Clock, barrier: Any) -> None:
        self._pipe = pipe
        self._barrier = barrier
        self.clock = clock

    def wait(self) -> None:
        """Wait until all processes of the crew are here."""
        self._barrier.wait(PATIENCE)

    def report(self, what: object = None) -> None:
        """Tell the test, which hears it before the result of the task."""
        self._pipe.send((True, what))


def _work(pipe: Connection, shared: Shared, barrier: Any) -> None:
    """Do one task after another until there is none."""
    station = Station(pipe, SharedClock(shared), barrier)
    while order := pipe.recv():
        task, arguments = order
        try:
            answer = (True, task(station, *arguments))
        except BaseException:
            answer = (False, traceback.format_exc())
        pipe.send(answer)


class Worker:
    """One process. Told of a task, it does it, and its answer can be heard."""

    def __init__(self, shared: Shared, barrier: Any) -> None:
        self._pipe, theirs = PROCESSES.Pipe()
        self._process = PROCESSES.Process(target=_work, args=(theirs, shared, barrier), daemon=True)
        self._process.start()
        theirs.close()

    def tell(self, task: Callable[..., object], *arguments: object) -> None:
        """Have the task done: a function of a module, with the station and these arguments."""
        try:
            self._pipe.send((task, arguments))
        except OSError:
            raise AssertionError("a process ended without a task") from None

    def hear(self) -> Any:
        """The next report of the task, or its result; raises what the task raised."""
        if not self._pipe.poll(PATIENCE):
            raise AssertionError(f"a process said nothing for {PATIENCE:g} s")
        try:
            well, answer = self._pipe.recv()
        except (EOFError, OSError):
            raise AssertionError("a process ended before its task") from None
        if not well:
            raise AssertionError(f"a process failed:\n{answer}")
        return answer

    @property
    def has_said_something(self) -> bool:
        return self._pipe.poll()

    def stop(self, seconds: float) -> None:
        """Let it stand still for so long, wherever it is (SIGSTOP)."""
        process = self._process.pid
        assert process is not None
        os.kill(process, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(process, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, wherever it is (SIGKILL)."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


class Crew:
    """Some processes with one clock."""

    def __init__(self, size: int) -> None:
        # Without a lock, which a killed process would keep for ever.
        shared = PROCESSES.Value("d", Clock().now, lock=False)
        self.clock = SharedClock(shared)
        # Kept here, since what nobody refers to is gone before the processes have found it.
        self._barrier = PROCESSES.Barrier(size)
        self.workers = [Worker(shared, self._barrier) for _ in range(size)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self.workers:
            worker.kill()

    def tell(self, task: Callable[..., object], arguments: Iterable[tuple[object, ...]]) -> None:
        """Have the task done by all, each with its own arguments."""
        for worker, own in zip(self.workers, arguments, strict=True):
            worker.tell(task, *own)

    def hear(self) -> list[Any]:
        return [worker.hear() for worker in self.workers]

    @contextmanager
    def stopped_now_and_then(self) -> Iterator[None]:
        """Meanwhile each process stands still again and again, for up to a second."""
        over = threading.Event()

        def disturb(worker: Worker) -> None:
            while not over.wait(random.uniform(0, 0.1)):
                worker.stop(random.choice(STOPS) * random.random())

        threads = [threading.Thread(target=disturb, args=(each,)) for each in self.workers]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()
