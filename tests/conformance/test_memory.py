"""The suite on the reference driver, bare and behind core's gate."""

from collections.abc import Callable

import pytest

from mqcore.checked import CheckedDriver
from mqcore.conformance import *  # noqa: F403
from mqcore.conformance import Clock, Harness
from mqcore.contract import Driver, new_id
from mqcore.memory import open_driver

from .meters import python_calls


class MemoryHarness(Harness):
    def __init__(self) -> None:
        self.uri = f"memory://{new_id()}"
        self.first = open_driver(self.uri, clock=Clock())

    def open(self, clock: Clock) -> Driver:
        return open_driver(self.uri, clock=clock)

    def work(self, call: Callable[[], object]) -> int:
        return python_calls(call)


@pytest.fixture(scope="module", params=["bare", "checked"])
def harness(request: pytest.FixtureRequest) -> MemoryHarness:
    harness = MemoryHarness()
    harness.gate = CheckedDriver if request.param == "checked" else None
    return harness
