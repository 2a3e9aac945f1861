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
    Text,
    bindparam,
    literal_column,
    or_,
    select,
)

from mqcore.contract import Message

from . import dialect, tally
from .schema import CLAIMED, RETURNED, bodies, claims, messages
from .segments import next_run
from .session import Reading, Session, Work
from .statements import Statement

__all__ = [
    "MOST",
    "append",
    "by_ids",
    "by_ids_ahead",
    "by_seqs",
    "chunks",
    "drop",
    "give_back",
    "is_held",
    "promote",
    "read_bodies",
    "remove",
    "to_messages",
    "walk",
]

MOST = 500
"""The most ids or numbers in one statement."""
MOST_READ = 1024
"""The most messages that a walk reads at once."""
END = 2**63 - 1
"""No number lies behind this one."""

MessageRow = Any

_NARROW = tuple(messages.c)
_columns = select(*_NARROW)
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
        ordered = dialect.by_index(index, _columns) if index else _columns
        ordered = ordered.order_by(seq.desc() if backwards else seq).limit(_limit)
        if locking is not None:
            ordered = ordered.with_for_update(skip_locked=locking == "unlocked")
        window = ordered.where(_queue, *conditions, seq < at if backwards else seq > at)
        self.window = Statement(window)
        self.filtered = Statement(window.where(seq > edge if backwards else seq < edge, *_shown))


_FORWARD = _Pick()
_BACKWARD = _Pick(backwards=True)
_IN_STATE = _Pick(_state, index=_BY_STATE)
_UNLOCKED = _Pick(_state, locking="unlocked", index=_BY_STATE)
_ALL = _Pick(_state, locking="all", index=_BY_STATE)
_of_ids = dialect.by_index("messages_by_id", _columns.where(_queue, messages.c.id.in_(_texts)))
_BY_IDS = Reading(_of_ids.where(_live))
# Not ordered by the database: PostgreSQL would rather walk over the queue than sort a few rows.
_BY_SEQS = Reading(_columns.where(_queue, _seqs, _live))

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
_GONE = Statement(_of_ids.where(messages.c.expires_at <= bindparam("now")).with_for_update())
_DELETE = Statement(messages.delete().where(_queue, _seqs))
_BODIES = Statement(
    select(bodies.c.seq, bodies.c.body, bodies.c.checksum).where(
        bodies.c.queue_id == bindparam("q"), bodies.c.seq.in_(_numbers)
    )
)
_DELETE_BODIES = Statement(
    bodies.delete().where(bodies.c.queue_id == bindparam("q"), bodies.c.seq.in_(_numbers))
)


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
    wait: bool = False,
) -> Iterator[MessageRow]:
    """Yield the live messages in order, of one stored state or of all, newest first on demand.

    Reads `size` at first, and more with each further read while it finds what it wants. In a
    writing transaction it leaves out what other transactions have locked, or waits for it, and
    locks the rest.
    """
    pick = _BACKWARD if backwards else _FORWARD
    if state is not None:
        pick = (_ALL if wait else _UNLOCKED) if session.writing else _IN_STATE
    here = {"q": queue_id, "now": session.second, "hidden": hide_client, "state": state}
    at = END if backwards else after
    first = size = min(size, MOST_READ)
    while True:
        found = session.db.all(pick.window, {**here, "at": at, "limit": size})
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


def by_ids(session: Session, queue_id: int, ids: Collection[str]) -> list[MessageRow]:
    """The live messages of these ids, in no order. Any text may be an id."""
    found: list[MessageRow] = []
    for wanted in _of_ids_in(session, queue_id, ids):
        found += session.db.all(_BY_IDS.within(session), wanted)
    return found


def by_ids_ahead(session: Session, queue_id: int, ids: Collection[str]) -> None:
    """`by_ids` will be asked for."""
    for wanted in _of_ids_in(session, queue_id, ids):
        session.db.ahead(_BY_IDS.within(session), wanted)


def _of_ids_in(session: Session, queue_id: int, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    for some in chunks(sorted({text for text in ids if session.db.storable(text)})):
        yield {"q": queue_id, "ids": some, "now": session.second}


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


def read_bodies(
    session: Session, queue_id: int, rows: Sequence[MessageRow]
) -> dict[int, tuple[bytes, str | None]]:
    """The body and the checksum of each message, by its number."""
    content: dict[int, tuple[bytes, str | None]] = {}
    for some in chunks([row.seq for row in rows]):
        found = session.db.all(_BODIES, {"q": queue_id, "seqs": some})
        content.update((seq, (body, checksum)) for seq, body, checksum in found)
    return content


def to_messages(session: Session, queue_id: int, rows: Sequence[MessageRow]) -> tuple[Message, ...]:
    """The messages of the rows, with their bodies, in the same order."""
    content = read_bodies(session, queue_id, rows)
    return tuple(
        Message(
            row.id,
            content[row.seq][0],
            row.ttl,
            row.posted_at,
            row.claim_id if is_held(session, row) else None,
            row.claim_count,
            content[row.seq][1],
        )
        for row in rows
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
    for some in chunks(seqs):
        work.db.later(_DELETE, {"q": queue_id, "seqs": some})
        work.db.later(_DELETE_BODIES, {"q": queue_id, "seqs": some})
