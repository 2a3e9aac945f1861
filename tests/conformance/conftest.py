"""Compares what was not run with expected_skips.toml: a difference fails the test.

A store that is not there is no difference: see `tests/conftest.py`.
"""

import os
import tomllib
from collections.abc import Generator
from pathlib import Path

import pytest

from mqcore.conformance.ledger import why_not_run

from ..backends import Missing

EXPECTED: dict[str, dict[str, str]] = tomllib.loads(
    Path(__file__).with_name("expected_skips.toml").read_text()
)

LONG = "MQCORE_TEST_LONG"
"""Set to have those run, too, that the ledger leaves out for the time that they take."""


def expected_skip(item: pytest.Item) -> str:
    """Why the ledger expects that the test is not run; empty when it expects that it is."""
    test, _, parameters = item.nodeid.partition("::")[2].partition("[")
    listed = EXPECTED.get(item.path.stem, {})
    harness = parameters.rstrip("]").partition("-")[0]
    reason = listed.get(test) or listed.get(f"{test}[{harness}]", "")
    return "" if LONG in reason and os.environ.get(LONG) else reason


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.excinfo and isinstance(call.excinfo.value, Missing):
        return report
    expected, actual = expected_skip(item), why_not_run(report)
    if (actual or (report.when == "call" and report.passed)) and actual != expected:
        report.outcome = "failed"
        report.longrepr = (
            f"expected_skips.toml says {expected or 'that this test runs'!r}, "
            f"but: {'not run, ' + actual if actual else 'it runs'}"
        )
    return report
