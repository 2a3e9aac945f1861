"""Giving back the room of what is over, in steps that leave others their turn."""

from collections.abc import Mapping
from functools import partial

from sqlalchemy import BigInteger, bindparam, func, literal_column, select

from . import rows, segments, tally
from .dialect import by_index
from .schema import BALLAST, claims, graves, messages, subscriptions, tally_deltas
from .schema import segments as runs_table
from .segments import RUN
from .session import Work
from .statements import Statement
from .store import Store

__all__ = ["collect"]

STEP = 250
"""The most records that one transaction removes."""
FOLDS = 4
"""How many steps one collecting folds of each queue."""

_limit = bindparam("limit", type_=BigInteger)
_GRAVE = Statement(select(graves.c.queue_id).limit(1).with_for_update(skip_locked=True))
_LISTED = Statement(
    select(tally_deltas.c.queue_id)
    .where(tally_deltas.c.queue_id > bindparam("after"))
    .order_by(tally_deltas.c.queue_id)
    .limit(1)
)
_CLOSE_GRAVE = Statement(graves.delete().where(graves.c.queue_id == bindparam("q")))
_IN_GRAVE = Statement(
    select(messages.c.seq)
    .where(messages.c.queue_id == bindparam("q"))
    .order_by(messages.c.seq)
    .limit(_limit)
)
_CLAIMS_IN_GRAVE = Statement(
    select(claims.c.id).where(claims.c.queue_id == bindparam("q")).limit(_limit)
)
_DELETE_CLAIMS = Statement(
    claims.delete().where(
        claims.c.queue_id == bindparam("q"), claims.c.id.in_(bindparam("ids", expanding=True))
    )
)
_ENDED = Statement(
    by_index(
        "claims_by_end",
        select(claims.c.queue_id, claims.c.id)
        .where(claims.c.ends_at <= bindparam("now"))
        .order_by(claims.c.ends_at)
        .limit(_limit)
        .with_for_update(skip_locked=True),
    )
)
_RUNS = Statement(
    by_index(
        "segments_by_expiry",
        select(runs_table.c.queue_id, runs_table.c.segment)
        .where(
            runs_table.c.level == literal_column("0"),
            runs_table.c.min_expires_at <= bindparam("now"),
        )
        .order_by(runs_table.c.min_expires_at)
        .limit(_limit),
    )
)
_in_run = (
    messages.c.queue_id == bindparam("q"),
    messages.c.seq >= bindparam("a"),
    messages.c.seq < bindparam("b"),
)
_EXPIRED = Statement(
    select(messages.c.seq)
    .where(*_in_run, messages.c.expires_at <= bindparam("now"))
    .order_by(messages.c.seq)
    .limit(_limit)
    .with_for_update(skip_locked=True)
)
_BOUNDS = Statement(
    select(func.min(messages.c.expires_at), func.max(messages.c.expires_at)).where(*_in_run)
)
_OLD_SUBSCRIPTIONS = Statement(
    by_index(
        "subscriptions_by_expiry",
        select(subscriptions.c.project, subscriptions.c.queue, subscriptions.c.id)
        .where(subscriptions.c.expires_at <= bindparam("now"))
        .order_by(subscriptions.c.expires_at)
        .limit(_limit),
    )
)
_DELETE_SUBSCRIPTION = Statement(
    subscriptions.delete().where(
        subscriptions.c.project == bindparam("p"),
        subscriptions.c.queue == bindparam("name"),
        subscriptions.c.id == bindparam("i"),
    )
)


def collect(store: Store, limit: int) -> int:
    """Remove about `limit` records; fewer means that nothing is left."""
    removed = 0
    for step in (_empty_grave, _end_claims, _drop_expired, _drop_subscriptions):
        more = True
        while more and removed < limit:
            room = min(limit - removed, STEP)
            gone, more = store.write(partial(step, room=room))
            removed += gone
    # Once round the queues: while others write, there is always more to fold.
    folded: int | None = BALLAST
    while folded is not None:
        folded = store.write(partial(_fold_next, after=folded))
    return removed


def _empty_grave(work: Work, room: int) -> tuple[int, bool]:
    """Remove rows of a deleted queue; how many, and whether to go on."""
    queue_id = work.db.value(_GRAVE, {})
    if queue_id is None:
        return 0, False
    here = {"q": queue_id, "limit": room}
    seqs = work.db.column(_IN_GRAVE, here)
    rows.drop(work, queue_id, seqs)
    ids = work.db.column(_CLAIMS_IN_GRAVE, here)
    if ids:
        work.db.run(_DELETE_CLAIMS, {"q": queue_id, "ids": ids})
    if len(seqs) < room and len(ids) < room:
        work.flush()
        more_runs = segments.drop(work.db, queue_id, STEP)
        more_buckets = tally.drop(work.db, queue_id, STEP)
        if not more_runs and not more_buckets:
            work.db.run(_CLOSE_GRAVE, {"q": queue_id})
    return len(seqs) + len(ids), True


def _end_claims(work: Work, room: int) -> tuple[int, bool]:
    """Remove claims that are over. Their messages are free already, see `schema.FREE`."""
    work.tally.flush(work.db)
    ended = work.db.all(_ENDED, {"now": work.second, "limit": room})
    for queue_id in {row.queue_id for row in ended}:
        ids = [row.id for row in ended if row.queue_id == queue_id]
        work.db.run(_DELETE_CLAIMS, {"q": queue_id, "ids": ids})
        tally.prune(work.db, queue_id, tally.CLAIMED, work.second, 2 * STEP)
    return len(ended), len(ended) == room


def _drop_expired(work: Work, room: int) -> tuple[int, bool]:
    """Remove expired messages of a few runs and tighten what is known of these runs."""
    work.flush()
    few = {"now": work.second, "limit": STEP // RUN + 1}
    runs = work.db.all(_RUNS, few)
    gone = 0
    for queue_id, run in runs:
        span = {"q": queue_id, "a": run * RUN, "b": (run + 1) * RUN}
        expired = {**span, "now": work.second, "limit": room}
        seqs = work.db.column(_EXPIRED, expired)
        rows.drop(work, queue_id, seqs)
        gone += len(seqs)
        if len(seqs) == room:
            break
        room -= len(seqs)
        segments.tighten(work.db, queue_id, run, partial(_bounds, work, span))
    for queue_id in {row.queue_id for row in runs}:
        tally.prune(work.db, queue_id, tally.LIVE, work.second, 2 * STEP)
    return gone, bool(runs)


def _bounds(work: Work, span: Mapping[str, int]) -> tuple[int | None, int]:
    low, high = work.db.one(_BOUNDS, span)
    return low, high


def _fold_next(work: Work, after: int) -> int | None:
    """Move changes of the next queue's counts to where they count for less work; its id."""
    queue_id = work.db.value(_LISTED, {"after": after}) if work.db.shared else None
    if queue_id is None:
        return None
    last = 0
    for _ in range(FOLDS):
        last = tally.fold(work.db, queue_id, work.second, 2 * STEP, last)
        if not last:
            break
    return int(queue_id)


def _drop_subscriptions(work: Work, room: int) -> tuple[int, bool]:
    over = {"now": work.second, "limit": room}
    found = work.db.all(_OLD_SUBSCRIPTIONS, over)
    if found:
        doomed = [{"p": row.project, "name": row.queue, "i": row.id} for row in found]
        work.db.run_many(_DELETE_SUBSCRIPTION, doomed)
    return len(found), len(found) == room
