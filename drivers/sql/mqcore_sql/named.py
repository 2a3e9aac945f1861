"""A queue by its name, in statements."""

from sqlalchemy import bindparam, select

from mqcore.contract import QueueRef

from .dialect import by_index
from .schema import queues
from .statements import Database

__all__ = ["FIND", "NAMED", "names", "storable"]

NAMED = (queues.c.project == bindparam("in_project"), queues.c.name == bindparam("named"))
FIND = by_index("queues_by_name", select(queues.c.id).where(*NAMED))


def names(queue: QueueRef) -> dict[str, str]:
    """The key of a queue as stored, under the names that statements have for it."""
    return {"in_project": queue.project or "", "named": queue.name}


def storable(db: Database, queue: QueueRef) -> bool:
    """Whether the database can hold a queue of this name; what it cannot hold, does not exist."""
    return db.storable(queue.name) and db.storable(queue.project or "")
