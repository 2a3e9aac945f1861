"""What the controllers ask of a handle's connections to a database."""

import abc
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from mqcore.contract import QueueRef, Waking

from .named import FIND, names, storable
from .session import Session, Work
from .statements import Statement

__all__ = ["Job", "Store", "find"]

T = TypeVar("T")

Job = Callable[[Work], T]
"""What to do in a transaction. It may raise an `MQError` only before it has written anything,
because the jobs beside it are committed all the same. It may be run again after a rollback."""

_FIND = Statement(FIND)


class Store(abc.ABC):
    """Transactions of a handle. After `close`, its methods raise Closed."""

    waking: Waking

    @abc.abstractmethod
    def reading(self) -> AbstractContextManager[Session]:
        """A transaction that sees one moment, every acknowledged call included."""

    @abc.abstractmethod
    def write(self, job: Job[T]) -> T:
        """Run the job in a transaction and return its result once that is on disk."""

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of the connections."""


def find(session: Session, queue: QueueRef) -> int | None:
    """The id of the queue, or None when there is no such queue."""
    db = session.db
    return db.value(_FIND, names(queue)) if storable(db, queue) else None
