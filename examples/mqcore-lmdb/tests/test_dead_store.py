"""The tests of a dead store need a harness that can break its backend."""

import pytest
from mqcore.conformance import DriverHarness, TestDeadStore, TestStoreThatDies
from mqcore_lmdb import open_driver


class FileHarness(DriverHarness):
    def __init__(self, path):
        super().__init__(open_driver, f"lmdb:///{path}")
        self.path = path
        self.away = path.with_suffix(".away")

    def break_backend(self):
        self.path.rename(self.away)

    def repair_backend(self):
        if self.away.exists():
            self.away.rename(self.path)


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    return FileHarness(tmp_path_factory.mktemp("lmdb") / "queues.mdb")
