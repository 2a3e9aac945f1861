"""The state machine: all steps together, and how Hypothesis runs them.

Hypothesis chooses the calls and, when an answer is wrong, looks for a shorter list of calls with
a wrong answer at its end, which the failure prints.
"""

from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from ..contract import Driver
from .harness import Clock
from .sidebyside import SideBySide
from .steps import MessageSteps
from .steps_queues import QueueSteps, SubscriptionSteps

__all__ = ["run_messages", "run_subscriptions"]

STEPS = 40


def run_messages(handles: Sequence[Driver], clock: Clock, examples: int | None, slow: bool) -> None:
    """Try lists of calls to messages and claims on the handles, which share a backend."""

    class OnThese(MessageSteps):
        def __init__(self) -> None:
            super().__init__(handles, clock)

    _run(OnThese, examples, few=3 if slow else 30)


def run_subscriptions(
    handles: Sequence[Driver], clock: Clock, examples: int | None, slow: bool
) -> None:
    """Try lists of calls to queues and subscriptions."""

    class OnThese(SubscriptionSteps, QueueSteps):
        def __init__(self) -> None:
            super().__init__(handles, clock)

    _run(OnThese, examples, few=3 if slow else 10)


def _run(machine: type[SideBySide], examples: int | None, *, few: int) -> None:
    """Try so many lists, chosen anew; without a number, a few that are always the same."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples or few,
            stateful_step_count=STEPS,
            derandomize=examples is None,
            database=None,
            deadline=None,
            print_blob=False,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
