"""The suite on PostgreSQL, behind core's gate as in a server. What fails is the network between."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from mqcore_sql.postgresql import open_driver

from mqcore.checked import CheckedDriver
from mqcore.conformance import *  # noqa: F403
from mqcore.conformance.proxy import Proxy
from tests.backends import PostgreSQL

from .proxied import ProxiedHarness


@pytest.fixture(scope="module")
def harness(postgresql: PostgreSQL) -> Iterator[ProxiedHarness]:
    direct = urlsplit(postgresql.fresh_database())
    assert direct.port
    with Proxy("127.0.0.1", direct.port) as proxy:
        there = direct.netloc.replace(f":{direct.port}", f":{proxy.port}")
        uri = direct._replace(netloc=there, query="pool_size=8").geturl()
        harness = ProxiedHarness(open_driver, uri, proxy)
        harness.gate = CheckedDriver
        yield harness
