"""The plugin of pytest in the worker: gives the tests their harness, and tells what happens."""

import faulthandler
import re
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from functools import partial
from typing import Any, TextIO

import pytest

from ..contract import Capability, Driver
from ..contract import Clock as TimeNow
from .events import Case, Collected, Ended, Event, Started, Target
from .harness import Clock, Harness, Opener
from .ledger import MARK
from .rules import ContractBroken

__all__ = ["Recorder", "Stopwatch", "UriHarness"]

LONGEST = 400
"""Characters of what a failed test saw."""


class UriHarness(Harness):
    """Opens the driver as its entry point does."""

    def __init__(
        self, target: Target, open_handle: Callable[[TimeNow], Driver], *, local: bool, gated: bool
    ) -> None:
        self._load, self._open = target.load, open_handle
        self._local = local
        self.gate = target.gate if gated else None

    def open(self, clock: Clock) -> Driver:
        return self._open(clock)

    def opener(self) -> Opener | None:
        return None if self._local else partial(_open_elsewhere, self._load)


def _open_elsewhere(load: Callable[[], Callable[[TimeNow], Driver]], *, clock: Clock) -> Driver:
    return load()(clock)


class Stopwatch:
    """Ends the process when the block takes too long; `stacks` then says where every thread was."""

    def __init__(self, seconds: float, stacks: TextIO) -> None:
        self._seconds, self._stacks = seconds, stacks

    def __enter__(self) -> None:
        faulthandler.dump_traceback_later(self._seconds, exit=True, file=self._stacks)

    def __exit__(self, *_: object) -> None:
        faulthandler.cancel_dump_traceback_later()


class Recorder:
    """Runs the tests of these groups, except those whose numbers are done."""

    def __init__(
        self,
        harnesses: Mapping[str, Harness],
        groups: Collection[str],
        done: Collection[int],
        send: Callable[[Event], None],
        stopwatch: Stopwatch,
    ) -> None:
        self._harnesses, self._groups, self._done = harnesses, groups, done
        self._send, self._stopwatch = send, stopwatch
        self._numbers: dict[pytest.Item, int] = {}
        self._result: dict[str, Any] = {}

    @pytest.fixture(params=["bare", "gated"])
    def harness(self, request: pytest.FixtureRequest) -> Harness:
        return self._harnesses[request.param]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if _group(item) in self._groups]
        self._numbers = {item: number for number, item in enumerate(items)}
        self._send(Collected(tuple(map(_case, items))))
        items[:] = [item for item in items if self._numbers[item] not in self._done]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        number = self._numbers[item]
        self._result = {"outcome": "passed"}
        self._send(Started(number))
        started = time.perf_counter()
        with self._stopwatch:
            answer = yield
        seconds = round(time.perf_counter() - started, 4)
        self._send(Ended(number, seconds=seconds, **self._result))
        return answer

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.failed and self._result["outcome"] != "failed":
            self._result = _failure(report, call)
        elif report.skipped:
            self._result = {"outcome": "not run", "seen": _reason(report)}
        return report


def _group(item: pytest.Item) -> str:
    return str(item.cls.__module__).rpartition(".")[2]  # type: ignore[attr-defined]


def _case(item: pytest.Item) -> Case:
    function = item.function  # type: ignore[attr-defined]
    call: Any = item.callspec  # type: ignore[attr-defined]
    way: str = call.params["harness"]
    conditions: Sequence[tuple[Capability, bool]] = getattr(function, "conditions", ())
    limit, beyond = getattr(function, "limit", (None, False))
    return Case(
        test=f"{item.cls.__name__}::{function.__name__}",  # type: ignore[attr-defined]
        group=_group(item),
        way=way,
        parameters=_without(call.id, way),
        behaviours=tuple(re.findall(r"B-\d{3}", function.__doc__ or "")),
        capabilities=tuple(str(c.name) for c, declared in conditions if declared),
        refusals=tuple(str(c.name) for c, declared in conditions if not declared),
        limit=limit,
        beyond=beyond,
    )


def _without(parameters: str, way: str) -> str:
    """The id of a test's parameters, apart from the way."""
    if parameters == way:
        return ""
    return parameters.removeprefix(f"{way}-").removesuffix(f"-{way}")


def _reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ").removeprefix(MARK)


def _failure(report: pytest.TestReport, call: pytest.CallInfo[None]) -> dict[str, Any]:
    error = call.excinfo.value if call.excinfo else None
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else report.longreprtext
    rule = None
    if isinstance(error, ContractBroken):
        text, rule = error.seen, error.rule
    seen = next(iter(text.splitlines()), "").removeprefix("AssertionError: ")[:LONGEST]
    phase = {"setup": "while it was arranged: ", "teardown": "while it was tidied up: "}
    return {
        "outcome": "failed",
        "seen": phase.get(report.when or "", "") + seen,
        "rule": rule,
        "where": f"{crash.path}:{crash.lineno}" if crash else "",
        "detail": report.longreprtext,
    }
