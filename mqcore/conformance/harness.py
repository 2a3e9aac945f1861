"""What an author of a driver writes: how to open it. And the clock that the tests turn."""

import abc
from collections.abc import Callable

from ..contract import Driver
from .ledger import not_run

__all__ = ["Clock", "Harness"]


class Clock:
    """The time for every driver of a test. It stands still until a test moves it on."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self.now = start

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: int) -> None:
        """Move on by whole seconds, since a store may keep no finer time."""
        self.now += seconds


class Harness(abc.ABC):
    """Opens the driver under test. Tests share a backend: each uses a project of its own."""

    gate: Callable[[Driver], Driver] | None = None
    """Core's wrapper (`mqcore.checked.CheckedDriver`). Without it, the tests of what core refuses
    on behalf of a driver are not run."""

    @abc.abstractmethod
    def open(self, clock: Clock) -> Driver:
        """Open a NEW handle on the same backend, every time. The suite closes it."""

    def break_backend(self) -> None:
        """Make the backend fail for all handles, open ones too, until it is repaired.

        Without it, the tests of a dead store are not run.
        """
        not_run("this harness cannot break its backend")

    def repair_backend(self) -> None:
        """Undo `break_backend`; called once or more often after each call of it."""
        raise NotImplementedError("a harness that breaks its backend repairs it, too")
