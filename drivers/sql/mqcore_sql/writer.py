"""Writing: one transaction at a time in a handle.

SQLite lets one connection write at a time and a commit waits for the disk. So a caller that finds
the connection idle runs its job at once, in its own thread; what others hand in meanwhile waits
for a thread of the writer, which runs all that wait in one transaction: under load one commit
serves many. A caller gets its answer after the commit, never before.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection

from mqcore.contract import Clock, Closed, MQError, Waking

from .errors import is_conflict
from .lowwater import LowWater
from .session import Work
from .sqlite import begin_writing
from .statements import Database
from .store import Job

__all__ = ["Writer"]

T = TypeVar("T")

GROUP = 64
"""The most jobs that the thread takes into one transaction."""


Outcome = tuple[Any, Exception | None]
"""What a job returned, and what it raised or its transaction did."""


class _Order:
    """A job that waits, and its outcome once `done` is free."""

    __slots__ = ("done", "job", "outcome")

    def __init__(self, job: Job[Any]) -> None:
        self.job = job
        self.outcome: Outcome = None, None
        self.done = threading.Lock()
        self.done.acquire()


class Writer:
    """Runs jobs, each in a transaction. `failed` turns an exception into one of the contract.

    It talks to the connection of sqlite3 itself: SQLAlchemy's transactions take a tenth of a post.
    """

    def __init__(
        self,
        connection: Connection,
        busy_timeout: float,
        clock: Clock,
        failed: Callable[[Exception], MQError],
        waking: Waking,
    ) -> None:
        self._connection = connection
        self._cursor = connection.connection.cursor()
        self._db = Database(connection.dialect, self._cursor)
        self._busy_timeout = busy_timeout
        self._clock = clock
        self._low = LowWater()
        self._failed = failed
        self._waking = waking
        self._orders: deque[_Order] = deque()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._busy = False
        """Whether a thread uses the connection."""
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="mqcore-sql-writer", daemon=True)
        self._thread.start()

    def run(self, job: Job[T]) -> T:
        """Run the job in a transaction and return what it returned, once that is committed."""
        ((result, error),) = self._have_run([job])
        try:
            if error is not None:
                raise error
            done: T = result
            return done
        finally:
            error = None  # or it would hold this frame, which holds it

    def run_all(self, jobs: Sequence[Job[T]]) -> list[T | MQError]:
        """Run the jobs, together where that can be; return what each returned or raised.

        Raises what is not an MQError, and Unavailable, as each job by itself would.
        """
        outcomes: list[T | MQError] = []
        for result, error in self._have_run(jobs):
            if error is not None and not isinstance(error, MQError):
                raise error
            outcomes.append(error or result)
        return outcomes

    def _have_run(self, jobs: Sequence[Job[Any]]) -> list[Outcome]:
        """Have the jobs run: at once by the caller when nobody else is at it."""
        with self._lock:
            if self._closed:
                raise Closed("this driver is closed; open another one")
            at_once = not self._busy and not self._orders
            if at_once:
                self._busy = True
            else:
                orders = [_Order(job) for job in jobs]
                self._orders.extend(orders)
        if at_once:
            return self._take_turn(jobs)
        for order in orders:
            order.done.acquire()
        return [order.outcome for order in orders]

    @property
    def waiting(self) -> int:
        """How many jobs wait for the next transaction."""
        return len(self._orders)

    def close(self) -> None:
        """Finish what was handed in, then end the thread and the connection."""
        with self._lock:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while orders := self._gather():
            outcomes = self._take_turn([order.job for order in orders])
            for order, outcome in zip(orders, outcomes, strict=True):
                order.outcome = outcome
                order.done.release()
        self._connection.close()

    def _gather(self) -> list[_Order]:
        """Wait for a turn and for orders, and take them all, up to a group; none at the end."""
        with self._lock:
            while self._busy or not (self._orders or self._closed):
                self._changed.wait()
            orders = [self._orders.popleft() for _ in range(min(GROUP, len(self._orders)))]
            self._busy = bool(orders)
            return orders

    def _take_turn(self, jobs: Sequence[Job[Any]]) -> list[Outcome]:
        try:
            return self._serve(jobs)
        finally:
            with self._lock:
                self._busy = False
                if self._orders or self._closed:
                    self._changed.notify()

    def _serve(self, jobs: Sequence[Job[Any]], *, again: bool = False) -> list[Outcome]:
        """The outcome of each job."""
        try:
            return self._commit(jobs, again=again)
        except _NoTransaction as refusal:
            return [(None, self._failure(refusal.reason)) for _ in jobs]
        except Exception as error:
            if len(jobs) > 1:
                return [self._serve([job])[0] for job in jobs]
            if is_conflict(error) and not again:
                return self._serve(jobs, again=True)
            return [(None, self._failure(error))]

    def _commit(self, jobs: Sequence[Job[Any]], *, again: bool) -> list[Outcome]:
        """Run the jobs in one transaction; all exceptions but those of the contract undo it."""
        try:
            begin_writing(self._cursor, self._busy_timeout)
        except Exception as error:
            raise _NoTransaction(error) from error
        try:
            work = Work(self._db, self._clock(), self._low, again=again)
            outcomes: list[Outcome] = []
            for job in jobs:
                try:
                    outcomes.append((job(work), None))
                except MQError as refused:
                    outcomes.append((None, refused.with_traceback(None)))
            work.flush()
            self._cursor.execute("COMMIT")
        except BaseException:
            # Of the connection, since SQLite may have ended the transaction by itself.
            self._cursor.connection.rollback()
            raise
        for queue in work.woken:
            self._waking.tell(queue)
        return outcomes

    def _failure(self, error: Exception) -> Exception:
        """What to raise for it."""
        try:
            reason: Exception = self._failed(error)
            reason.__cause__ = error
        except Exception as unknown:
            reason = unknown
        return reason


class _NoTransaction(Exception):
    """The transaction could not begin, so trying the jobs one by one would be no better."""

    def __init__(self, reason: Exception) -> None:
        self.reason = reason
