"""What is known of each run of messages of a queue, to leave whole runs out.

Runs have four sizes, each of them whole runs of the smaller one. `max_expires_at` is never below
the last end of a life in the run, `min_expires_at` never above the first; `client` is set when
one client posted the whole run. A reader that meets a message that it does not want asks for the
next run that may hold one that it does: so a million expired messages at the head are some fifty
tiny rows, until they are collected.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    union_all,
)

from . import dialect
from .schema import segments
from .statements import Database, Statement

__all__ = ["RUN", "Segments", "drop", "next_run", "tighten"]

RUN = 64
FAN = 16
SIZES = tuple(RUN * FAN**level for level in range(4))
"""How many messages a run of each level has."""
_END = 2**62

Key = TypeVar("Key")

_at_level = (segments.c.queue_id == bindparam("q"), segments.c.level == bindparam("l"))
_this = (*_at_level, segments.c.segment == bindparam("s"))
_low, _high = segments.c.min_expires_at, segments.c.max_expires_at

_POSTED = Statement(
    dialect.upsert(
        segments,
        lambda new: {
            "min_expires_at": case((_low > new.min_expires_at, new.min_expires_at), else_=_low),
            "max_expires_at": case((_high < new.max_expires_at, new.max_expires_at), else_=_high),
            # Without an ELSE, so that runs of several clients (or of none named) get NULL.
            "client": case((segments.c.client == new.client, new.client)),
        },
    )
)
_EXTENDED = Statement(
    segments.update()
    .where(*_this, _high < bindparam("end"))
    .values(max_expires_at=bindparam("end"))
)
_LOCK = Statement(select(segments.c.segment).where(*_this).with_for_update())
_BOUNDS = Statement(
    select(func.min(_low), func.max(_high)).where(
        *_at_level, segments.c.segment >= bindparam("a"), segments.c.segment < bindparam("b")
    )
)
_TIGHTEN = Statement(
    segments.update()
    .where(*_this)
    .values(min_expires_at=bindparam("low"), max_expires_at=bindparam("high"))
)
_REMOVE = Statement(segments.delete().where(*_this))
_SOME = Statement(
    select(segments.c.segment)
    .where(*_at_level)
    .order_by(segments.c.segment)
    .limit(bindparam("limit", type_=BigInteger))
)
_DROP = Statement(segments.delete().where(*_at_level, segments.c.segment <= bindparam("s")))


def _promising(backwards: bool) -> Select[tuple[int, int]]:
    """For each level, the first run between two edges that may hold a wanted message."""
    order = segments.c.segment.desc() if backwards else segments.c.segment
    wanted: tuple[ColumnElement[bool], ...] = (
        segments.c.queue_id == bindparam("q"),
        _high > bindparam("now"),
        or_(
            bindparam("hidden", type_=Text).is_(None),
            segments.c.client.is_(None),
            segments.c.client != bindparam("hidden"),
        ),
    )
    firsts = (
        select(segments.c.level, segments.c.segment)
        .where(
            *wanted,
            segments.c.level == literal_column(str(level)),
            segments.c.segment >= bindparam(f"a{level}"),
            segments.c.segment < bindparam(f"b{level}"),
        )
        .order_by(order)
        .limit(literal_column("1"))
        .subquery()
        for level in range(len(SIZES))
    )
    found = union_all(*(select(first) for first in firsts)).subquery()
    return select(found.c.level, found.c.segment)


_FORWARD = Statement(_promising(backwards=False))
_BACKWARD = Statement(_promising(backwards=True))


@dataclass(slots=True)
class _Run:
    """The bounds of what was posted to a run."""

    first: int
    last: int
    client: str | None

    def add(self, first: int, last: int, client: str | None) -> None:
        self.first = min(self.first, first)
        self.last = max(self.last, last)
        if client != self.client:
            self.client = None


def _widen(runs: dict[Key, _Run], here: Key, first: int, last: int, client: str | None) -> None:
    known = runs.get(here)
    if known is None:
        runs[here] = _Run(first, last, client)
    else:
        known.add(first, last, client)


class Segments:
    """Changes of the bounds, gathered through a transaction."""

    def __init__(self) -> None:
        self._posted: dict[tuple[int, int], _Run] = {}
        self._extended: dict[tuple[int, int], int] = {}

    def posted(self, queue_id: int, new: Iterable[Mapping[str, Any]]) -> None:
        """Messages were stored, in the order of their numbers."""
        for run, rows in groupby(new, lambda row: row["seq"] // RUN):
            here = list(rows)
            ends = [row["expires_at"] for row in here]
            clients = {row["client"] for row in here}
            client = clients.pop() if len(clients) == 1 else None
            _widen(self._posted, (queue_id, run), min(ends), max(ends), client)

    def extended(self, queue_id: int, seqs: Iterable[int], expires_at: int) -> None:
        for run in {seq // RUN for seq in seqs}:
            last = self._extended.get((queue_id, run), expires_at)
            self._extended[queue_id, run] = max(last, expires_at)

    def flush(self, db: Database) -> None:
        """Write the changes. Needed before anything in the same transaction reads the bounds."""
        if not self._posted and not self._extended:
            return
        posted: dict[tuple[int, int, int], _Run] = {}
        for (queue_id, run), bounds in self._posted.items():
            for level, above in _with_parents(run):
                here = queue_id, level, above
                _widen(posted, here, bounds.first, bounds.last, bounds.client)
        extended: dict[tuple[int, int, int], int] = {}
        for (queue_id, run), end in self._extended.items():
            for level, above in _with_parents(run):
                key = queue_id, level, above
                extended[key] = max(extended.get(key, end), end)
        self._posted.clear()
        self._extended.clear()
        # In the order of the keys, so that nobody waits in a circle.
        posted, extended = dict(sorted(posted.items())), dict(sorted(extended.items()))
        if posted:
            bounds_of = [
                {
                    "queue_id": queue_id,
                    "level": level,
                    "segment": run,
                    "min_expires_at": bounds.first,
                    "max_expires_at": bounds.last,
                    "client": bounds.client,
                }
                for (queue_id, level, run), bounds in posted.items()
            ]
            db.later_many(_POSTED, bounds_of)
        if extended:
            if db.shared:
                _lock(db, extended)
            db.later_many(
                _EXTENDED, [{"q": q, "l": n, "s": s, "end": e} for (q, n, s), e in extended.items()]
            )


def _lock(db: Database, keys: Iterable[tuple[int, int, int]]) -> bool:
    """Wait until nobody changes these bounds, and let nobody until the end; whether all exist.

    Who compares bounds with messages or with each other does this first: nobody can tighten
    bounds that another transaction relies on, nor widen what this one is about to tighten.
    """
    found = [db.value(_LOCK, {"q": q, "l": level, "s": run}) for q, level, run in keys]
    return None not in found


def _with_parents(run: int) -> Iterator[tuple[int, int]]:
    """The smallest run and the larger ones around it, each with its level."""
    for level in range(len(SIZES)):
        yield level, run // FAN**level


def next_run(
    db: Database,
    queue_id: int,
    seq: int,
    *,
    now: int,
    hide_client: str | None,
    backwards: bool,
) -> range | None:
    """The numbers of the first smallest run, from that of `seq` on, that may hold a wanted message.

    Looks at the runs beside this one up to the end of the larger run around it, at the larger
    ones from there, and so on. In a larger run that is found, it looks again from its begin.
    """
    wanted = {"q": queue_id, "now": now, "hidden": hide_client}
    while True:
        edges = _edges(seq, backwards)
        found = db.all(_BACKWARD if backwards else _FORWARD, {**wanted, **edges})
        if not found:
            return None
        level, run = min((row.level, row.segment) for row in found)
        size = SIZES[level]
        if level == 0:
            return range(run * size, (run + 1) * size)
        seq = (run + 1) * size - 1 if backwards else run * size


def _edges(seq: int, backwards: bool) -> dict[str, int]:
    """From which run on, and up to which, each level is to be looked at."""
    edges = {}
    for level, size in enumerate(SIZES):
        run, last = seq // size, level == len(SIZES) - 1
        here = run if level == 0 else run - 1 if backwards else run + 1
        block = run // FAN * FAN
        if backwards:
            edges[f"a{level}"] = 0 if last else block
            edges[f"b{level}"] = here + 1
        else:
            edges[f"a{level}"] = here
            edges[f"b{level}"] = _END if last else block + FAN
    return edges


def tighten(
    db: Database, queue_id: int, run: int, bounds: Callable[[], tuple[int | None, int]]
) -> None:
    """Give a smallest run its true bounds, or with no lower one forget it; then those around it."""
    for level, above in _with_parents(run):
        this = {"q": queue_id, "l": level, "s": above}
        if db.shared and not _lock(db, [(queue_id, level, above)]):
            return
        if level:
            span = {"a": above * FAN, "b": (above + 1) * FAN}
            below = {"q": queue_id, "l": level - 1, **span}
            low, high = db.one(_BOUNDS, below)
        else:
            low, high = bounds()
        if low is None:
            db.run(_REMOVE, this)
        else:
            db.run(_TIGHTEN, {**this, "low": low, "high": high})


def drop(db: Database, queue_id: int, limit: int) -> bool:
    """Forget up to `limit` runs of each size of the queue; whether more may be left."""
    more = False
    for level in range(len(SIZES)):
        here = {"q": queue_id, "l": level}
        some = db.column(_SOME, {**here, "limit": limit})
        if some:
            db.run(_DROP, {**here, "s": some[-1]})
        more |= len(some) == limit
    return more
