"""The suite catches deliberately broken drivers, says what failed, and leaves honest ones alone."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .broken import FAULTS

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]

TOY = """
import pytest
from mqcore.conformance import *
from mqcore.memory import open_driver

class ToyHarness(Harness):
    def open(self, clock):
        driver = open_driver("memory://toy", clock=clock)
        self.kept = driver
        driver.queues.create = lambda queue, metadata: metadata is None
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
        env={**os.environ, "PYTHONPATH": str(ROOT), "MQCORE_CONFORMANCE_MESSAGES": "10000"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest printed of the tests in FAULTS."""
    source = "from mqcore.conformance import *\nfrom tests.conformance.broken import harness\n"
    plugin = "from tests.conformance.broken import pytest_collection_modifyitems\n"
    tests = [f"test_driver.py::{test}" for test in FAULTS.values()]
    folder = tmp_path_factory.mktemp("teeth")
    (folder / "conftest.py").write_text(plugin)
    return run(folder, source, "--tb=line", "-rA", *tests)


@pytest.fixture(scope="module")
def outcomes(printed: str) -> set[tuple[str, str, str]]:
    """What became of them: outcome, test, driver."""
    found = re.findall(r"^(PASSED|FAILED|ERROR) \S+?::(\S+?)\[(\w+)", printed, re.MULTILINE)
    assert found, printed
    return set(found)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught(fault: str, outcomes: set[tuple[str, str, str]]) -> None:
    assert ("FAILED", FAULTS[fault], fault) in outcomes


def test_no_fault_is_a_slip_of_ours(printed: str) -> None:
    assert not re.findall(r".*\b(?:Attribute|Name|Type)Error\b.*", printed)


def test_an_honest_driver_fails_nothing(outcomes: set[tuple[str, str, str]]) -> None:
    honest = {(outcome, test) for outcome, test, driver in outcomes if driver == "honest"}
    not_for_memory = {FAULTS["LimitIgnored"], FAULTS["NotDurable"], FAULTS["DelayIgnored"]}
    assert honest == {("PASSED", test) for test in set(FAULTS.values()) - not_for_memory}


def test_a_failed_assert_shows_the_values(tmp_path: Path) -> None:
    output = run(tmp_path, TOY, "-k", "test_create_says_whether_the_queue_is_new")
    assert "assert False is True" in output


def test_random_calls_are_not_run_without_hypothesis(tmp_path: Path) -> None:
    missing = "import sys\nsys.modules['hypothesis'] = None\n"
    output = run(tmp_path, missing + TOY, "-k", "TestStateMachine", "-p", "no:hypothesispytest")
    assert "2 skipped" in output
    assert output.count("Hypothesis is not installed (pip install hypothesis)") == 2
