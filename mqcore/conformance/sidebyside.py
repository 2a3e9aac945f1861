"""A driver and the model side by side: each call goes to both, and the answers must be equal."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, rule
from hypothesis.strategies import sampled_from

from ..contract import (
    Capability,
    Claim,
    Driver,
    Message,
    Page,
    Queue,
    QueueRef,
    new_id,
)
from .harness import Clock
from .model import Model

__all__ = ["QUEUES", "SideBySide", "outcome"]

QUEUES = ["a", "dead", "a of another project", "dead of another project"]
"""Of two projects, two queues each, one of which is the other's dead-letter queue."""

START = 1_700_000_000.0
"""Every list of calls begins at the same time, so that a shorter one runs as it would alone."""


class SideBySide(RuleBasedStateMachine):
    """Steps that make one call each, to a driver and to the model."""

    def __init__(self, handles: Sequence[Driver], clock: Clock) -> None:
        super().__init__()
        self.handles = list(handles)
        self.clock = clock
        self.clock.now = START
        self.model = Model(clock)
        self.project = f"project-{new_id()}"
        self.versions: dict[QueueRef, dict[str, str]] = {}
        """For each queue, the driver's versions of its metadata by the model's."""
        self.deletions = 0
        """How many queues were deleted."""
        self.history: list[str] = []
        self.differs = False

    def ref(self, name: str) -> QueueRef:
        short, _, other = name.partition(" of ")
        return QueueRef(self.project + ("-2" if other else ""), short)

    def has(self, capability: Capability) -> bool:
        return capability in self.handles[0].capabilities

    def call(self, method: str, *args: Any, **options: Any) -> tuple[Any, Any]:
        """Make the call on both sides, compare, and return both answers.

        An option that is a pair is an opaque text: the driver's own and the model's.
        """
        theirs = {name: v[0] if isinstance(v, tuple) else v for name, v in options.items()}
        ours = {name: v[1] if isinstance(v, tuple) else v for name, v in options.items()}
        given = [*map(repr, args), *(f"{name}={value!r}" for name, value in theirs.items())]
        self.history.append(f"{method}({', '.join(given)})")
        answer = outcome(self.handles[0], method, args, theirs)
        if not self.has(Capability.FIFO):
            self.model.state.preferred = taken(answer)
        wanted = outcome(self.model, method, args, ours)
        self.compare(answer, wanted)
        return answer, wanted

    def look(self, method: str, *args: Any, **options: Any) -> None:
        """Make a call that only reads, and write it down only when its answer is wrong."""
        self.call(method, *args, **options)
        self.history.pop()

    def compare(self, answer: Any, wanted: Any) -> None:
        ordered = self.has(Capability.FIFO)
        if comparable(answer, ordered) != comparable(wanted, ordered):
            self.differs = True
            raise AssertionError(
                "the last of these calls has a wrong answer (after each change the queue"
                " was listed and counted, too):\n  "
                + self.short("\n  ".join(self.history))
                + f"\nthe driver answers  {self.short(repr(answer))}"
                + f"\nthe contract wants  {self.short(repr(wanted))}"
            )

    def short(self, text: str) -> str:
        return text.replace(self.project, "p").replace("0" * 28, "")

    def finish(self) -> None:
        """Look at everything when all steps were taken."""

    def teardown(self) -> None:
        if not self.differs:
            self.finish()
        for name in QUEUES:
            outcome(self.handles[0], "queues.delete", [self.ref(name)], {})

    @rule(seconds=sampled_from([1, 4, 5, 10, 55, 60]))
    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.history.append(f"{seconds} seconds later:")

    @rule()
    def other_handle(self) -> None:
        self.handles.reverse()
        self.history.append("on the other handle:")

    @rule(limit=sampled_from([1, 3, 1000]))
    def collect(self, limit: int) -> None:
        self.history.append(f"collect({limit})")
        self.handles[0].collect(limit)


def outcome(side: Driver | Model, method: str, args: Sequence[Any], options: dict[str, Any]) -> Any:
    """What the call answers, or the error that it raises, which may be any if a driver is wrong."""
    controller, _, name = method.partition(".")
    try:
        return getattr(getattr(side, controller), name)(*args, **options)
    except Exception as error:
        return error


def taken(answer: Any) -> list[str]:
    """The ids of the messages in a list of messages or of claims."""
    found = answer if isinstance(answer, tuple | list) else ()
    parts = [each.messages if isinstance(each, Claim) else [each] for each in found]
    ids = [each.id for part in parts for each in part if isinstance(each, Message)]
    return list(dict.fromkeys(ids))  # a claim that is asked for twice shows its messages twice


def comparable(answer: Any, ordered: bool) -> Any:
    """The answer without what is the driver's own: texts, markers, versions, and any order."""
    if isinstance(answer, Exception):
        return (type(answer).__name__, getattr(answer, "queue", None))
    if isinstance(answer, Page):
        items = comparable(answer.items, ordered)
        return (items, answer.next is None)
    if isinstance(answer, Queue):
        return (answer.name, repr(sorted((answer.metadata or {}).items())))
    if isinstance(answer, Claim):
        return replace(answer, messages=tuple(comparable(answer.messages, ordered)))
    if isinstance(answer, tuple | list):
        parts = [comparable(each, ordered) for each in answer]
        messages = all(isinstance(each, Message) for each in answer)
        return sorted(parts, key=lambda each: each.id) if messages and not ordered else parts
    return answer
