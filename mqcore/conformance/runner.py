"""Running the whole suite on one driver, whatever the driver does.

The tests run in a process of their own (`worker`). When a driver ends or hangs that process, the
test that ran is a failed one, and another process goes on with the next.
"""

import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from ..contract import Misconfigured
from .events import Case, Collected, Ended, Event, NotOpened, Opened, Selection, Started, Target
from .report import Report
from .rules import RULES
from .worker import OUTPUT, STACKS, TIME_TO_OPEN

__all__ = ["Watch", "run"]

Watch = Callable[[tuple[Case, ...], Ended], None]
"""Is told of every test that ended, with the list of all that were selected."""

Process = subprocess.Popen[bytes]

WORKER = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from mqcore.conformance.worker import main; main()"
)

MOMENT = 2.0
"""Seconds for a worker to end after its last event."""

GRACE = 20.0
"""Seconds that the worker has to end itself after a test that hung, and to start."""

MOST_HUNG = 3
"""After so many tests of a group that hung, the rest of the group is not run."""


Clean = Callable[[str], str]
"""Takes secrets out of a text."""


def run(
    target: Target, selection: Selection, *, narrowed: bool, watch: Watch, clean: Clean
) -> Report:
    """Run the selected tests and report. Raises Misconfigured for what the user must change.

    `narrowed` says that these are not all the tests, so that passing them does not prove all.
    """
    started = time.monotonic()
    runs = _Runs(target, selection, watch, clean)
    while runs.unfinished:
        runs.session()
    results = tuple(runs.results[number] for number in range(len(runs.cases)))
    seconds = round(time.monotonic() - started, 1)
    return Report(target.label, runs.opened, runs.cases, results, narrowed, seconds)


class _Runs:
    """The processes that run the tests, one after another, and what is known so far."""

    def __init__(self, target: Target, selection: Selection, watch: Watch, clean: Clean) -> None:
        self._target, self._selection = target, selection
        self._watch, self._clean = watch, clean
        self._current: int | None = None
        self._silent = False
        self._hung: Counter[str] = Counter()
        self.opened: Opened | NotOpened | None = None
        self.cases: tuple[Case, ...] = ()
        self.results: dict[int, Ended] = {}

    @property
    def unfinished(self) -> bool:
        if isinstance(self.opened, NotOpened):
            return False
        return self.opened is None or len(self.results) < len(self.cases)

    @property
    def _most_seconds(self) -> float:
        """What may be needed until the next event."""
        seconds = self._selection.timeout
        return seconds if self._current is not None else max(seconds, TIME_TO_OPEN)

    def session(self) -> None:
        """Run tests until all have ended, or the process has."""
        with TemporaryDirectory(prefix="mqcore-conformance-") as name:
            folder = Path(name)
            self._current = None
            task = (self._target, self._selection, frozenset(self.results), folder)
            process, receiver = _start(task)
            try:
                while (event := self._next(receiver, process)) is not None:
                    self._take(event)
            finally:
                receiver.close()
                _end(process)
            output, stacks = _read(folder / OUTPUT), _read(folder / STACKS)
        if isinstance(self.opened, NotOpened) and self.opened.misuse:
            raise Misconfigured(self.opened.seen)
        if self.unfinished or not self.cases:
            self._explain(process.returncode, output, stacks)

    def _next(self, receiver: Connection, process: Process) -> Event | None:
        """The next event; None when the process has ended, or does not go on."""
        deadline = time.monotonic() + self._most_seconds + GRACE
        while not receiver.poll(0.5):
            self._silent = time.monotonic() > deadline
            if self._silent or not (process.poll() is None or receiver.poll()):
                return None
        try:
            event: Event = receiver.recv()
        except (EOFError, ConnectionResetError):
            return None
        return event

    def _take(self, event: Event) -> None:
        if isinstance(event, NotOpened):
            self.opened = replace(event, seen=self._clean(event.seen))
        elif isinstance(event, Opened):
            self.opened = event
        elif isinstance(event, Collected):
            self.cases = event.cases
        elif isinstance(event, Started):
            self._current = event.number
        else:
            self._current = None
            self._ended(event)

    def _ended(self, result: Ended) -> None:
        seen, detail = self._clean(result.seen), self._clean(result.detail)
        result = replace(result, seen=seen, detail=detail)
        self.results[result.number] = result
        self._watch(self.cases, result)

    def _explain(self, status: int | None, output: str, stacks: str) -> None:
        """Say why the process ended before its time."""
        hung = self._silent or stacks.startswith("Timeout (")
        if hung:
            rule = RULES["waiting"]
            seen = f"it did not return within {self._most_seconds:g} seconds{_where(stacks)}"
        else:
            rule = RULES["errors"]
            seen = f"it ended the process{_how(status)}{_where(stacks)}"
        if self.opened is None:
            self.opened = NotOpened(f"while the driver was opened, {seen}", rule)
        elif isinstance(self.opened, Opened):
            if not self.cases:
                raise Misconfigured(_complaint(output) or "no test is selected by -k and --group")
            number = self._current
            if number is None:
                number = min(set(range(len(self.cases))) - set(self.results))
            self._ended(Ended(number, "failed", seen=seen, rule=rule, detail=stacks or output))
            if hung:
                self._give_up(self.cases[number].group)

    def _give_up(self, group: str) -> None:
        """Leave out the rest of a group in which too much hangs."""
        self._hung[group] += 1
        if self._hung[group] < MOST_HUNG:
            return
        reason = f"{MOST_HUNG} tests of this group hung"
        for number, case in enumerate(self.cases):
            if case.group == group and number not in self.results:
                self._ended(Ended(number, "not run", seen=reason))


def _start(task: object) -> tuple[Process, Connection]:
    """Start a worker, which leads a session of its own, and what its events come from."""
    reading, writing = os.pipe()
    process = subprocess.Popen(  # noqa: S603  # this very Python
        [sys.executable, "-c", WORKER, str(writing)],
        stdin=subprocess.PIPE,
        pass_fds=(writing,),
        start_new_session=True,
    )
    os.close(writing)
    assert process.stdin is not None
    # Not in the arguments, which others can read: the URI may hold a password.
    process.stdin.write(pickle.dumps(sys.path) + pickle.dumps(task))
    process.stdin.close()
    return process, Connection(reading, writable=False)


def _end(process: Process) -> None:
    """End the worker and what it started. It has a moment, to be gone by what its driver did."""
    try:
        process.wait(MOMENT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


def _where(stacks: str) -> str:
    """In which method of the driver a thread was, by the stacks at the end."""
    frames = re.findall(r'^  File "(.*)", line (\d+) in (\S+)$', stacks, re.MULTILINE)
    for inner, outer in pairwise(frames):
        if outer[0].endswith(os.path.join("conformance", "typed.py")) and inner[0] != outer[0]:
            return f", in {inner[2]} at {inner[0]}:{inner[1]}"
    return ""


def _how(status: int | None) -> str:
    if status is not None and status < 0:
        return f" by the signal {signal.Signals(-status).name}"
    return f" with status {status}" if status else ""


def _complaint(output: str) -> str:
    """What pytest refused to do."""
    found = re.findall(r"^(?:ERROR|E  ): *(.+)$", output, re.MULTILINE)
    return "the tests cannot be selected: " + found[0] if found else ""
