"""What is known of each run of 1024 messages of a queue, to leave whole runs out.

`max_expires_at` is never below the last end of a life in the run, `min_expires_at` never above
the first; `client` is set when one client posted the whole run. A reader that meets a message
that it does not want asks for the next run that may hold one that it does: a million expired
messages at the head are then a thousand tiny rows, until they are collected.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import BigInteger, Connection, Text, bindparam, case, or_, select

from . import dialect
from .schema import segments

__all__ = ["RUN", "Segments", "drop", "next_run"]

RUN = 1024

_POSTED = dialect.upsert(
    segments,
    lambda new: {
        "min_expires_at": case(
            (segments.c.min_expires_at > new.min_expires_at, new.min_expires_at),
            else_=segments.c.min_expires_at,
        ),
        "max_expires_at": case(
            (segments.c.max_expires_at < new.max_expires_at, new.max_expires_at),
            else_=segments.c.max_expires_at,
        ),
        # Without an ELSE, so that runs of several clients (or of none named) get NULL.
        "client": case((segments.c.client == new.client, new.client)),
    },
)
_EXTENDED = (
    segments.update()
    .where(
        segments.c.queue_id == bindparam("q"),
        segments.c.segment == bindparam("s"),
        segments.c.max_expires_at < bindparam("end"),
    )
    .values(max_expires_at=bindparam("end"))
)

_promising = select(segments.c.segment).where(
    segments.c.queue_id == bindparam("q"),
    segments.c.max_expires_at > bindparam("now"),
    or_(
        bindparam("hidden", type_=Text).is_(None),
        segments.c.client.is_(None),
        segments.c.client != bindparam("hidden"),
    ),
)
_FORWARD = (
    _promising.where(segments.c.segment >= bindparam("s")).order_by(segments.c.segment).limit(1)
)
_BACKWARD = (
    _promising.where(segments.c.segment <= bindparam("s"))
    .order_by(segments.c.segment.desc())
    .limit(1)
)
_SOME = (
    select(segments.c.segment)
    .where(segments.c.queue_id == bindparam("q"))
    .order_by(segments.c.segment)
    .limit(bindparam("limit", type_=BigInteger))
)
_DROP = segments.delete().where(
    segments.c.queue_id == bindparam("q"), segments.c.segment <= bindparam("s")
)


@dataclass(slots=True)
class _Run:
    first: int
    last: int
    client: str | None


class Segments:
    """Changes of the bounds, gathered through a transaction."""

    def __init__(self) -> None:
        self._posted: dict[tuple[int, int], _Run] = {}
        self._extended: dict[tuple[int, int], int] = {}

    def posted(self, queue_id: int, seq: int, expires_at: int, client: str | None) -> None:
        run = self._posted.setdefault((queue_id, seq // RUN), _Run(expires_at, expires_at, client))
        run.first = min(run.first, expires_at)
        run.last = max(run.last, expires_at)
        if run.client != client:
            run.client = None

    def extended(self, queue_id: int, seqs: Iterable[int], expires_at: int) -> None:
        for run in {seq // RUN for seq in seqs}:
            last = self._extended.get((queue_id, run), expires_at)
            self._extended[queue_id, run] = max(last, expires_at)

    def flush(self, connection: Connection) -> None:
        """Write the changes. Needed before anything in the same transaction reads the bounds."""
        posted = [
            {
                "queue_id": queue_id,
                "segment": number,
                "min_expires_at": run.first,
                "max_expires_at": run.last,
                "client": run.client,
            }
            for (queue_id, number), run in self._posted.items()
        ]
        extended = [{"q": q, "s": s, "end": end} for (q, s), end in self._extended.items()]
        self._posted.clear()
        self._extended.clear()
        if posted:
            connection.execute(_POSTED, posted)
        if extended:
            connection.execute(_EXTENDED, extended)


def next_run(
    connection: Connection,
    queue_id: int,
    seq: int,
    *,
    now: int,
    hide_client: str | None,
    backwards: bool,
) -> range | None:
    """The numbers of the first run, from that of `seq` on, that may hold a wanted message."""
    wanted = {"q": queue_id, "s": seq // RUN, "now": now, "hidden": hide_client}
    statement = _BACKWARD if backwards else _FORWARD
    run: int | None = connection.execute(statement, wanted).scalar()
    return None if run is None else range(run * RUN, (run + 1) * RUN)


def drop(connection: Connection, queue_id: int, limit: int) -> bool:
    """Forget up to `limit` runs of the queue; whether more may be left."""
    some = connection.execute(_SOME, {"q": queue_id, "limit": limit}).scalars().all()
    if some:
        connection.execute(_DROP, {"q": queue_id, "s": some[-1]})
    return len(some) == limit
