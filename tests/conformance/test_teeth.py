"""The suite catches deliberately broken drivers, says what failed, and leaves honest ones alone."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .broken import FAULTS

ROOT = Path(__file__).parents[2]

TOY = """
import pytest
from mqcore.conformance import *
from mqcore.memory import open_driver

class ToyHarness(Harness):
    def open(self, clock):
        driver = open_driver("memory://toy", clock=clock)
        self.kept = driver
        driver.queues.create = lambda queue, metadata: "surprise"
        return driver

@pytest.fixture
def harness():
    return ToyHarness()
"""


def run(folder: Path, source: str, *options: str) -> str:
    """Run a test file of somebody else, outside of the checkout; return what pytest printed."""
    (folder / "test_driver.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    result = subprocess.run(
        [*command, "--rootdir", str(folder)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str, str]]:
    """What became of every test in FAULTS on every driver: outcome, test, driver."""
    source = "from mqcore.conformance import *\nfrom tests.conformance.broken import harness\n"
    tests = [f"test_driver.py::{test}" for test in FAULTS.values()]
    output = run(tmp_path_factory.mktemp("teeth"), source, "--tb=no", "-rA", *tests)
    found = re.findall(r"^(PASSED|FAILED|ERROR) \S+?::(\S+?)\[(\w+)", output, re.MULTILINE)
    assert found, output
    return set(found)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught(fault: str, outcomes: set[tuple[str, str, str]]) -> None:
    assert ("FAILED", FAULTS[fault], fault) in outcomes


def test_an_honest_driver_fails_nothing(outcomes: set[tuple[str, str, str]]) -> None:
    assert {outcome for outcome, _, driver in outcomes if driver == "honest"} == {"PASSED"}


def test_a_failed_assert_shows_the_values(tmp_path: Path) -> None:
    output = run(tmp_path, TOY, "-k", "test_create_says_whether_the_queue_is_new")
    assert "assert 'surprise' is True" in output
