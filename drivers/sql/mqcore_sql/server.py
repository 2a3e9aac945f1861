"""A handle's connections to a database server: every call is a transaction of its caller."""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from sqlalchemy import PoolProxiedConnection, QueuePool, exc

from mqcore.contract import Clock, Closed, MQError, QueueRef, Unavailable

from . import tally
from .client import Client
from .lowwater import MOST, LowWater
from .session import Session, Work
from .statements import Database
from .store import Job, Store

__all__ = ["ServerStore"]

T = TypeVar("T")

TRIES = 20
"""How often a job that others were in the way of is run, within the timeout of a statement."""
FOLD_AFTER = 200
"""After so many transactions that changed the counts of a queue, one folds what they listed."""


class ServerStore(Store):
    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._closed = False
        self._low = LowWater()
        self.waking = client.waking(self.send)
        self._written: dict[int, int] = {}
        """How many transactions changed the counts of each queue since the last folding."""
        self._folded: dict[int, int] = {}
        """The last change in each queue's list that was folded."""
        self._pool = QueuePool(
            client.connect,
            pool_size=client.pool_size,
            max_overflow=0,
            timeout=client.timeout,
            use_lifo=True,
            reset_on_return=None,
        )

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with self._translated(), self._transaction(*self._begin(self._client.read)) as db:
            yield Session(db, self._clock(), self._low)

    def write(self, job: Job[T]) -> T:
        """As a store does; run again when others were in the way."""
        deadline = time.monotonic() + self._client.timeout
        for tried in range(1, TRIES + 1):
            try:
                with self._translated():
                    outcome, changed, woken = self._attempt(job, again=tried > 1)
            except _Repeatable as error:
                if tried == TRIES or time.monotonic() > deadline:
                    raise error.reason from error.reason.__cause__
                time.sleep(random.uniform(0, 0.002) * tried)  # noqa: S311 - spreads the tries
            else:
                for queue in woken:
                    self.waking.tell(queue)
                self._fold(changed)
                return outcome
        raise AssertionError

    def send(self, statement: str, parameters: Sequence[object]) -> None:
        """Run a statement that is a transaction by itself."""
        with self._translated():
            link, _ = self._begin(statement, parameters)
            link.close()

    def close(self) -> None:
        self.waking.close()
        self._closed = True
        self._pool.dispose()

    def _attempt(self, job: Job[T], *, again: bool = False) -> tuple[T, set[int], set[QueueRef]]:
        """What the job returns, the queues whose counts it changed, and those to hint at."""
        deadline = time.monotonic() + self._client.timeout
        while True:
            link, db, fresh = self._connect()
            ended = False
            try:
                with self._transaction(link, db):
                    db.begin(self._client.write, wait=False)
                    work = Work(db, self._clock(), self._low, again=again)
                    outcome = job(work)
                    changed = work.tally.queues
                    work.flush()
                    ended = True
            except Exception as error:
                lost = self._client.is_lost(error)
                # Idle for too long, perhaps. A server that does not answer is waited for once.
                stale = lost and not (fresh or db.answered or ended)
                if stale and time.monotonic() < deadline:
                    continue
                # Unless the answer to a commit is lost, nothing was committed: all may be redone.
                if self._client.is_passing(error) or (lost and not ended):
                    reason = self._client.translate(error)
                    reason.__cause__ = error
                    raise _Repeatable(reason) from error
                raise
            return outcome, changed, work.woken

    def _fold(self, changed: set[int]) -> None:
        for queue_id in changed:
            if len(self._written) > MOST:
                self._written.clear()
                self._folded.clear()
            written = self._written.get(queue_id, 0) + 1
            if written >= FOLD_AFTER:
                self._written.pop(queue_id, None)
                try:
                    self._attempt(partial(self._fold_some, queue_id=queue_id))
                except Exception:  # noqa: S112 - it is tried again; the call itself is done
                    continue
            else:
                self._written[queue_id] = written

    def _fold_some(self, work: Work, queue_id: int) -> None:
        after = self._folded.get(queue_id, 0)
        last = tally.fold(work.db, queue_id, work.second, 2 * FOLD_AFTER, after)
        if last:
            self._folded[queue_id] = last

    @contextmanager
    def _transaction(self, link: PoolProxiedConnection, db: Database) -> Iterator[Database]:
        """Commits at the end; an exception undoes it all."""
        try:
            yield db
            db.commit()
        except BaseException as error:
            self._undo(link, error)
            raise
        finally:
            link.close()
            if self._closed:
                self._pool.dispose()

    def _connect(self) -> tuple[PoolProxiedConnection, Database, bool]:
        """A connection, and whether it is new: one that was idle may not work any more."""
        if self._closed:
            raise Closed("this driver is closed; open another one")
        link = self._pool.connect()
        fresh = "used" not in link.info
        link.info["used"] = True
        try:
            return link, self._client.database_on(link.dbapi_connection), fresh
        except BaseException:
            link.invalidate()
            raise

    def _begin(
        self, begin: str, parameters: Sequence[object] = ()
    ) -> tuple[PoolProxiedConnection, Database]:
        """A connection that works, since it has just begun a transaction."""
        deadline = time.monotonic() + self._client.timeout
        while True:
            link, db, fresh = self._connect()
            try:
                db.begin(begin, parameters)
            except BaseException as error:
                link.invalidate()
                stale = isinstance(error, Exception) and self._client.is_lost(error) and not fresh
                if not stale or time.monotonic() > deadline:
                    raise
            else:
                return link, db

    def _undo(self, link: PoolProxiedConnection, error: BaseException) -> None:
        if not isinstance(error, Exception) or self._client.is_lost(error):
            link.invalidate()  # when interrupted, replies may still be on their way
            return
        try:
            self._client.cursor(link.dbapi_connection).execute("ROLLBACK")
        except BaseException as failed:
            link.invalidate()
            if not isinstance(failed, Exception):
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (MQError, _Repeatable):
            raise
        except exc.TimeoutError as error:
            raise Unavailable(
                f"all {self._client.pool_size} connections are in use; raise pool_size in the"
                " storage URI, or send fewer requests at once"
            ) from error
        except Exception as error:
            raise self._client.translate(error) from error


class _Repeatable(Exception):
    def __init__(self, reason: MQError) -> None:
        self.reason = reason
