"""The suite on MariaDB, behind core's gate as in a server. What fails is the network between."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from mqcore_sql.mysql import open_driver

from mqcore.conformance import *  # noqa: F403
from tests.backends import MariaDB

from .meters import MariaDBMeter
from .proxied import ProxiedHarness, database_harness


@pytest.fixture(scope="module")
def harness(mariadb: MariaDB) -> Iterator[ProxiedHarness]:
    uri = mariadb.fresh_database()
    with closing(MariaDBMeter(uri)) as meter, database_harness(open_driver, uri, meter) as harness:
        yield harness
