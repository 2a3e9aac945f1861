"""The process that runs the tests. A driver may end it or hang it; the runner starts another."""

import faulthandler
import os
import pickle
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

import pytest

from ..contract import Capability, Clock, Driver, Misconfigured, MQError
from .events import NotOpened, Opened, Selection, Target
from .harness import Clock as TestClock
from .recorder import Recorder, Stopwatch, UriHarness
from .rules import RULES, ContractBroken
from .typed import TypedDriver

__all__ = ["OUTPUT", "STACKS", "TIME_TO_OPEN", "main"]

OUTPUT, STACKS = "output", "stacks"
"""Files in the worker's folder: what was printed, and where each thread was when a test hung."""

TIME_TO_OPEN = 60.0
"""Seconds that it may take at least to import the driver and to connect."""

KEPT = ("calls", "events", "harness", "ledger", "recorder", "rules", "shapes", "typed", "worker")
"""The modules of this package that both this process and the tests use, and that assert nothing."""

TEST_FILE = "from mqcore.conformance import *\n"


def main() -> NoReturn:
    """Read the task from standard input; send events to the file descriptor in the arguments."""
    events = Connection(int(sys.argv[1]), readable=False)
    target, selection, done, folder = pickle.load(sys.stdin.buffer)  # noqa: S301  # by the runner
    work(target, selection, done, folder, events)


def work(
    target: Target, selection: Selection, done: frozenset[int], folder: Path, events: Connection
) -> NoReturn:
    """Run the selected tests except those that are done, and send what happens. Never returns."""
    with (folder / OUTPUT).open("w") as output, (folder / STACKS).open("w") as stacks:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        faulthandler.enable(stacks)
        stopwatch = Stopwatch(selection.timeout, stacks)
        try:
            with Stopwatch(max(selection.timeout, TIME_TO_OPEN), stacks):
                opener, kept = _opened(target)
            events.send(_declared(kept))
            harnesses = {
                way: UriHarness(target, opener, local=kept.local, gated=way == "gated")
                for way in ("bare", "gated")
            }
            recorder = Recorder(harnesses, selection.groups, done, events.send, stopwatch)
            _run_pytest(folder, selection.keyword, recorder)
            kept.close()
        except _NotOpenedError as exc:
            events.send(exc.why)
        except Exception:
            traceback.print_exc(file=output)
        finally:
            sys.stdout.flush()
            output.flush()
            os._exit(0)  # threads that the driver left must not keep the process


def _run_pytest(folder: Path, keyword: str, recorder: Recorder) -> None:
    # The settings and plugins of whoever runs the command are for tests of their own.
    os.environ.pop("PYTEST_ADDOPTS", None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(folder / "hypothesis")
    test_file, settings = folder / "test_driver.py", folder / "pytest.ini"
    test_file.write_text(TEST_FILE)
    settings.write_text("[pytest]\n")
    options = ["-q", "--noconftest", "-p", "no:cacheprovider", "-p", "no:faulthandler"]
    options += ["-c", str(settings), "--rootdir", str(folder), "-k", keyword]
    _forget_the_tests()
    pytest.main([*options, str(test_file)], plugins=[recorder])


def _forget_the_tests() -> None:
    """Have them imported again: when this package was, pytest could not rewrite their asserts."""
    package = __name__.rpartition(".")[0]
    kept = {f"{package}.{name}" for name in KEPT}
    for name in [*sys.modules]:
        if name == package or (name.startswith(f"{package}.") and name not in kept):
            del sys.modules[name]


class _NotOpenedError(Exception):
    def __init__(self, why: NotOpened) -> None:
        super().__init__(why.seen)
        self.why = why


def _opened(target: Target) -> tuple[Callable[[Clock], Driver], TypedDriver]:
    """How to open handles, and one that stays open: a store may live as long as its last one."""
    try:
        opener = target.load()
        return opener, TypedDriver(opener(TestClock()))
    except (Exception, SystemExit) as exc:
        raise _NotOpenedError(_why(exc)) from exc


def _why(exc: BaseException) -> NotOpened:
    if isinstance(exc, ContractBroken):
        return NotOpened(exc.seen, exc.rule)
    if isinstance(exc, Misconfigured):
        broken = exc.code not in ("misconfigured", "bad_uri")
        return NotOpened(str(exc), RULES["entry point"] if broken else None, misuse=not broken)
    if isinstance(exc, MQError):
        return NotOpened(str(exc), None)
    abstract = isinstance(exc, TypeError) and "abstract" in str(exc)
    rule = RULES["controllers" if abstract else "opening"]
    return NotOpened(f"opening it raised {type(exc).__name__}: {exc}", rule)


def _declared(driver: Driver) -> Opened:
    names = tuple(c.name for c in Capability if c in driver.capabilities and c.name)
    return Opened(names, driver.limits.body, driver.limits.metadata)
