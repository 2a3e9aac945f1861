import pytest
from mqcore.conformance import *
from mqcore_lmdb import open_driver


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    path = tmp_path_factory.mktemp("lmdb") / "queues.mdb"
    return DriverHarness(open_driver, f"lmdb:///{path}")
