"""The suite on a standalone MongoDB server."""

from collections.abc import Iterator

import pytest

from mqcore.conformance import *  # noqa: F403

from ..backends import MongoDB
from .mongo import MongoHarness, proxied


@pytest.fixture(scope="module")
def harness() -> Iterator[MongoHarness]:
    with proxied(MongoDB()) as harness:
        yield harness
