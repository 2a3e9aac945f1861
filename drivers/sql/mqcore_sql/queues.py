"""Queues in SQL."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import BigInteger, bindparam, case, func, insert, select

from mqcore.contract import (
    Mark,
    Metadata,
    Page,
    Queue,
    QueueController,
    QueueFilter,
    QueueNotFound,
    QueueRef,
    QueueStats,
)

from . import dialect, rows, tally
from .named import NAMED, names, storable
from .schema import counters, graves, numbers, queues, subscriptions
from .session import Session, Work
from .statements import Statement
from .store import Store, check_version, find

__all__ = ["Queues", "purge", "volume"]

_CREATE = Statement(dialect.insert_new(queues, ["project", "name"]))
_get = dialect.by_index("queues_by_name", select(queues).where(*NAMED))
_GET = Statement(_get)
_GET_LOCKED = Statement(_get.with_for_update())
_SET = Statement(
    dialect.by_index(
        "queues_by_name",
        queues.update()
        .where(*NAMED)
        .values(
            metadata=bindparam("new"),
            version=case(
                (queues.c.version >= bindparam("at"), queues.c.version + 1), else_=bindparam("at")
            ),
        ),
    )
)
_DELETE = Statement(queues.delete().where(queues.c.id == bindparam("q")))
_RENAME = Statement(
    queues.update().where(queues.c.id == bindparam("q")).values(id=bindparam("new"))
)
_NUMBER = Statement(insert(numbers))
_LAST_NUMBER = Statement(
    select(numbers.c.next_seq).where(numbers.c.queue_id == bindparam("q")).with_for_update()
)
_END_NUMBERS = Statement(numbers.delete().where(numbers.c.queue_id == bindparam("q")))
_RENAME_NUMBERS = Statement(
    numbers.update().where(numbers.c.queue_id == bindparam("q")).values(queue_id=bindparam("new"))
)
_BURY = Statement(insert(graves))
_UNSUBSCRIBE = Statement(
    subscriptions.delete().where(
        subscriptions.c.project == bindparam("in_project"),
        subscriptions.c.queue == bindparam("named"),
    )
)
_COUNT = Statement(
    dialect.by_index(
        "queues_by_name",
        select(func.count()).select_from(queues).where(queues.c.project == bindparam("in_project")),
    )
)
_IDS = Statement(select(queues.c.id))
_PAGE = Statement(
    dialect.by_index(
        "queues_by_name",
        select(queues.c.name, queues.c.metadata)
        .where(queues.c.project == bindparam("in_project"), queues.c.name > bindparam("after"))
        .order_by(queues.c.name)
        .limit(bindparam("limit", type_=BigInteger)),
    )
)
_NEXT_ID = dialect.ChangeAndRead(
    counters,
    (counters.c.name == "queue",),
    {"value": counters.c.value + 1},
    ("value",),
)
_FLOOR = Statement(select(counters.c.value).where(counters.c.name == "floor").with_for_update())
_RAISE_FLOOR = Statement(
    counters.update()
    .where(counters.c.name == "floor", counters.c.value < bindparam("least"))
    .values(value=bindparam("least"))
)


class Queues(QueueController):
    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, queue: QueueRef, metadata: Metadata) -> bool:
        with self._store.reading() as session:
            if find(session, queue) is not None:
                return False
        text = _to_json(metadata)
        return self._store.write(lambda work: _create(work, queue, text))

    def get(self, queue: QueueRef) -> Queue:
        with self._store.reading() as session:
            found = _row(session, queue, _GET)
        if found is None:
            raise QueueNotFound(queue)
        return Queue(queue.name, json.loads(found.metadata), str(found.version))

    def exists(self, queue: QueueRef) -> bool:
        with self._store.reading() as session:
            return find(session, queue) is not None

    def set_metadata(
        self, queue: QueueRef, metadata: Metadata, *, if_version: str | None = None
    ) -> None:
        text = _to_json(metadata)
        self._store.write(lambda work: _set_metadata(work, queue, text, if_version))

    def delete(self, queue: QueueRef) -> None:
        self._store.write(lambda work: _delete(work, queue))

    def list(
        self,
        project: str | None,
        *,
        marker: str | None = None,
        limit: int = 10,
        detailed: bool = False,
        where: QueueFilter | None = None,
    ) -> Page[Queue]:
        items: list[Queue] = []
        with self._store.reading() as session:
            for queue in _walk(session, project, marker or "", limit, where or QueueFilter()):
                items.append(queue if detailed else Queue(queue.name, None))
                if len(items) == limit:
                    break
        return Page(tuple(items), items[-1].name if items else None)

    def count(self, project: str | None) -> int:
        with self._store.reading() as session:
            if not session.db.storable(project or ""):
                return 0
            (n,) = session.db.one(_COUNT, {"in_project": project or ""})
        return int(n)

    def stats(self, queue: QueueRef) -> QueueStats:
        with self._store.reading() as session:
            queue_id = find(session, queue)
            if queue_id is None:
                raise QueueNotFound(queue)
            live, claimed = tally.count(session.db, queue_id, session.second)
            oldest, newest = (
                next((Mark(row.id, row.posted_at) for row in walk), None)
                for walk in (
                    rows.walk(session, queue_id, size=2, bodies=False),
                    rows.walk(session, queue_id, size=2, bodies=False, backwards=True),
                )
            )
        return QueueStats(live - claimed, claimed, oldest, newest)


def volume(store: Store) -> QueueStats:
    """Count the messages of all queues."""
    live = claimed = 0
    with store.reading() as session:
        for queue_id in session.db.column(_IDS, {}):
            counts = tally.count(session.db, queue_id, session.second)
            live, claimed = live + counts[0], claimed + counts[1]
    return QueueStats(live - claimed, claimed)


def _walk(
    session: Session, project: str | None, after: str, size: int, where: QueueFilter
) -> Iterator[Queue]:
    """Yield the queues that match, by name, with their metadata; `size` at a time."""
    size = min(size, 500)
    if not session.db.storable(after):
        after = after.partition("\0")[0]  # which no stored name lies behind, but before the rest
    if not session.db.storable(project or ""):
        return
    while True:
        window = {"in_project": project or "", "after": after, "limit": size}
        found = session.db.all(_PAGE, window)
        for name, text in found:
            metadata = json.loads(text)
            if where.matches(name, metadata):
                yield Queue(name, metadata)
        if len(found) < size:
            return
        after, size = found[-1].name, min(size * 2, 500)


def _row(session: Session, queue: QueueRef, statement: Statement) -> Any | None:
    return session.db.first(statement, names(queue)) if storable(session.db, queue) else None


def _to_json(metadata: Metadata) -> str:
    return json.dumps(dict(metadata), separators=(",", ":"))


def _next_id(work: Work) -> int:
    row: Any = _NEXT_ID.first(work.db, {})
    return int(row.value)


def _create(work: Work, queue: QueueRef, metadata: str) -> bool:
    if find(work, queue) is not None:
        return False
    (floor,) = work.db.one(_FLOOR, {})
    # Microseconds of the clock, so that a store restored from an old backup starts later too.
    start = max(floor, int(work.now * 1_000_000), 1)
    new = {
        "project": queue.project or "",
        "name": queue.name,
        "id": _next_id(work),
        "metadata": metadata,
        "version": start,
    }
    if not work.db.run(_CREATE, new):
        return False
    work.db.run(_NUMBER, {"queue_id": new["id"], "next_seq": start + 1})
    return True


def _set_metadata(work: Work, queue: QueueRef, metadata: str, if_version: str | None) -> None:
    # Microseconds of the clock, as for a new queue: a store that is restored from a backup gives
    # none of the versions again that somebody may remember.
    new = {**names(queue), "new": metadata, "at": int(work.now * 1_000_000)}
    if if_version is None:
        if not storable(work.db, queue) or not work.db.run(_SET, new):
            raise QueueNotFound(queue)
        return
    found = _row(work, queue, _GET_LOCKED)
    if found is None:
        raise QueueNotFound(queue)
    check_version(replace(queue, if_version=if_version), found.version)
    work.db.run(_SET, new)


def _delete(work: Work, queue: QueueRef) -> None:
    work.db.one(_FLOOR, {})  # before the queue, as whoever creates one locks it
    found = _row(work, queue, _GET_LOCKED)
    if found is not None:
        next_seq = work.db.value(_LAST_NUMBER, {"q": found.id})
        work.db.run(_RAISE_FLOOR, {"least": max(next_seq, found.version + 1)})
        work.db.run(_END_NUMBERS, {"q": found.id})
        work.db.run(_DELETE, {"q": found.id})
        work.db.run(_BURY, {"queue_id": found.id})
    if storable(work.db, queue):
        work.db.run(_UNSUBSCRIBE, names(queue))


def purge(work: Work, queue: QueueRef) -> None:
    """Leave all that is in the queue behind; its numbers go on, so that markers stay good."""
    found = _row(work, queue, _GET_LOCKED)
    if found is not None:
        change = {"q": found.id, "new": _next_id(work)}
        work.db.run(_RENAME, change)
        work.db.run(_RENAME_NUMBERS, change)
        work.db.run(_BURY, {"queue_id": found.id})
