"""The suite on Swift, behind core's gate as in a server. What fails is the network between.

What makes thousands of requests is left to test_swift_replicas.py, which may take longer.
"""

import os
from collections.abc import Iterator

import pytest
from mqcore_swift.driver import open_driver

from mqcore.conformance import *  # noqa: F403
from mqcore.conformance import exclusivity
from mqcore.conformance.machine import EXAMPLES
from tests.backends import Swift

from .meters import SwiftMeter
from .proxied import ProxiedHarness, database_harness

for left_out in ("TestLookalikes", "TestOrderBesideOthers", "TestPagesBesideOthers"):
    del globals()[left_out]


KEPT = (
    "test_claims_are_exclusive_beside_releases_and_renewals_as_claims_end",
    "test_everything_at_once_keeps_every_promise",
)


class TestExclusivity(exclusivity.TestExclusivity):
    """Two of ten."""


for name in dir(TestExclusivity):
    if name.startswith("test_") and name not in KEPT:
        setattr(TestExclusivity, name, None)

FEW = "3"
"""Each call of these examples is made by another handle than the one before: five requests."""


@pytest.fixture(autouse=True)
def few_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(EXAMPLES, os.environ.get(EXAMPLES, FEW))


@pytest.fixture(scope="class")
def harness(swift: Swift) -> Iterator[ProxiedHarness]:
    """A container for each class: what counts all of a store need not count what others left."""
    meter = None if swift.given else SwiftMeter(swift)
    with database_harness(open_driver, swift.fresh_database(), meter) as harness:
        yield harness
