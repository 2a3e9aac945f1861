"""The one thread of a handle that writes.

SQLite lets one connection write at a time and a commit waits for the disk. So callers hand their
job to this thread, and it runs all that wait in one transaction: under load one commit serves
many. A caller gets its answer after the commit, never before.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection

from mqcore.contract import Clock, Closed, MQError

from .session import Work

__all__ = ["Job", "Writer"]

T = TypeVar("T")

Job = Callable[[Work], T]
"""What to do in a transaction. It may raise an `MQError` only before it has written anything,
because the jobs beside it are committed all the same. It may be run again after a rollback."""

GROUP = 64
"""The most jobs in one transaction."""


class _Order(NamedTuple):
    job: Job[Any]
    answer: "Future[Any]"


class Writer:
    """Runs jobs in its own thread. `failed` turns an exception into an error of the contract."""

    def __init__(
        self, connection: Connection, clock: Clock, failed: Callable[[Exception], MQError]
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._failed = failed
        self._orders: SimpleQueue[_Order | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="mqcore-sql-writer", daemon=True)
        self._thread.start()

    def run(self, job: Job[T]) -> T:
        """Run the job in a transaction and return what it returned, once that is committed."""
        answer: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise Closed("this driver is closed; open another one")
            self._orders.put(_Order(job, answer))
        return answer.result()

    @property
    def waiting(self) -> int:
        """How many jobs wait for the next transaction."""
        return self._orders.qsize()

    def close(self) -> None:
        """Finish what was handed in, then end the thread and the connection."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._orders.put(None)
        self._thread.join()

    def _run(self) -> None:
        while orders := self._gather():
            self._serve(orders)
        self._connection.close()

    def _gather(self) -> list[_Order]:
        """Wait for an order and take all that wait, up to a group; none at the end."""
        order = self._orders.get()
        if order is None:
            return []
        orders = [order]
        while len(orders) < GROUP:
            try:
                order = self._orders.get_nowait()
            except Empty:
                break
            if order is None:
                self._orders.put(None)
                break
            orders.append(order)
        return orders

    def _serve(self, orders: list[_Order]) -> None:
        try:
            outcomes = self._commit(orders)
        except _NoTransaction as refusal:
            self._fail(orders, refusal.reason)
        except Exception as error:
            if len(orders) == 1:
                self._fail(orders, error)
            else:
                for order in orders:
                    self._serve([order])
        else:
            for order, (result, refused) in zip(orders, outcomes, strict=True):
                if refused:
                    order.answer.set_exception(refused)
                else:
                    order.answer.set_result(result)

    def _commit(self, orders: list[_Order]) -> list[tuple[Any, MQError | None]]:
        """Run the jobs in one transaction; all exceptions but those of the contract undo it."""
        try:
            transaction = self._connection.begin()
        except Exception as error:
            self._connection.rollback()
            raise _NoTransaction(error) from error
        with transaction:
            work = Work(self._connection, self._clock())
            outcomes: list[tuple[Any, MQError | None]] = []
            for order in orders:
                try:
                    outcomes.append((order.job(work), None))
                except MQError as refused:
                    outcomes.append((None, refused))
            work.flush()
        return outcomes

    def _fail(self, orders: list[_Order], error: Exception) -> None:
        for order in orders:
            try:
                reason: Exception = self._failed(error)
                reason.__cause__ = error
            except Exception as unknown:
                reason = unknown
            order.answer.set_exception(reason)


class _NoTransaction(Exception):
    """The transaction could not begin, so trying the jobs one by one would be no better."""

    def __init__(self, reason: Exception) -> None:
        self.reason = reason
