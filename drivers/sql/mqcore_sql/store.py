"""What the controllers ask of a handle's connections to a database."""

import abc
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from sqlalchemy import bindparam, select

from mqcore.contract import QueueRef, Waking

from .dialect import by_index
from .schema import queues
from .session import Session, Work
from .statements import Statement

__all__ = ["Job", "Store", "can_be", "find", "names"]

T = TypeVar("T")

Job = Callable[[Work], T]
"""What to do in a transaction. It may raise an `MQError` only before it has written anything,
because the jobs beside it are committed all the same. It may be run again after a rollback."""

_FIND = Statement(
    by_index(
        "queues_by_name",
        select(queues.c.id).where(
            queues.c.project == bindparam("in_project"), queues.c.name == bindparam("named")
        ),
    )
)


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


def names(queue: QueueRef) -> dict[str, str]:
    """The key of a queue as stored, under the names that statements have for it."""
    return {"in_project": queue.project or "", "named": queue.name}


def find(session: Session, queue: QueueRef) -> int | None:
    """The id of the queue, or None when there is no such queue."""
    found: int | None = session.db.value(_FIND, names(queue)) if can_be(session, queue) else None
    if found is not None:
        session.low.found(queue, found)
    return found


def can_be(session: Session, queue: QueueRef) -> bool:
    """Whether the database can hold a queue of this name; what it cannot hold, does not exist."""
    return session.db.storable(queue.name) and session.db.storable(queue.project or "")
