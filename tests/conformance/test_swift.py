"""The suite on Swift, behind core's gate as in a server. What fails is the network between.

What makes thousands of requests is run with MQCORE_TEST_LONG=1 only, as the ledger says.
"""

import os
from collections.abc import Iterator

import pytest
from mqcore_swift.driver import open_driver

from mqcore.conformance import *  # noqa: F403
from mqcore.conformance.ledger import not_run
from tests.backends import Swift

from .meters import SwiftMeter
from .proxied import ProxiedHarness, database_harness

LONG = "takes minutes there: MQCORE_TEST_LONG=1 runs it"
SLOW = ("TestExclusivity", "TestLookalikes", "TestOrderBesideOthers", "TestPagesBesideOthers")
KEPT = (
    "test_claims_are_exclusive_beside_releases_and_renewals_as_claims_end",
    "test_everything_at_once_keeps_every_promise",
)
WHOLE = bool(os.environ.get("MQCORE_TEST_LONG"))

if WHOLE:
    pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(autouse=True)
def _shorten(request: pytest.FixtureRequest) -> None:
    if not WHOLE and request.cls.__name__ in SLOW and request.function.__name__ not in KEPT:
        not_run(LONG)


@pytest.fixture(scope="class")
def harness(swift: Swift) -> Iterator[ProxiedHarness]:
    """A container for each class: what counts all of a store need not count what others left."""
    meter = None if swift.given else SwiftMeter(swift)
    with database_harness(open_driver, swift.fresh_database(), meter) as harness:
        harness.slow = not WHOLE
        yield harness
