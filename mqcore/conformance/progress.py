"""What a run shows while it goes on: a line for each group of tests."""

from collections import Counter
from typing import TextIO

from .events import Case, Ended
from .report import outcome

__all__ = ["Progress"]

BAR = 24


class Progress:
    """Writes a line when a group is done; on a terminal it grows a bar meanwhile."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._terminal = output.isatty()
        self._groups: dict[str, Counter[str]] = {}

    def __call__(self, cases: tuple[Case, ...], result: Ended) -> None:
        case = cases[result.number]
        counts = self._groups.setdefault(case.group, Counter())
        counts[outcome(case, result)] += 1
        all_of_group = sum(each.group == case.group for each in cases)
        done = counts.total()
        if self._terminal:
            filled = BAR * done // all_of_group
            bar = "#" * filled + "." * (BAR - filled)
            self._output.write(f"\r{case.group:<14} [{bar}] {done}/{all_of_group}{_bad(counts)}")
        if done == all_of_group:
            text = "" if self._terminal else f"{case.group}: {done} runs{_bad(counts)}"
            self._output.write(f"{text}\n")
        self._output.flush()


def _bad(counts: Counter[str]) -> str:
    return f", {counts['failed']} failed" if counts["failed"] else ""
