"""The suite on a store behind TCP, with the proxy in between: faults and other processes."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from mqcore.conformance import Clock, Harness
from mqcore.conformance.exclusivity import *  # noqa: F403
from mqcore.conformance.faults import *  # noqa: F403
from mqcore.conformance.harness import Opener
from mqcore.conformance.lifecycle import TestDeadStore as TestDeadStore  # noqa: PLC0414
from mqcore.conformance.paging import *  # noqa: F403
from mqcore.conformance.processes import *  # noqa: F403
from mqcore.conformance.proxy import Proxy
from mqcore.contract import Driver

from .remote import RemoteServer, open_driver


class RemoteHarness(Harness):
    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy

    def open(self, clock: Clock) -> Driver:
        return open_driver(self.proxy.port, clock=clock)

    def opener(self) -> Opener:
        return partial(open_driver, self.proxy.port)

    def break_backend(self) -> None:
        self.proxy.cut()

    def repair_backend(self) -> None:
        self.proxy.restore()

    def lose_reply(self, skip: int = 0) -> Callable[[], bool]:
        self.proxy.lose_reply(skip)
        return lambda: not self.proxy.pending


@pytest.fixture(scope="module")
def harness() -> Iterator[RemoteHarness]:
    with RemoteServer() as server, Proxy("127.0.0.1", server.port) as proxy:
        yield RemoteHarness(proxy)
        server.shutdown()
