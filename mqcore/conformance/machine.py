"""Random calls: the driver must answer as the model does, which is the contract in plain lists."""

import os
from types import ModuleType

import pytest

from .ledger import not_run
from .suite import Suite

__all__ = ["TestStateMachine"]

EXAMPLES = "MQCORE_CONFORMANCE_EXAMPLES"
"""The environment variable for a long run: how many lists of calls to try, new ones each time."""


class TestStateMachine(Suite):
    def machine(self) -> ModuleType:
        try:
            from . import steps_all  # noqa: PLC0415 - only these tests need Hypothesis
        except ModuleNotFoundError as error:
            if error.name != "hypothesis":
                raise
            not_run("Hypothesis is not installed (pip install hypothesis)")
        return steps_all

    def examples(self) -> int | None:
        wanted = os.environ.get(EXAMPLES)
        if wanted is not None and not (wanted.isdecimal() and int(wanted)):
            pytest.fail(f"{EXAMPLES} must be a number of examples, like 5000, not {wanted!r}")
        return int(wanted) if wanted else None

    def test_messages_and_claims_answer_as_the_model_does(self) -> None:
        handles = [self.driver, self.open()]
        slow = self.harness.slow
        self.machine().run_messages(handles, self.clock, self.examples(), slow)

    def test_queues_and_subscriptions_answer_as_the_model_does(self) -> None:
        handles = [self.driver, self.open()]
        slow = self.harness.slow
        self.machine().run_subscriptions(handles, self.clock, self.examples(), slow)
