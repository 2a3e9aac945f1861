"""The suite on MongoDB, as a replica set of one."""

from collections.abc import Iterator

import pytest

from mqcore.conformance import *  # noqa: F403

from ..backends import MongoDB
from .mongo import MongoHarness, proxied


@pytest.fixture(scope="module")
def harness() -> Iterator[MongoHarness]:
    with proxied(MongoDB(replica_set=True)) as harness:
        yield harness
