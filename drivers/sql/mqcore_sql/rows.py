"""Rows of messages: reading them in order, adding, promoting and removing them.

Every statement here is bounded by an index and a LIMIT, or by the numbers that it is given.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Select,
    Text,
    bindparam,
    literal_column,
    null,
    or_,
    select,
)

from mqcore.contract import Message, QueueRef

from . import dialect, tally
from .named import FIND, names, storable
from .schema import CLAIMED, FREE, RETURNED, bodies, claims, messages
from .segments import next_run
from .session import Reading, Session, Work
from .statements import Statement

__all__ = [
    "MOST",
    "append",
    "by_ids",
    "by_seqs",
    "chunks",
    "contents",
    "drop",
    "give_back",
    "is_held",
    "promote",
    "remove",
    "to_messages",
    "walk",
    "walk_ahead",
]

MOST = 500
"""The most ids or numbers in one statement."""
MOST_READ = 1024
"""The most messages that a walk reads at once."""
END = 2**63 - 1
"""No number lies behind this one."""

MessageRow = Any

_columns = select(*messages.c)
_narrow = _columns.add_columns(null().label("body"), null().label("checksum"))
_texts: BindParameter[str] = bindparam("ids", expanding=True)
_numbers: BindParameter[int] = bindparam("seqs", expanding=True)
_queue = messages.c.queue_id == bindparam("q")
_limit = bindparam("limit", type_=BigInteger)
_state = messages.c.state == bindparam("state")
_BY_STATE = "messages_by_state"
_seqs = messages.c.seq.in_(_numbers)
_live = messages.c.expires_at > bindparam("now")

_shown = (
    _live,
    or_(
        bindparam("hidden", type_=Text).is_(None),
        messages.c.client.is_(None),
        messages.c.client != bindparam("hidden"),
    ),
)


class _Pick:
    """Two ways to read on: the next messages, or the next wanted ones up to an edge."""

    def __init__(
        self,
        *conditions: ColumnElement[bool],
        backwards: bool = False,
        locking: Literal["unlocked", "all"] | None = None,
        index: str | None = None,
    ) -> None:
        seq = messages.c.seq
        at, edge = bindparam("at", type_=BigInteger), bindparam("edge", type_=BigInteger)

        def ordered(columns: Select[Any]) -> Select[Any]:
            made = dialect.by_index(index, columns) if index else columns
            made = made.order_by(seq.desc() if backwards else seq).limit(_limit)
            if locking is not None:
                made = made.with_for_update(skip_locked=locking == "unlocked")
            return made.where(_queue, *conditions, seq < at if backwards else seq > at)

        window = ordered(_narrow)
        self.window = Statement(window)
        self.with_bodies = Statement(dialect.with_bodies(ordered(_columns)))
        self.filtered = Statement(window.where(seq > edge if backwards else seq < edge, *_shown))


_FORWARD = _Pick()
_BACKWARD = _Pick(backwards=True)
_IN_STATE = _Pick(_state, index=_BY_STATE)
_UNLOCKED = _Pick(_state, locking="unlocked", index=_BY_STATE)
_ALL = _Pick(_state, locking="all", index=_BY_STATE)
_of_ids = dialect.by_index("messages_by_id", _narrow.where(messages.c.id.in_(_texts)))
_BY_IDS = Reading(_of_ids.where(messages.c.queue_id == FIND.scalar_subquery(), _live))
# Not ordered by the database: PostgreSQL would rather walk over the queue than sort a few rows.
_BY_SEQS = Reading(_narrow.where(_queue, _seqs, _live))

# The literal lets the planner see that the partial index on visible_at > 0 covers this.
_due = (
    _queue,
    messages.c.visible_at > literal_column("0"),
    messages.c.visible_at >= bindparam("since"),
    messages.c.visible_at <= bindparam("now"),
)
_due_seqs = dialect.by_index(
    "messages_due",
    select(messages.c.seq, messages.c.claim_id)
    .where(*_due)
    .order_by(messages.c.visible_at, messages.c.seq)
    .limit(_limit),
)
_DUE_UNLOCKED = Statement(_due_seqs.with_for_update(skip_locked=True))
_DUE_LOCKED = Statement(_due_seqs.with_for_update())
_RETURN = Statement(
    messages.update().where(_queue, _seqs).values(state=RETURNED, visible_at=0, claim_id=None)
)

_END = Statement(
    claims.delete().where(
        claims.c.queue_id == bindparam("q"),
        claims.c.id.in_(_texts),
        claims.c.ends_at <= bindparam("now"),
    )
)

_INSERT = Statement(dialect.insert_new(messages, ["queue_id", "id"]))
_INSERT_ALL = Statement(messages.insert())
_LANDED = Statement(
    select(messages.c.seq).where(_queue, messages.c.seq.between(bindparam("a"), bindparam("b")))
)
_GONE = Statement(
    _of_ids.where(_queue, messages.c.expires_at <= bindparam("now")).with_for_update()
)
_delete = messages.delete().where(_queue, _seqs)
_DELETE = Statement(_delete)
_BODIES = Statement(
    select(bodies.c.seq, bodies.c.body, bodies.c.checksum).where(
        bodies.c.queue_id == bindparam("q"), bodies.c.seq.in_(_numbers)
    )
)
_delete_bodies = bodies.delete().where(
    bodies.c.queue_id == bindparam("q"), bodies.c.seq.in_(_numbers)
)
_DELETE_BODIES = Statement(_delete_bodies)
_DELETE_BOTH = Statement(_delete.add_cte(_delete_bodies.cte("gone")))
"""For PostgreSQL."""


def chunks(items: Collection[Any]) -> Iterable[list[Any]]:
    """The items in lists short enough for one statement."""
    if len(items) <= MOST:
        return [list(items)] if items else []
    return _chunks(iter(items))


def _chunks(rest: Iterator[Any]) -> Iterator[list[Any]]:
    while some := list(islice(rest, MOST)):
        yield some


def walk(
    session: Session,
    queue_id: int,
    *,
    size: int,
    state: int | None = None,
    after: int = 0,
    hide_client: str | None = None,
    backwards: bool = False,
    bodies: bool = True,
    wait: bool = False,
) -> Iterator[MessageRow]:
    """Yield the live messages in order, of one stored state or of all, newest first on demand.

    Reads `size` at first, with their bodies, and more with each further read while it finds what
    it wants. In a writing transaction it leaves out what other transactions have locked, or waits
    for it, and locks the rest.
    """
    pick = _BACKWARD if backwards else _FORWARD
    if state is not None:
        pick = (_ALL if wait else _UNLOCKED) if session.writing else _IN_STATE
    here = {"q": queue_id, "now": session.second, "hidden": hide_client, "state": state}
    at = END if backwards else after
    first = size = min(size, MOST_READ)
    window = pick.with_bodies if bodies else pick.window
    while True:
        found = session.db.all(window, {**here, "at": at, "limit": size})
        window = pick.window
        wanted = False
        for row in found:
            hidden = hide_client is not None and row.client == hide_client
            wanted = row.expires_at > session.second and not hidden
            if wanted:
                yield row
        if len(found) < size:
            return
        at = found[-1].seq
        if wanted:
            size = min(size * 2, MOST_READ)
            continue
        size = first
        # The next message may be unwanted too: go on in the next run that promises one.
        run = next_run(
            session.db,
            queue_id,
            at,
            now=session.second,
            hide_client=hide_client,
            backwards=backwards,
        )
        if run is None:
            return
        at = min(at, run.stop) if backwards else max(at, run.start - 1)
        edge = run.start - 1 if backwards else run.stop
        found = session.db.all(pick.filtered, {**here, "at": at, "edge": edge, "limit": size})
        yield from found
        full = len(found) == size
        at = found[-1].seq if full else run.start if backwards else run.stop - 1


def walk_ahead(work: Work, queue_id: int, *, size: int, after: int) -> None:
    """`walk` will be asked for the free messages."""
    size = min(size, MOST_READ)
    here = {"q": queue_id, "state": FREE, "at": after, "limit": size}
    work.db.ahead(_UNLOCKED.with_bodies, here)


def by_ids(session: Session, queue: QueueRef, ids: Collection[str]) -> list[MessageRow]:
    """The live messages of these ids, in no order. Any text may be an id."""
    if not storable(session.db, queue):
        return []
    if not session.db.storable("".join(ids)):
        ids = [text for text in ids if session.db.storable(text)]
    here = {**names(queue), "now": session.second}
    found: list[MessageRow] = []
    for some in chunks(sorted(set(ids))):
        found += session.db.all(_BY_IDS.within(session), {**here, "ids": some})
    return found


def by_seqs(session: Session, queue_id: int, seqs: Collection[int]) -> list[MessageRow]:
    """The live messages of these numbers, in order."""
    found: list[MessageRow] = []
    for some in chunks(sorted(seqs)):
        wanted = {"q": queue_id, "seqs": some, "now": session.second}
        found += session.db.all(_BY_SEQS.within(session), wanted)
    return sorted(found, key=attrgetter("seq"))


def is_held(session: Session, row: MessageRow) -> bool:
    """Whether the message is under a live claim."""
    return bool(row.state == CLAIMED and row.visible_at > session.second)


def contents(
    session: Session, queue_id: int, rows: Sequence[MessageRow]
) -> Iterator[tuple[MessageRow, bytes, str | None]]:
    """Yield each row with its body and its checksum, reading those that were not read with it."""
    read: dict[int, MessageRow] = {}
    for some in chunks([row.seq for row in rows if row.body is None]):
        found = session.db.all(_BODIES, {"q": queue_id, "seqs": some})
        read.update((each.seq, each) for each in found)
    for row in rows:
        content = read.get(row.seq) or row
        yield row, content.body, content.checksum


def to_messages(session: Session, queue_id: int, rows: Sequence[MessageRow]) -> tuple[Message, ...]:
    """The messages of the rows, with their bodies, in the same order."""
    return tuple(
        Message(
            row.id,
            body,
            row.ttl,
            row.posted_at,
            row.claim_id if is_held(session, row) else None,
            row.claim_count,
            checksum,
        )
        for row, body, checksum in contents(session, queue_id, rows)
    )


def promote(work: Work, queue_id: int, limit: int, since: int, *, wait: bool = False) -> int:
    """Store as returned up to `limit` messages that came back at `since` or later; how many.

    Those that other transactions have locked are passed over, or waited for. The claims that
    held them are removed: nobody whose clock is behind can renew one then.
    """
    due = {"q": queue_id, "since": since, "now": work.second, "limit": limit}
    found = work.db.all(_DUE_LOCKED if wait else _DUE_UNLOCKED, due)
    for some in chunks({row.claim_id for row in found} - {None}):
        work.db.later(_END, {"q": queue_id, "ids": some, "now": work.second})
    give_back(work, queue_id, [row.seq for row in found])
    return len(found)


def give_back(work: Work, queue_id: int, seqs: Collection[int]) -> None:
    """Store as returned the messages of these numbers, which nobody holds any more."""
    for some in chunks(seqs):
        work.db.later(_RETURN, {"q": queue_id, "seqs": some})


def append(work: Work, queue_id: int, new: Sequence[Mapping[str, Any]]) -> set[int]:
    """Insert messages with consecutive numbers; return the numbers of those that are new here.

    The others were left out, because their ids are in the queue already. That is seldom: where it
    saves a wait, the database shall refuse them first, and all is done again.
    """
    landed = {row["seq"] for row in new}
    if work.db.pipelined and not work.again:
        work.db.later_many(_INSERT_ALL, new)
    elif work.db.run_many(_INSERT, new) < len(new):
        expired = {
            "q": queue_id,
            "ids": [row["id"] for row in new],
            "now": work.second,
        }
        gone = work.db.all(_GONE, expired)
        remove(work, queue_id, gone)
        work.db.run_many(_INSERT, new)
        span = {"q": queue_id, "a": new[0]["seq"], "b": new[-1]["seq"]}
        landed = set(work.db.column(_LANDED, span))
    stored = [row for row in new if row["seq"] in landed]
    work.tally.add_each(queue_id, tally.LIVE, [row["expires_at"] for row in stored])
    work.segments.posted(queue_id, stored)
    return landed


def remove(work: Work, queue_id: int, rows: Collection[MessageRow]) -> None:
    """Delete messages and their bodies, and take the live ones out of the counts."""
    live = [row.expires_at for row in rows if row.expires_at > work.second]
    work.tally.add_each(queue_id, tally.LIVE, live, -1)
    held = [row.visible_at for row in rows if is_held(work, row)]
    work.tally.add_each(queue_id, tally.CLAIMED, held, -1)
    drop(work, queue_id, [row.seq for row in rows])


def drop(work: Work, queue_id: int, seqs: Collection[int]) -> None:
    """Delete messages and bodies that no count has any more."""
    statements = (_DELETE_BOTH,) if work.db.pipelined else (_DELETE, _DELETE_BODIES)
    for some in chunks(seqs):
        for statement in statements:
            work.db.later(statement, {"q": queue_id, "seqs": some})
