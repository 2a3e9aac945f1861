"""The suite on PostgreSQL, behind core's gate as in a server. What fails is the network between."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from mqcore_sql.postgresql import open_driver

from mqcore.conformance import *  # noqa: F403
from mqcore.contract.watchers import PACE
from tests.backends import PostgreSQL

from .meters import PostgreSQLMeter
from .proxied import ProxiedHarness, database_harness


@pytest.fixture(scope="module")
def harness(postgresql: PostgreSQL) -> Iterator[ProxiedHarness]:
    uri = postgresql.fresh_database()
    with (
        closing(PostgreSQLMeter(uri)) as meter,
        database_harness(open_driver, uri, meter) as harness,
    ):
        harness.quiet = 2 * PACE
        yield harness
