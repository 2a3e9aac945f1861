"""What an author of a driver writes: how to open it. And the clock that the tests turn."""

import abc
import os
from collections.abc import Callable
from functools import partial
from typing import Protocol

from ..contract import Driver, OpenDriver
from .ledger import not_run

__all__ = ["Clock", "DriverHarness", "Harness", "Opener"]


class Clock:
    """The time for every driver of a test. It stands still until a test moves it on."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self.now = start

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: int) -> None:
        """Move on by whole seconds, since a store may keep no finer time."""
        self.now += seconds


class Opener(Protocol):
    """Opens a new handle on the backend of a harness."""

    def __call__(self, *, clock: Clock) -> Driver: ...


class Harness(abc.ABC):
    """Opens the driver under test. Tests share a backend: each uses a project of its own."""

    gate: Callable[[Driver], Driver] | None = None
    """Core's wrapper (`mqcore.checked.CheckedDriver`). Without it, the tests of what core refuses
    on behalf of a driver are not run."""

    @abc.abstractmethod
    def open(self, clock: Clock) -> Driver:
        """Open a NEW handle on the same backend, every time. The suite closes it."""

    rounds: int = int(os.environ.get("MQCORE_CONFORMANCE_ROUNDS", "5"))
    """How often processes are killed in the middle of their work; more find more."""

    slow = False
    """Whether a call takes tens of milliseconds: tests that race then make a fourth of the calls,
    and those that try at random a tenth."""

    patience: float = 30.0
    """Seconds that a hint may take at most; a test waits so long only where none comes."""

    def opener(self) -> Opener | None:
        """Return what opens the backend in another process.

        It must be fit for pickling, as `functools.partial(open_driver, uri)` is, and so must
        `gate`. None says that no other process can reach the store.
        """
        return None

    def lose_reply(self, skip: int = 0) -> Callable[[], bool]:
        """Let the store act on a request and lose its reply, once, after `skip` good requests.

        Return a function that says whether it has happened (`Proxy.lose_reply`);
        `repair_backend` ends the waiting for it. Without it, the tests of lost replies are not
        run.
        """
        not_run("this harness cannot lose the reply of its backend")

    def break_backend(self) -> None:
        """Make the backend fail for all handles, open ones too, until it is repaired.

        Without it, the tests of a dead store are not run.
        """
        not_run("this harness cannot break its backend")

    def repair_backend(self) -> None:
        """Undo `break_backend`; called once or more often after each call of it."""
        raise NotImplementedError("a harness that breaks its backend repairs it, too")

    def work(self, call: Callable[[], object]) -> int | None:
        """Make the call and return how much work the store did for it: rows, keys, requests.

        None says that the store cannot tell; then the tests of cost compare times.
        """
        call()
        return None


class DriverHarness(Harness):
    """Opens the URI with the driver's entry point, here and in other processes."""

    def __init__(self, open_driver: OpenDriver, uri: str) -> None:
        self._opener = partial(open_driver, uri)

    def open(self, clock: Clock) -> Driver:
        return self._opener(clock=clock)

    def opener(self) -> Opener | None:
        return self._opener
