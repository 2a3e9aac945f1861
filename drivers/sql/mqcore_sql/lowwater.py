"""Where the entries of a queue begin in an index, as a handle has seen it.

On PostgreSQL an index keeps the entries of rows that are changed or deleted until nobody holds a
snapshot older than that and a vacuum has passed. A search from the begin walks over them all. So
a handle remembers how far there was nothing, and begins there.
"""

import time
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    ScalarSelect,
    bindparam,
    literal_column,
    select,
)

from mqcore.contract import QueueRef

from .dialect import by_index
from .named import NAMED, names, storable
from .schema import FREE, RETURNED, messages, queues
from .statements import Database, Statement

__all__ = ["Head", "LowWater"]

WHOLE_EVERY = 1.0
"""Seconds after which the whole is searched again."""
DEAR = 0.05
"""Seconds that this may take, or else it is done less often."""
SHARE = 20
"""It takes at most one part in so many of the time then."""
MOST = 10_000
"""Queues that are remembered."""


def _first(
    index: str, column: "Column[int]", *conditions: ColumnElement[bool]
) -> ScalarSelect[int]:
    here = messages.c.queue_id == queues.c.id
    first = select(column).where(here, *conditions).order_by(column).limit(literal_column("1"))
    return by_index(index, first).scalar_subquery()


# By a unique key, so that the queue's id is a constant to MariaDB, too.
_LOOK = Statement(
    by_index(
        "queues_by_name",
        select(
            queues.c.id,
            queues.c.version,
            _first(
                "messages_due",
                messages.c.visible_at,
                messages.c.visible_at > literal_column("0"),
                messages.c.visible_at > bindparam("ended"),
                messages.c.visible_at <= bindparam("now"),
            ),
            _first(
                "messages_by_state",
                messages.c.seq,
                messages.c.state == literal_column(str(FREE)),
                messages.c.seq >= bindparam("free"),
            ),
            _first(
                "messages_by_state",
                messages.c.seq,
                messages.c.state == literal_column(str(RETURNED)),
            ),
        ).where(*NAMED),
    )
)


@dataclass(frozen=True, slots=True)
class Head:
    """What comes first in a queue; None where there is none."""

    queue_id: int
    version: int
    """That of the metadata."""
    due: int | None
    """The end of a delay or claim that is over."""
    free: int | None
    """The first free message has this number or a higher one."""
    returned: int | None


@dataclass(slots=True)
class _Marks:
    queue_id: int = 0
    ended: int = 0
    """There was no delay or claim with this end or an earlier one."""
    free: int = 0
    """There was no free message with a lower number."""
    whole_at: float = 0.0
    dear: bool = False


@dataclass(slots=True)
class LowWater:
    """What a handle remembers of queues.

    A message never becomes FREE again, so that the mark for these holds for good. The mark of
    ends is a guess: a transaction that took long, or one of a node whose clock is behind, may
    store an end below it. The whole is searched every second, and by who must not miss any.
    """

    numbers: dict[QueueRef, int] = field(default_factory=dict)
    """A next number that the queue had."""
    _marks: dict[QueueRef, _Marks] = field(default_factory=dict)

    def head(self, db: Database, queue: QueueRef, second: int, *, whole: bool) -> Head | None:
        """Find what comes first; None when there is no such queue.

        With `whole`, miss nothing, unless that took long just now.
        """
        if not storable(db, queue):
            return None
        marks = self._marks.get(queue) or _Marks()
        start = time.monotonic()
        whole = not db.shared or start >= marks.whole_at or (whole and not marks.dear)
        begin = _Marks() if whole else marks
        values = {**names(queue), "ended": begin.ended, "now": second, "free": begin.free}
        found = db.first(_LOOK, values)
        if found is None:
            return None
        queue_id, version, due, free, returned = found
        if queue_id != marks.queue_id and not whole:  # deleted or purged, and made anew
            self._marks.pop(queue, None)
            return self.head(db, queue, second, whole=True)
        if whole:
            end = time.monotonic()
            marks.dear = end - start > DEAR
            marks.whole_at = end + max(WHOLE_EVERY, SHARE * (end - start))
        marks.queue_id = queue_id
        marks.ended = second if due is None else due - 1
        known, marks.free = begin.free, begin.free if free is None else free
        self._remember(self._marks, queue, marks)
        # What was asked for ahead begins where it was known to.
        return Head(queue_id, version, due, free if whole or free is None else known, returned)

    def expected(self, queue: QueueRef) -> tuple[int, int] | None:
        """The id of the queue and where its free messages begin, as `head` is about to find."""
        marks = self._marks.get(queue)
        if marks is None or time.monotonic() >= marks.whole_at:
            return None
        return marks.queue_id, marks.free

    def posted(self, queue: QueueRef, number: int) -> None:
        self._remember(self.numbers, queue, number)

    @staticmethod
    def _remember(marks: dict[Any, Any], key: object, mark: object) -> None:
        if len(marks) >= MOST:
            marks.clear()
        marks[key] = mark
