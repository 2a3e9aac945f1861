"""The command `mqcore conformance`, without its command line: run, show, report."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ..contract import Misconfigured
from . import GROUPS
from .events import Selection, Target
from .progress import Progress
from .runner import Clean, run
from .text import as_text

__all__ = ["certify"]


def certify(
    target: Target,
    *,
    clean: Clean,
    groups: Sequence[str] = (),
    keyword: str = "",
    timeout: float = 60,
    json_file: str | None = None,
) -> int:
    """Run the suite, or the part of it that is selected, on the driver; print the report.

    Progress goes to standard error. Returns 0 when all holds, else 1; raises Misconfigured when
    nothing can be run as asked.
    """
    unknown = sorted(set(groups) - set(GROUPS))
    if unknown:
        raise Misconfigured(f"--group {unknown[0]!r} is none of {', '.join(GROUPS)}")
    if json_file is not None:
        _try_to_write(json_file)
    report = run(
        target,
        Selection(tuple(groups) or GROUPS, keyword, timeout),
        narrowed=bool(groups or keyword),
        watch=Progress(sys.stderr),
        clean=clean,
    )
    sys.stdout.write(as_text(report))
    if json_file is not None:
        Path(json_file).write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    return 0 if report.holds else 1


def _try_to_write(path: str) -> None:
    """Rather now than after all tests."""
    try:
        with Path(path).open("a", encoding="utf-8"):
            return
    except OSError as exc:
        raise Misconfigured(f"--json {path!r} cannot be written: {exc.strerror}") from exc
