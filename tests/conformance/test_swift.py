"""The suite on Swift, behind core's gate as in a server. What fails is the network between."""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from mqcore_swift.driver import open_driver

from mqcore.checked import CheckedDriver
from mqcore.conformance import *  # noqa: F403
from mqcore.conformance.machine import EXAMPLES
from mqcore.conformance.proxy import Proxy
from tests.backends import Swift

from .meters import SwiftMeter
from .proxied import ProxiedHarness

FEW = "4"
"""Each call of these examples is made by another handle than the one before: five requests."""


@pytest.fixture(autouse=True)
def few_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(EXAMPLES, os.environ.get(EXAMPLES, FEW))


@pytest.fixture(scope="class")
def harness(swift: Swift) -> Iterator[ProxiedHarness]:
    """A container for each class: what counts all of a store need not count what others left."""
    direct = urlsplit(swift.fresh_database())
    assert direct.port
    with Proxy("127.0.0.1", direct.port) as proxy:
        there = direct.netloc.replace(f":{direct.port}", f":{proxy.port}")
        uri = direct._replace(netloc=there).geturl()
        meter = None if swift.given else SwiftMeter(swift)
        harness = ProxiedHarness(open_driver, uri, proxy, meter=meter)
        harness.gate = CheckedDriver
        yield harness
