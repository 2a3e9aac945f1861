"""The suite on SQLite: bare and durable; behind core's gate and faster."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from mqcore_sql.driver import open_driver

from mqcore.checked import CheckedDriver
from mqcore.conformance import *  # noqa: F403
from mqcore.conformance import Clock, Harness
from mqcore.conformance.harness import Opener
from mqcore.contract import Driver

from .meters import SQLiteMeter


class SQLiteHarness(Harness):
    def __init__(self, path: Path, synchronous: str) -> None:
        self.path = path
        self.uri = f"sqlite:///{path}?synchronous={synchronous}"
        self.meter = SQLiteMeter()

    def open(self, clock: Clock) -> Driver:
        return open_driver(self.uri, clock=clock)

    def opener(self) -> Opener:
        return partial(open_driver, self.uri)

    def work(self, call: Callable[[], object]) -> int:
        return self.meter.steps(call)

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
) -> Iterator[SQLiteHarness]:
    path = tmp_path_factory.mktemp("sqlite") / "queues.db"
    harness = SQLiteHarness(path, "full" if request.param == "bare" else "normal")
    harness.gate = None if request.param == "bare" else CheckedDriver
    with harness.meter:
        yield harness
