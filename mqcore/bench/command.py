"""The command `mqcore bench`, without its command line: measure, show, keep, draw."""

import importlib.util
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from ..contract import Misconfigured, MQError, StoreUri
from ..loader import bare_opener
from . import driver, growth, memory, merging, server, wrk
from .plan import Plan
from .progress import Progress
from .results import NotRun, Report, Row
from .table import as_text

__all__ = ["bench", "check"]

LOADED = ("server", "merging", "memory")
OPERATIONS = frozenset(
    (
        *(*driver.BY_BATCH, *driver.ALONE),
        *growth.OPERATIONS,
        *server.OPERATIONS,
        *("ping", "through", "idle"),
    )
)
EXTRA = "run: pip install 'mqcore[bench]'"


def bench(plan: Plan, *, json_file: str | None = None, plots: str | None = None) -> int:
    """Measure as planned and print the tables. Returns 0, or 1 when a part has failed.

    Raises Misconfigured when nothing can be measured as asked.
    """
    check(plan, json_file, plots)
    report = Report(str(StoreUri(plan.uri)), plan, datetime.now(UTC).isoformat(timespec="seconds"))
    start = time.monotonic()
    with Progress(sys.stderr) as progress, _ending():
        able = _able(plan, plots, report, progress)
        for section in able:
            _measure(section, plan, report, progress)
    report.seconds = time.monotonic() - start
    sys.stdout.write(as_text(report))
    sys.stdout.flush()
    if json_file is not None:
        Path(json_file).write_text(json.dumps(report.as_json(), indent=1) + "\n", encoding="utf-8")
    if plots is not None and _there("matplotlib"):
        from .plots import draw  # an extra

        draw(report, Path(plots))
    return 1 if report.failed else 0


def check(plan: Plan, json_file: str | None, plots: str | None) -> None:
    """Refuse what would end in disappointment, rather now than after all measurements."""
    wrong = [name for name in plan.operations if name not in OPERATIONS]
    if wrong:
        known = ", ".join(sorted(OPERATIONS))
        raise Misconfigured(f"--operation {wrong[0]!r} is none of {known}")
    bare_opener(plan.uri)  # only finds the driver
    if set(plan.sections) <= set(LOADED) and not wrk.installed():
        raise Misconfigured(wrk.MISSING)
    if plan.sections == ("memory",) and not _there("psutil"):
        raise Misconfigured(f"memory is read with the Python library psutil; {EXTRA}")
    try:
        if json_file is not None:
            with Path(json_file).open("a", encoding="utf-8"):
                pass
        if plots is not None:
            Path(plots).mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        option = "--json" if exc.filename == json_file else "--plots"
        raise Misconfigured(f"{option} {exc.filename!r} cannot be written: {exc.strerror}") from exc


def _able(plan: Plan, plots: str | None, report: Report, progress: Progress) -> tuple[str, ...]:
    """The parts that can be measured here. What cannot is said at once, one line for each cause."""
    lacking: dict[str, tuple[str, ...]] = {}
    if not wrk.installed():
        lacking[wrk.MISSING] = LOADED
    elif not _there("psutil"):
        lacking[f"the Python library psutil is not installed; {EXTRA}"] = ("memory",)
    if plots is not None and not _there("matplotlib"):
        lacking[f"the Python library matplotlib is not installed; {EXTRA}"] = ("plots",)
    asked = (*plan.sections, "plots")
    missing = set()
    for reason, parts in lacking.items():
        without = [part for part in parts if part in asked]
        if without:
            progress.say(f"mqcore: {reason}; without it, not measured: {', '.join(without)}")
        report.not_run += [NotRun(part, reason) for part in without]
        missing |= set(without)
    return tuple(section for section in plan.sections if section not in missing)


def _there(library: str) -> bool:
    try:
        return importlib.util.find_spec(library) is not None
    except ValueError:
        return False


def _measure(section: str, plan: Plan, report: Report, progress: Progress) -> None:
    """Add the rows of a part. One that fails leaves the others standing."""
    parts: dict[str, Callable[[Plan, Progress], list[Row]]] = {
        "driver": driver.measure,
        "growth": growth.measure,
        "server": server.measure,
        "merging": merging.measure,
        "memory": lambda plan, progress: memory.measure(plan, progress, report.not_run),
    }
    try:
        report.rows += parts[section](plan, progress)
    except Misconfigured:
        raise
    except MQError as exc:
        reason = " ".join(str(exc).split())
        progress.say(f"mqcore: {section}: {reason}")
        report.not_run.append(NotRun(section, reason, failed=True))


@contextmanager
def _ending() -> Iterator[None]:
    """End on SIGTERM as on Ctrl-C, so that no server is left behind."""

    def stop(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
