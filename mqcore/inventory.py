"""What `mqcore drivers` prints."""

import json
from collections.abc import Sequence

from .extras import ExtraInfo, installed_extras
from .loader import DriverInfo, installed_drivers

__all__ = ["as_json", "as_text"]


def as_json() -> str:
    """The installed drivers and the extras of mqcore as one JSON object."""
    drivers = installed_drivers()
    document = {
        "drivers": [
            {
                "scheme": driver.scheme,
                "distribution": driver.distribution,
                "version": driver.version,
                "extra": driver.extra,
                "usable": driver.problem is None,
                "problem": driver.problem,
                "capabilities": driver.capabilities,
            }
            for driver in drivers
        ],
        "extras": [
            {
                "name": extra.name,
                "libraries": extra.libraries,
                "usable": extra.usable,
                "problems": extra.problems,
                "schemes": _schemes(extra, drivers),
            }
            for extra in installed_extras()
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def as_text() -> str:
    """The same for people."""
    drivers = installed_drivers()
    rows = [("SCHEME", "DISTRIBUTION", "STATE", "CAPABILITIES")]
    rows += [
        (
            driver.scheme,
            f"{driver.distribution} {driver.version}",
            "ok" if driver.problem is None else "unusable",
            _capabilities(driver),
        )
        for driver in drivers
    ]
    problems = [f"{d.scheme}: {d.problem}" for d in drivers if d.problem]
    extras = [("EXTRA", "LIBRARIES", "STATE")]
    extras += [
        (extra.name, ", ".join(extra.libraries), _state(extra, _schemes(extra, drivers)))
        for extra in installed_extras()
    ]
    lines = [*_table(rows), *problems, "", *_table(extras)]
    return "\n".join(lines) + "\n"


def _capabilities(driver: DriverInfo) -> str:
    if driver.problem is not None:
        return "-"
    if driver.capabilities is None:
        return "known after opening"
    return " ".join(driver.capabilities) or "none"


def _schemes(extra: ExtraInfo, drivers: Sequence[DriverInfo]) -> list[str]:
    """The schemes that need the extra."""
    return [d.scheme for d in drivers if d.extra == extra.name and d.distribution == "mqcore"]


def _state(extra: ExtraInfo, schemes: Sequence[str]) -> str:
    if not schemes:
        return "this version of mqcore has no driver for it"
    if extra.usable:
        return f"installed, for {', '.join(schemes)}"
    return f"{'; '.join(extra.problems)}: pip install 'mqcore[{extra.name}]'"


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
