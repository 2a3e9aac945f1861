"""What the runner tells the process that runs the tests, and what it hears from there."""

from collections.abc import Callable
from dataclasses import dataclass

from ..contract import Clock, Driver

__all__ = [
    "Case",
    "Collected",
    "Ended",
    "Event",
    "NotOpened",
    "Opened",
    "Selection",
    "Started",
    "Target",
]


@dataclass(frozen=True, slots=True)
class Target:
    """The driver under test. Both functions go to another process, so they can be pickled.

    `load` imports the driver and returns a function that opens a new handle on the same backend
    every time. `gate` is core's wrapper. `label` names the driver; it holds no secret.
    """

    label: str
    load: Callable[[], Callable[[Clock], Driver]]
    gate: Callable[[Driver], Driver]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which tests to run, and how many seconds each may take."""

    groups: tuple[str, ...]
    keyword: str = ""
    timeout: float = 60


@dataclass(frozen=True, slots=True)
class Case:
    """A test with its parameters, on the bare driver or behind the gate (`way`)."""

    test: str
    group: str
    way: str
    parameters: str
    behaviours: tuple[str, ...]
    capabilities: tuple[str, ...]
    """What the driver must declare for the test to run, and so what the test proves."""
    refusals: tuple[str, ...]
    """What the driver must not declare; the test proves that it is refused, or not claimed."""
    limit: str | None
    """The limit that the test is about: `body` or `metadata`."""
    beyond: bool
    """Whether it shows that what is beyond the limit is refused."""

    @property
    def sentence(self) -> str:
        """What is true of the driver when the test passes."""
        cls, _, name = self.test.partition("::")
        return f"{cls}: {name.removeprefix('test_').replace('_', ' ')}"


@dataclass(frozen=True, slots=True)
class Opened:
    """The driver could be opened, and this is what it declares."""

    declared: tuple[str, ...]
    body: int | None
    metadata: int | None


@dataclass(frozen=True, slots=True)
class NotOpened:
    """It could not. `misuse`: the one who asked must change something, not the driver's author."""

    seen: str
    rule: str | None
    misuse: bool = False


@dataclass(frozen=True, slots=True)
class Collected:
    """The tests that were selected, in the order in which they run: always the same one."""

    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Started:
    """A test began: the one with this number in `Collected.cases`."""

    number: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A test ended: `passed`, `failed` or `not run`.

    `seen` is what a failed one saw, or why one was not run, in one line. `rule` is the sentence
    of the contract that was broken, where the suite knows it. `where` is file and line.
    """

    number: int
    outcome: str
    seconds: float = 0
    seen: str = ""
    rule: str | None = None
    where: str = ""
    detail: str = ""


Event = Opened | NotOpened | Collected | Started | Ended
