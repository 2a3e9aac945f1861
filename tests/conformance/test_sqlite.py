"""The suite on SQLite, bare and behind core's gate."""

from pathlib import Path

import pytest
from mqcore_sql.driver import open_driver

from mqcore.checked import CheckedDriver
from mqcore.conformance import *  # noqa: F403
from mqcore.conformance import Clock, Harness
from mqcore.contract import Driver


class SQLiteHarness(Harness):
    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, clock: Clock) -> Driver:
        return open_driver(f"sqlite:///{self.path}", clock=clock)

    @property
    def away(self) -> Path:
        return self.path.with_suffix(".away")

    def break_backend(self) -> None:
        self.path.rename(self.away)

    def repair_backend(self) -> None:
        if self.away.exists():
            self.away.rename(self.path)


@pytest.fixture(scope="module", params=["bare", "checked"])
def harness(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> SQLiteHarness:
    harness = SQLiteHarness(tmp_path_factory.mktemp("sqlite") / "queues.db")
    harness.gate = CheckedDriver if request.param == "checked" else None
    return harness
