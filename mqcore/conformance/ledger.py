"""The ledger: which tests were not run, and why, printed at the end of the run."""

from collections import Counter
from typing import NoReturn

import pytest

__all__ = ["Ledger", "not_run", "why_not_run"]

MARK = "not run: "


def not_run(reason: str) -> NoReturn:
    """End the test as one that does not apply to this driver."""
    pytest.skip(MARK + reason)


def why_not_run(report: pytest.TestReport) -> str:
    """The reason given to `not_run`; empty when the test ran, or somebody else skipped it."""
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return ""
    return report.longrepr[2].partition(MARK)[2]


class Ledger:
    """A plugin for pytest, which the suite registers when its first test starts."""

    name = "mqcore-conformance-ledger"

    @classmethod
    def start(cls, config: pytest.Config) -> None:
        if not config.pluginmanager.has_plugin(cls.name):
            config.pluginmanager.register(cls(), cls.name)

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        reports = [r for r in terminalreporter.getreports("skipped") if why_not_run(r)]
        terminalreporter.section(f"mqcore conformance: {len(reports)} tests not run")
        lines = Counter((r.nodeid.partition("[")[0], why_not_run(r)) for r in reports)
        for (test, reason), count in lines.items():
            terminalreporter.write_line(f"{test}: {reason}" + (f" ({count}x)" * (count > 1)))
