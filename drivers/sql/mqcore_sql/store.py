"""What the controllers ask of a handle's connections to a database."""

import abc
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from sqlalchemy import select

from mqcore.contract import MetadataConflict, QueueNotFound, QueueRef, Waking

from .dialect import by_index
from .named import FIND, NAMED, names, storable
from .schema import queues
from .session import Session, Work
from .statements import Statement

__all__ = ["Job", "Store", "check_version", "find", "to_version", "version_of"]

T = TypeVar("T")

Job = Callable[[Work], T]
"""What to do in a transaction. It may raise an `MQError` only before it has written anything,
because the jobs beside it are committed all the same. It may be run again after a rollback."""

_FIND = Statement(FIND)
_VERSION = Statement(by_index("queues_by_name", select(queues.c.version).where(*NAMED)))


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


def version_of(session: Session, queue: QueueRef) -> int:
    """That of its metadata. Raises QueueNotFound."""
    version: int | None = session.db.value(_VERSION, names(queue))
    if version is None:
        raise QueueNotFound(queue)
    return version


def check_version(queue: QueueRef, version: int) -> None:
    """Raises MetadataConflict when the reference is to another version than this one."""
    if queue.if_version is not None and to_version(queue.if_version) != version:
        raise MetadataConflict(queue)


def to_version(text: str) -> int:
    """As stored; -1, which none has, when it is nonsense."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
