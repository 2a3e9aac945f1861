"""What a run finds: rows with medians and ratios, and what could not be measured."""

import json
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..contract import MQError
from .plan import Plan

__all__ = ["NotMeasured", "NotRun", "Report", "Row", "Spread", "medians", "write_rows"]


class NotMeasured(MQError):
    """What was to be measured did something else than it should."""

    code = "not_measured"


@dataclass(frozen=True, slots=True)
class Spread:
    """The median, both quartiles and both ends of the ratios over all rounds."""

    median: float
    least: float
    lower: float
    upper: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        lower, median, upper = (
            statistics.quantiles(values, n=4, method="inclusive")
            if len(values) > 1
            else [values[0]] * 3
        )
        return cls(median, min(values), lower, upper, max(values))


@dataclass(frozen=True, slots=True)
class Row:
    """One measured thing.

    `figures` are medians over the rounds. `ratios` has one value a round: `ratio_of` of this
    thing divided by that of `against`, both measured in the same round.
    """

    section: str
    operation: str
    setting: Mapping[str, int | str]
    figures: Mapping[str, float]
    ratio_of: str
    against: str
    ratios: Sequence[float]

    @property
    def spread(self) -> Spread:
        return Spread.of(self.ratios)

    def as_json(self) -> dict[str, Any]:
        return {
            "section": self.section,
            "operation": self.operation,
            "setting": dict(self.setting),
            "figures": {key: _rounded(value) for key, value in self.figures.items()},
            "ratio_of": self.ratio_of,
            "against": self.against,
            "ratio": {key: _rounded(value) for key, value in asdict(self.spread).items()},
            "ratios": [_rounded(value) for value in self.ratios],
        }


@dataclass(frozen=True, slots=True)
class NotRun:
    """A part that was asked for and not measured, or not as asked; `failed` is a fault."""

    part: str
    reason: str
    failed: bool = False


@dataclass(slots=True)
class Report:
    """A whole run. `store` is its URI without password and options."""

    store: str
    plan: Plan
    started: str
    seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)
    not_run: list[NotRun] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(each.failed for each in self.not_run)

    def as_json(self) -> dict[str, Any]:
        options = asdict(self.plan)
        del options["uri"]  # it may hold a password
        return {
            "mqcore": version("mqcore"),
            "store": self.store,
            "started": self.started,
            "seconds": round(self.seconds, 1),
            "machine": {
                "python": platform.python_version(),
                "system": platform.platform(),
                "processors": os.cpu_count(),
            },
            "options": options,
            "rows": [row.as_json() for row in self.rows],
            "not_run": [asdict(each) for each in self.not_run],
        }


def write_rows(rows: Sequence[Row], json_file: str | None) -> None:
    """Write rows alone to the file, if one is named."""
    if json_file:
        text = json.dumps({"rows": [row.as_json() for row in rows]}, indent=1)
        Path(json_file).write_text(text + "\n", encoding="utf-8")


def medians(samples: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The median of each figure over the rounds."""
    found: dict[str, list[float]] = {}
    for sample in samples:
        for name, value in sample.items():
            found.setdefault(name, []).append(value)
    return {name: statistics.median(values) for name, values in found.items()}


def _rounded(value: float) -> float:
    """Enough digits for any use, and no more."""
    return float(f"{value:.5g}")
