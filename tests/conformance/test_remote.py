"""The suite on a store behind TCP, with the proxy in between: faults and other processes."""

from collections.abc import Iterator

import pytest

from mqcore.conformance.exclusivity import *  # noqa: F403
from mqcore.conformance.faults import *  # noqa: F403
from mqcore.conformance.lifecycle import TestDeadStore as TestDeadStore  # noqa: PLC0414
from mqcore.conformance.paging import *  # noqa: F403
from mqcore.conformance.processes import *  # noqa: F403
from mqcore.conformance.proxy import Proxy

from .proxied import ProxiedHarness
from .remote import RemoteServer, open_driver


@pytest.fixture(scope="module")
def harness() -> Iterator[ProxiedHarness]:
    with RemoteServer() as server, Proxy("127.0.0.1", server.port) as proxy:
        yield ProxiedHarness(open_driver, f"remote://127.0.0.1:{proxy.port}", proxy)
        server.shutdown()
