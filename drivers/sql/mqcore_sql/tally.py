"""How many messages are live and how many are claimed, without counting them.

Messages expire and claims end by the clock alone, when nobody writes. So a message is counted
under the second of its end, and the answer is the sum over the seconds that are still to come.
To keep that sum short, each message is counted four times, in buckets of 1, 64, 4096 and 262144
seconds: at most 63 buckets of each of the finer sizes lead up to where the next size takes over.

Where several transactions write at once, they would wait for each other at these counts. There a
transaction adds what it changes to a list (`tally_deltas`), which counts too, and `fold` moves
some of the list into the buckets from time to time.
"""

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Select,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    select,
    union_all,
)

from . import dialect
from .schema import tallies, tally_deltas
from .statements import Database, Statement

__all__ = ["CLAIMED", "LIVE", "Tally", "count", "drop", "fold", "prune"]

LIVE, CLAIMED = range(2)
"""Kinds: messages by the end of their life, and messages by the end of their claim."""

BASE = 64
SIZES = (1, BASE, BASE**2, BASE**3)
SLACK = 60
"""Seconds that pruning stays behind, for nodes whose clocks differ."""

_FOREVER = 2**62
SPREAD = 12
LISTED_AT_ONCE = 2**SPREAD
"""Ids of listed changes are the time in nanoseconds, with so many random bits at the end."""

_here = (
    (tallies.c.queue_id == bindparam("q"))
    & (tallies.c.kind == bindparam("k"))
    & (tallies.c.level == bindparam("l"))
)
_ADD = Statement(dialect.upsert(tallies, lambda new: {"n": tallies.c.n + new.n}))
_this = (
    (tallies.c.queue_id == bindparam("queue_id"))
    & (tallies.c.kind == bindparam("kind"))
    & (tallies.c.level == bindparam("level"))
    & (tallies.c.bucket == bindparam("bucket"))
)
_DROP_EMPTY = Statement(tallies.delete().where(_this, tallies.c.n == literal_column("0")))
_PAST = Statement(
    select(tallies.c.bucket)
    .where(_here, tallies.c.bucket <= bindparam("b"))
    .order_by(tallies.c.bucket)
    .limit(bindparam("limit", type_=BigInteger))
)
_PRUNE = Statement(tallies.delete().where(_here, tallies.c.bucket <= bindparam("b")))


def _part(kind: int, level: int) -> Select[Any]:
    return select(literal(kind), func.coalesce(func.sum(tallies.c.n), 0)).where(
        tallies.c.queue_id == bindparam("q"),
        tallies.c.kind == kind,
        tallies.c.level == level,
        tallies.c.bucket > bindparam(f"after{level}"),
        tallies.c.bucket < bindparam(f"until{level}"),
    )


_deltas = tally_deltas.c
_LISTED = Statement(
    select(
        *(
            func.sum(case((_deltas.kind == literal_column(str(kind)), _deltas.n)))
            for kind in (LIVE, CLAIMED)
        )
    ).where(_deltas.queue_id == bindparam("q"), _deltas.ends_at > bindparam("now"))
)
_LIST = Statement(tally_deltas.insert())
_FOLD = Statement(
    select(_deltas.id, _deltas.kind, _deltas.ends_at, _deltas.n)
    .where(_deltas.queue_id == bindparam("q"), _deltas.id > bindparam("after"))
    .order_by(_deltas.id)
    .limit(bindparam("limit", type_=BigInteger))
    .with_for_update(skip_locked=True)
)
_FOLDED = Statement(
    tally_deltas.delete().where(
        _deltas.queue_id == bindparam("q"), _deltas.id.in_(bindparam("ids", expanding=True))
    )
)
_UNLIST = Statement(tally_deltas.delete().where(_deltas.queue_id == bindparam("q")))

_COUNT = Statement(
    union_all(*(_part(kind, level) for kind in (LIVE, CLAIMED) for level in range(len(SIZES))))
)


class Tally:
    """Changes of counts, gathered through a transaction and written once at its end."""

    def __init__(self) -> None:
        self._changes: dict[tuple[int, int, int], int] = {}

    def add(self, queue_id: int, kind: int, end: int, n: int = 1) -> None:
        """Count `n` more messages that end at `end`, which lies ahead; fewer when negative."""
        key = queue_id, kind, end
        self._changes[key] = self._changes.get(key, 0) + n

    def add_each(self, queue_id: int, kind: int, ends: Sequence[int], n: int = 1) -> None:
        """Count `n` more messages for each of the ends."""
        for end, times in Counter(ends).items():
            self.add(queue_id, kind, end, times * n)

    @property
    def queues(self) -> set[int]:
        """The queues whose counts change."""
        return {queue_id for queue_id, _, _ in self._changes}

    def flush(self, db: Database) -> None:
        changes, self._changes = self._changes, {}
        if not changes:
            return
        if not db.shared:
            _add(db, changes)
            return
        first = time.time_ns() // LISTED_AT_ONCE * LISTED_AT_ONCE + random.getrandbits(SPREAD)
        listed = [
            {"queue_id": queue_id, "id": number, "kind": kind, "ends_at": end, "n": n}
            for number, ((queue_id, kind, end), n) in enumerate(changes.items(), first)
            if n
        ]
        if listed:
            db.later_many(_LIST, listed)


def _add(db: Database, changes: Mapping[tuple[int, int, int], int]) -> None:
    """Change the buckets, in the order of their keys, so that nobody waits in a circle."""
    sums: dict[tuple[int, int, int, int], int] = {}
    for (queue_id, kind, end), n in changes.items():
        for level, size in enumerate(SIZES):
            key = queue_id, kind, level, end // size
            sums[key] = sums.get(key, 0) + n
    rows = [
        {"queue_id": q, "kind": k, "level": level, "bucket": bucket, "n": n}
        for (q, k, level, bucket), n in sorted(sums.items())
        if n
    ]
    less = [row for row in rows if row["n"] < 0]
    if rows:
        db.later_many(_ADD, rows)
    if less:
        db.later_many(_DROP_EMPTY, less)


def fold(db: Database, queue_id: int, now: int, limit: int, after: int = 0) -> int:
    """Move up to `limit` listed changes behind that one into the buckets; the last, or 0."""
    found = db.all(_FOLD, {"q": queue_id, "after": after, "limit": limit})
    if found:
        db.later(_FOLDED, {"q": queue_id, "ids": [row.id for row in found]})
    changes: dict[tuple[int, int, int], int] = {}
    for _, kind, end, n in found:
        if end > now - SLACK:
            key = queue_id, kind, end
            changes[key] = changes.get(key, 0) + n
    _add(db, changes)
    return found[-1].id if found else 0


def count(db: Database, queue_id: int, now: int) -> tuple[int, int]:
    """How many messages of the queue are live and how many are under a live claim."""
    ranges = {}
    for level, size in enumerate(SIZES):
        ranges[f"after{level}"] = now // size
        last = level == len(SIZES) - 1
        ranges[f"until{level}"] = _FOREVER if last else (now // (size * BASE) + 1) * BASE
    sums = [0, 0]
    for kind, n in db.all(_COUNT, {"q": queue_id, **ranges}):
        sums[kind] += int(n)
    if db.shared:
        for kind, n in enumerate(db.one(_LISTED, {"q": queue_id, "now": now})):
            sums[kind] += int(n or 0)
    return sums[LIVE], sums[CLAIMED]


def prune(db: Database, queue_id: int, kind: int, now: int, limit: int) -> bool:
    """Remove up to `limit` buckets of each size that no count needs; whether more may be left."""
    more = False
    for level, size in enumerate(SIZES):
        here = {"q": queue_id, "k": kind, "l": level}
        past = {**here, "b": (now - SLACK) // size, "limit": limit}
        buckets = db.column(_PAST, past)
        if buckets:
            db.run(_PRUNE, {**here, "b": buckets[-1]})
        more = more or len(buckets) == limit
    return more


def drop(db: Database, queue_id: int, limit: int) -> bool:
    """Remove up to `limit` buckets of each kind and size; whether more may be left."""
    if db.shared:
        db.run(_UNLIST, {"q": queue_id})
    more = False
    for kind in (LIVE, CLAIMED):
        more |= prune(db, queue_id, kind, _FOREVER, limit)
    return more
