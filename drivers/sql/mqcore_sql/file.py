"""A handle's connections to one SQLite file."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from mqcore.contract import Clock, Closed, LocalWaking, MQError, Unavailable

from . import migrate
from .errors import translate, translated
from .lowwater import LowWater
from .session import Session, Work
from .sqlite import Settings, reader_engine, writer_engine
from .statements import Database
from .store import Job, Store
from .writer import Writer

__all__ = ["SqliteStore"]

T = TypeVar("T")


class SqliteStore(Store):
    """A file: reads on pooled connections, writes through the writer."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._path = settings.path
        self._place = str(settings.path)
        self._clock = clock
        self._closed = False
        self._low = LowWater()
        self._writing = writer_engine(settings)
        self._reading = reader_engine(settings)
        connection = migrate.connect(self._writing, settings)
        self._file = self._identity()
        self.waking = LocalWaking(self._file)
        busy_timeout = settings.busy_timeout
        self._writer = Writer(connection, busy_timeout, clock, self._failed, self.waking)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        if self._closed:
            raise Closed("this driver is closed; open another one")
        self._check_place()
        with translated(self._path), self._reading.connect() as connection, connection.begin():
            cursor = connection.connection.cursor()
            yield Session(Database(connection.dialect, cursor), self._clock(), self._low)

    def write(self, job: Job[T]) -> T:
        return self._writer.run(partial(self._placed, job))

    def write_all(self, jobs: Sequence[Job[T]]) -> list[T | MQError]:
        """Run several jobs, each as `write` does, and return what each returns or raises."""
        return self._writer.run_all([partial(self._placed, job) for job in jobs])

    def close(self) -> None:
        self._closed = True
        self._writer.close()
        self.waking.close()
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
