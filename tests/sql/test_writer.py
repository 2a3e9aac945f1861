"""The writing thread: grouping, and what becomes of each caller."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mqcore_sql import migrate
from mqcore_sql.errors import translate
from mqcore_sql.schema import graves
from mqcore_sql.session import Work
from mqcore_sql.sqlite import Settings, writer_engine
from mqcore_sql.statements import Statement
from mqcore_sql.store import Job
from mqcore_sql.writer import Writer
from sqlalchemy import select

from mqcore.conformance import Clock
from mqcore.contract import Closed, QueueNotFound, Unavailable, Waking

from .conftest import QUEUE

INSERT = Statement(graves.insert())
READ = Statement(select(graves.c.queue_id))


class Bench:
    """A writer that can be held up, so that callers gather."""

    def __init__(self, path: Path, clock: Clock) -> None:
        path.touch()
        settings = Settings(path, 5, "FULL")
        self.engine = writer_engine(settings)
        connection = migrate.connect(self.engine, settings)
        self.commits = 0
        self.before_commit: Callable[[], None] = lambda: None
        database: Any = connection.connection.dbapi_connection
        database.set_trace_callback(self._traced)
        self.writer = Writer(connection, 5, clock, lambda error: translate(error, path), Waking())
        self.pool = ThreadPoolExecutor(40)

    def _traced(self, sql: str) -> None:
        """Called before each statement is run."""
        if sql == "COMMIT":
            self.commits += 1
            self.before_commit()

    def gathered(self, jobs: list[Job[object]]) -> list["Future[object]"]:
        """Have the jobs handed in while the writer is busy, so that they wait together."""
        busy, go = threading.Event(), threading.Event()

        def hold(_work: Work) -> None:
            busy.set()
            go.wait(10)

        first = self.pool.submit(self.writer.run, hold)
        busy.wait(10)
        futures = []
        for n, job in enumerate(jobs, 1):
            futures.append(self.pool.submit(self.writer.run, job))
            while self.writer.waiting < n:
                pass
        go.set()
        first.result(10)
        return futures

    def stored(self) -> set[int]:
        def read(work: Work) -> set[int]:
            return set(work.db.column(READ, {}))

        return self.writer.run(read)


@pytest.fixture
def bench(path: Path, clock: Clock) -> Iterator[Bench]:
    bench = Bench(path, clock)
    yield bench
    bench.writer.close()
    bench.pool.shutdown()
    bench.engine.dispose()


def insert(number: int) -> Callable[[Work], int]:
    def job(work: Work) -> int:
        work.db.run(INSERT, {"queue_id": number})
        return number

    return job


def refuse(_work: Work) -> None:
    raise QueueNotFound(QUEUE)


def break_down(work: Work) -> None:
    work.db.run(INSERT, {"queue_id": 99})
    raise ZeroDivisionError


def test_callers_that_wait_together_share_one_commit(bench: Bench) -> None:
    futures = bench.gathered([insert(n) for n in range(20)])
    assert [future.result(10) for future in futures] == list(range(20))
    assert bench.commits == 2, "one for the job that held it up, one for all others"
    assert bench.stored() == set(range(20))


def test_a_refused_job_is_told_so_and_the_others_of_its_group_are_stored(bench: Bench) -> None:
    futures = bench.gathered([insert(1), refuse, insert(2)])
    assert futures[0].result(10) == 1
    with pytest.raises(QueueNotFound):
        futures[1].result(10)
    assert futures[2].result(10) == 2
    assert bench.stored() == {1, 2}


def test_a_job_that_breaks_undoes_only_itself(bench: Bench) -> None:
    futures = bench.gathered([insert(1), break_down, insert(1), insert(2)])
    assert futures[0].result(10) == 1
    with pytest.raises(ZeroDivisionError):
        futures[1].result(10)
    with pytest.raises(Unavailable, match="refused the statement"):
        futures[2].result(10)
    assert futures[3].result(10) == 2
    assert bench.stored() == {1, 2}


def test_closing_finishes_what_was_handed_in(bench: Bench) -> None:
    futures = bench.gathered([insert(n) for n in range(30)])
    bench.writer.close()
    assert [future.result(10) for future in futures] == list(range(30))
    with pytest.raises(Closed):
        bench.writer.run(insert(31))
    bench.writer.close()


def test_nobody_is_answered_before_the_commit(bench: Bench) -> None:
    answered_early: list[bool] = []
    futures: list[Future[object]] = []

    def look() -> None:
        answered_early.extend(future.done() for future in futures)

    bench.before_commit = look
    futures += bench.gathered([insert(n) for n in range(5)])
    assert [future.result(10) for future in futures] == list(range(5))
    assert not any(answered_early)


def test_a_lone_caller_runs_its_job_in_its_own_thread(bench: Bench) -> None:
    assert bench.writer.run(lambda _work: threading.current_thread()) is threading.current_thread()


def test_jobs_of_one_caller_share_a_commit_and_fail_alone(bench: Bench) -> None:
    first, refused, second = bench.writer.run_all([insert(1), refuse, insert(2)])
    assert (first, second) == (1, 2)
    assert isinstance(refused, QueueNotFound)
    assert bench.commits == 1
    clash, third = bench.writer.run_all([insert(1), insert(3)])
    assert isinstance(clash, Unavailable)
    assert third == 3
    assert bench.stored() == {1, 2, 3}
    assert bench.writer.run_all([]) == []


def test_jobs_of_one_caller_wait_for_those_before_them(bench: Bench) -> None:
    futures = bench.gathered([insert(0), insert(1)])
    several = bench.pool.submit(bench.writer.run_all, [insert(2), insert(3)])
    assert several.result(10) == [2, 3]
    assert futures[1].result(10) == 1
    assert bench.stored() == {0, 1, 2, 3}


def test_an_interrupted_job_is_undone_and_gives_its_turn_back(bench: Bench) -> None:
    def interrupt(work: Work) -> None:
        work.db.run(INSERT, {"queue_id": 99})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.writer.run(interrupt)
    assert bench.stored() == set()
    bench.writer.run(insert(1))
    assert bench.stored() == {1}


def test_closing_waits_for_a_job_that_runs_in_the_thread_of_its_caller(bench: Bench) -> None:
    (future,) = bench.gathered([insert(1)])
    busy, go = threading.Event(), threading.Event()

    def hold(work: Work) -> int:
        busy.set()
        go.wait(10)
        work.db.run(INSERT, {"queue_id": 2})
        return 2

    future.result(10)
    held = bench.pool.submit(bench.writer.run, hold)
    assert busy.wait(10)
    closing = bench.pool.submit(bench.writer.close)
    go.set()
    closing.result(10)
    assert held.result(10) == 2
