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
from .schema import FREE, RETURNED, messages
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
    here = messages.c.queue_id == bindparam("q")
    first = select(column).where(here, *conditions).order_by(column).limit(literal_column("1"))
    return by_index(index, first).scalar_subquery()


_LOOK = Statement(
    select(
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
    )
)


@dataclass(frozen=True, slots=True)
class Head:
    """What comes first in a queue; None where there is none."""

    due: int | None
    """The end of a delay or claim that is over."""
    free: int | None
    returned: int | None


@dataclass(slots=True)
class _Marks:
    ended: int = 0
    """There was no delay or claim with this end or an earlier one."""
    free: int = 0
    """There was no free message with a lower number."""
    whole_at: float = 0.0
    dear: bool = False


def _values(queue_id: int, second: int, marks: _Marks) -> dict[str, int]:
    return {"q": queue_id, "ended": marks.ended, "now": second, "free": marks.free}


@dataclass(slots=True)
class LowWater:
    """What a handle remembers of queues.

    A message never becomes FREE again, so that the mark for these holds for good. The mark of
    ends is a guess: a transaction that took long, or one of a node whose clock is behind, may
    store an end below it. The whole is searched every second, and by who must not miss any.
    """

    numbers: dict[QueueRef, int] = field(default_factory=dict)
    """A next number that the queue had."""
    ids: dict[QueueRef, int] = field(default_factory=dict)
    """The id that the queue had; it has another one by now if it was purged or made anew."""
    _marks: dict[int, _Marks] = field(default_factory=dict)

    def head(self, db: Database, queue_id: int, second: int, *, whole: bool) -> Head:
        """Find what comes first. With `whole`, miss nothing, unless that took long just now."""
        marks = self._marks.get(queue_id) or _Marks()
        start = time.monotonic()
        whole = not db.shared or start >= marks.whole_at or (whole and not marks.dear)
        begin = _Marks() if whole else marks
        found = Head(*db.one(_LOOK, _values(queue_id, second, begin)))
        if whole:
            end = time.monotonic()
            marks.dear = end - start > DEAR
            marks.whole_at = end + max(WHOLE_EVERY, SHARE * (end - start))
        marks.ended = second if found.due is None else found.due - 1
        marks.free = begin.free if found.free is None else found.free
        self._remember(self._marks, queue_id, marks)
        return found

    def look_ahead(self, db: Database, queue_id: int, second: int) -> None:
        """`head` will be asked for, without `whole`."""
        marks = self._marks.get(queue_id)
        if marks and time.monotonic() < marks.whole_at:
            db.ahead(_LOOK, _values(queue_id, second, marks))

    def found(self, queue: QueueRef, queue_id: int) -> None:
        self._remember(self.ids, queue, queue_id)

    def posted(self, queue: QueueRef, number: int) -> None:
        self._remember(self.numbers, queue, number)

    @staticmethod
    def _remember(marks: dict[Any, Any], key: object, mark: object) -> None:
        if len(marks) >= MOST:
            marks.clear()
        marks[key] = mark
