"""Claims on a Swift of three replicas; with MQCORE_TEST_LONG=1 the whole suite."""

import os
from collections.abc import Iterator

import pytest
from mqcore_swift.driver import open_driver

from tests.backends import Swift

from .meters import SwiftMeter
from .proxied import ProxiedHarness, database_harness

if os.environ.get("MQCORE_TEST_LONG"):
    from mqcore.conformance import *  # noqa: F403

    pytestmark = pytest.mark.timeout(1800)
else:
    from mqcore.conformance.claims import *  # noqa: F403


@pytest.fixture(scope="module")
def swift() -> Iterator[Swift]:
    with Swift(replicas=3) as server:
        yield server


@pytest.fixture(scope="class")
def harness(swift: Swift) -> Iterator[ProxiedHarness]:
    with database_harness(open_driver, swift.fresh_database(), SwiftMeter(swift)) as harness:
        yield harness
