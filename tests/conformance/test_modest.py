"""The suite on a driver that declares nothing and has limits, and keeps no order: it must pass."""

from itertools import count

import pytest

from mqcore.checked import CheckedDriver
from mqcore.conformance import *  # noqa: F403
from mqcore.conformance import Clock, Harness
from mqcore.contract import Capability, Driver, Limits
from mqcore.memory import MemoryDriver
from mqcore.memory.store import Store


class ModestHarness(Harness):
    gate = CheckedDriver

    def __init__(self) -> None:
        self.store = Store()
        self.store.counter = count(10**9, -1)  # the newest message comes first

    def open(self, clock: Clock) -> Driver:
        driver = MemoryDriver(self.store, clock)
        driver.capabilities = Capability.none()
        driver.limits = Limits(body=1000, metadata=500)
        return driver


@pytest.fixture(scope="module")
def harness() -> ModestHarness:
    return ModestHarness()
