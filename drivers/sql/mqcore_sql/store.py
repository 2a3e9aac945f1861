"""One handle's connections to one database file."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from sqlalchemy import bindparam, select

from mqcore.contract import Clock, Closed, MQError, QueueRef, Unavailable

from . import dialect, migrate
from .errors import translate, translated
from .schema import queues
from .session import Session, Work
from .statements import Statement
from .writer import Job, Writer

__all__ = ["Store", "find", "names"]

T = TypeVar("T")

_FIND = Statement(
    select(queues.c.id).where(
        queues.c.project == bindparam("in_project"), queues.c.name == bindparam("named")
    )
)


class Store:
    """Reads on pooled connections, writes through the writer."""

    def __init__(self, settings: dialect.Settings, clock: Clock) -> None:
        self._path = settings.path
        self._place = str(settings.path)
        self._clock = clock
        self._closed = False
        self._writing = dialect.writer_engine(settings)
        self._reading = dialect.reader_engine(settings)
        connection = migrate.connect(self._writing, settings)
        self._file = self._identity()
        self._writer = Writer(connection, clock, self._failed)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that sees one moment, every acknowledged call included."""
        if self._closed:
            raise Closed("this driver is closed; open another one")
        self._check_place()
        with translated(self._path), self._reading.connect() as connection, connection.begin():
            yield Session(connection, self._clock())

    def write(self, job: Job[T]) -> T:
        """Run the job in a transaction and return its result once that is on disk."""
        return self._writer.run(partial(self._placed, job))

    def write_all(self, jobs: Sequence[Job[T]]) -> list[T | MQError]:
        """Run several jobs, each as `write` does, and return what each returns or raises."""
        return self._writer.run_all([partial(self._placed, job) for job in jobs])

    def close(self) -> None:
        self._closed = True
        self._writer.close()
        self._writing.dispose()
        self._reading.dispose()

    def _placed(self, job: Job[T], work: Work) -> T:
        self._check_place()
        return job(work)

    def _check_place(self) -> None:
        """A file that was removed or replaced still takes writes, and they would be lost."""
        if self._identity() != self._file:
            raise Unavailable(
                f"the database {self._path} was removed or replaced while in use;"
                " put the file back, or restart to use the new one"
            )

    def _identity(self) -> tuple[int, int]:
        try:
            status = os.stat(self._place)
        except OSError as error:
            raise Unavailable(f"the database {self._path} cannot be found any more") from error
        return status.st_dev, status.st_ino

    def _failed(self, error: Exception) -> MQError:
        return translate(error, self._path)


def names(queue: QueueRef) -> dict[str, str]:
    """The key of a queue as stored, under the names that statements have for it."""
    return {"in_project": queue.project or "", "named": queue.name}


def find(session: Session, queue: QueueRef) -> int | None:
    """The id of the queue, or None when there is no such queue."""
    found: int | None = session.db.value(_FIND, names(queue))
    return found
