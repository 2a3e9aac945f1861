"""Several processes on one file, and one that is killed."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from mqcore_sql.driver import open_driver

from . import worker
from .conftest import new
from .worker import QUEUE


class Processes:
    """Worker processes that begin at the same moment."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[str]] = []

    def start(self, n: int, job: str, path: Path) -> list[subprocess.Popen[str]]:
        command = [sys.executable, worker.__file__, job, str(path)]
        self.started = [
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
            )
            for _ in range(n)
        ]
        for process in self.started:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in self.started:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        return self.started

    def outputs(self, n: int, job: str, path: Path) -> list[str]:
        """What each of them printed, when all have ended well."""
        processes = self.start(n, job, path)
        outputs = [process.communicate(timeout=60)[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * n
        return outputs


@pytest.fixture
def processes() -> Iterator[Processes]:
    processes = Processes()
    yield processes
    for process in processes.started:
        process.kill()
        process.communicate()


def test_processes_that_open_a_new_file_at_once(path: Path, processes: Processes) -> None:
    outputs = processes.outputs(4, "create", path)
    assert sorted(outputs) == ["created\n", "found\n", "found\n", "found\n"]


def test_processes_that_claim_at_once_share_nothing(path: Path, processes: Processes) -> None:
    with closing(open_driver(f"sqlite:///{path}", clock=time.time)) as driver:
        driver.queues.create(QUEUE, {})
        posted = [each for _ in range(20) for each in driver.messages.post(QUEUE, new(50))]
    claimed = [output.split() for output in processes.outputs(2, "claim", path)]
    assert sorted(claimed[0] + claimed[1]) == posted
    with closing(open_driver(f"sqlite:///{path}", clock=time.time)) as driver:
        assert driver.queues.stats(QUEUE).claimed == 1000


def test_a_killed_process_has_lost_nothing_that_it_acknowledged(
    path: Path, processes: Processes
) -> None:
    (process,) = processes.start(1, "post", path)
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(200)]
    process.kill()
    lines += process.stdout.readlines()
    whole = [line for line in lines if line.endswith("\n")]
    acknowledged = {each for line in whole for each in line.split()}
    with closing(open_driver(f"sqlite:///{path}", clock=time.time)) as driver:
        stored = [each.id for each in driver.messages.list(QUEUE, limit=100_000).items]
        assert acknowledged <= set(stored)
        assert driver.queues.stats(QUEUE).free == len(stored)
        assert len(stored) % 3 == 0, "a batch is stored whole or not at all"
