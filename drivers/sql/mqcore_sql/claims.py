"""Claims in SQL."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from sqlalchemy import bindparam, case, insert, select

from mqcore.contract import (
    Claim,
    ClaimController,
    ClaimNotFound,
    ClaimRequest,
    DeadLetter,
    Message,
    MQError,
    QueueNotFound,
    QueueRef,
)

from . import rows, tally
from .messages import free_messages, look, reserve
from .schema import CLAIMED, FREE, bodies, claims, messages
from .session import Reading, Session, Work
from .statements import Statement
from .store import Store, check_version, find

__all__ = ["Claims"]

MOST_MOVED = 1000
"""The most messages that one request moves to a dead-letter queue; the next one goes on."""

_here = (claims.c.queue_id == bindparam("q"), claims.c.id == bindparam("c"))
_GET = Reading(select(claims).where(*_here, claims.c.ends_at > bindparam("now")))
_BY_IDS = Statement(
    select(claims)
    .where(claims.c.queue_id == bindparam("q"), claims.c.id.in_(bindparam("ids", expanding=True)))
    .with_for_update()
)
_INSERT = Statement(insert(claims))
_DELETE = Statement(claims.delete().where(*_here))
_RENEW = Statement(
    claims.update()
    .where(*_here)
    .values(
        ttl=bindparam("new_ttl"),
        grace=bindparam("new_grace"),
        renewed_at=bindparam("renewed"),
        ends_at=bindparam("end"),
    )
)

_those = messages.update().where(
    messages.c.queue_id == bindparam("q"), messages.c.seq.in_(bindparam("seqs", expanding=True))
)
_HOLD = Statement(
    _those.values(
        state=CLAIMED,
        visible_at=bindparam("end"),
        claim_id=bindparam("c"),
        claim_count=messages.c.claim_count + bindparam("more"),
        ttl=case(
            (messages.c.expires_at < bindparam("end"), bindparam("new_ttl")), else_=messages.c.ttl
        ),
        expires_at=case(
            (messages.c.expires_at < bindparam("end"), bindparam("new_expiry")),
            else_=messages.c.expires_at,
        ),
    )
)
_MOVE_BODY = Statement(
    bodies.update()
    .where(bodies.c.queue_id == bindparam("q"), bodies.c.seq == bindparam("s"))
    .values(queue_id=bindparam("new_q"), seq=bindparam("new_s"))
)


class Claims(ClaimController):
    def __init__(self, store: Store) -> None:
        self._store = store

    def claim(
        self, queue: QueueRef, requests: Sequence[ClaimRequest]
    ) -> Sequence[Claim | MQError | None]:
        if not requests:
            return []
        return self._store.write(lambda work: _claim(work, queue, requests))

    def get(self, queue: QueueRef, claim_id: str) -> Claim:
        with self._store.reading() as session:
            queue_id, claim = _live(session, queue, claim_id)
            return _to_claim(session, queue_id, claim)

    def renew(self, queue: QueueRef, claim_id: str, *, ttl: int, grace: int) -> None:
        self._store.write(lambda work: _renew(work, queue, claim_id, ttl, grace))

    def release(self, queue: QueueRef, claim_id: str) -> None:
        self._store.write(lambda work: _release(work, queue, claim_id))


def _live(session: Session, queue: QueueRef, claim_id: str) -> tuple[int, Any]:
    """The queue's id and the claim. Raises ClaimNotFound."""
    queue_id = find(session, queue) if session.db.storable(claim_id) else None
    if queue_id is not None:
        wanted = {"q": queue_id, "c": claim_id, "now": session.second}
        claim = session.db.first(_GET.within(session), wanted)
        if claim is not None:
            return queue_id, claim
    raise ClaimNotFound(claim_id, queue)


def _held(session: Session, queue_id: int, claim: Any) -> list[Any]:
    """The messages that the claim still holds."""
    return [
        row
        for row in rows.by_seqs(session, queue_id, json.loads(claim.seqs))
        if row.claim_id == claim.id and rows.is_held(session, row)
    ]


def _to_claim(session: Session, queue_id: int, claim: Any) -> Claim:
    held = rows.to_messages(session, queue_id, _held(session, queue_id, claim))
    return Claim(claim.id, claim.ttl, claim.grace, claim.renewed_at, held)


def _claim(
    work: Work, queue: QueueRef, requests: Sequence[ClaimRequest]
) -> Sequence[Claim | MQError | None]:
    """Serve the requests; one that is repeated gets the claim that it has made.

    That is seldom: so the database shall refuse a second claim of its id first, and all is done
    again.
    """
    wanted = sum(request.limit for request in requests)
    begin = look(work, queue, wanted)
    if begin is None:
        return [None] * len(requests)
    check_version(queue, begin.version)
    queue_id = begin.queue_id
    served = _known(work, queue_id, requests) if work.again else {}
    taker = _Taker(work, queue, queue_id, free_messages(work, queue, begin, wanted))
    refused: dict[str, MQError] = {}
    for request in requests:
        made = None if request.id in served else taker.claim(request)
        if isinstance(made, Claim):
            served[request.id] = made
        elif made is not None:
            refused[request.id] = made
    unserved = [request for request in requests if request.id not in served]
    if unserved and not work.again:
        served |= _known(work, queue_id, unserved)
    return [served.get(request.id) or refused.get(request.id) for request in requests]


def _known(work: Work, queue_id: int, requests: Sequence[ClaimRequest]) -> dict[str, Claim]:
    """The claims that live under the ids of the requests; those that are over are removed."""
    known = {}
    for some in rows.chunks(sorted({request.id for request in requests})):
        for row in work.db.all(_BY_IDS, {"q": queue_id, "ids": some}):
            if row.ends_at > work.second:
                known[row.id] = _to_claim(work, queue_id, row)
            else:
                work.db.later(_DELETE, {"q": queue_id, "c": row.id})
    return known


@dataclass
class _Taker:
    """Serves the requests of one call from one walk over the claimable messages."""

    work: Work
    queue: QueueRef
    queue_id: int
    free: Iterator[Any]
    left: list[Any] = field(default_factory=list)
    """Messages that a request took and gave back."""

    def claim(self, request: ClaimRequest) -> Claim | MQError | None:
        letter = request.dead_letter
        if letter is None:
            taken = list(islice(chain(self.left, self.free), request.limit))
            self.left = self.left[len(taken) :]
            return self._hold(request, taken) if taken else None
        chosen: list[Any] = []
        spent: list[Any] = []
        passed: list[Any] = []
        for row in chain(self.left, self.free):
            passed.append(row)
            (spent if row.claim_count >= letter.max_claims else chosen).append(row)
            if len(chosen) == request.limit or len(spent) == MOST_MOVED:
                break
        self.left = self.left[len(passed) :]
        if spent:
            target = QueueRef(self.queue.project, letter.name)
            try:
                dead_id, first = reserve(self.work, target, len(spent))
            except QueueNotFound as missing:
                self.left = passed + self.left
                return missing
            self._bury(spent, dead_id, first, letter)
        return self._hold(request, chosen) if chosen else None

    def _hold(self, request: ClaimRequest, chosen: Sequence[Any]) -> Claim:
        work = self.work
        new: dict[str, Any] = {
            "queue_id": self.queue_id,
            "id": request.id,
            "ttl": request.ttl,
            "grace": request.grace,
            "renewed_at": work.now,
            "ends_at": work.end(request.ttl),
            "seqs": str([row.seq for row in chosen]),
        }
        work.db.later(_INSERT, new)
        _hold(work, self.queue_id, request, chosen, more=1)
        held = [
            Message(
                row.id,
                body,
                request.ttl + request.grace if row.expires_at < new["ends_at"] else row.ttl,
                row.posted_at,
                request.id,
                row.claim_count + 1,
                checksum,
            )
            for row, body, checksum in rows.contents(work, self.queue_id, chosen)
        ]
        return Claim(request.id, request.ttl, request.grace, work.now, tuple(held))

    def _bury(self, spent: Sequence[Any], dead_id: int, first: int, letter: DeadLetter) -> None:
        """Move the messages to the end of the dead-letter queue."""
        moved = [
            {
                **row._asdict(),
                "queue_id": dead_id,
                "seq": seq,
                "ttl": row.ttl if letter.ttl is None else letter.ttl,
                "expires_at": row.expires_at if letter.ttl is None else self.work.end(letter.ttl),
                "state": FREE,
                "visible_at": 0,
                "claim_id": None,
                "claim_count": 0,
            }
            for seq, row in enumerate(spent, first)
        ]
        landed = rows.append(self.work, dead_id, moved)
        moves = [
            {"q": self.queue_id, "s": row.seq, "new_q": dead_id, "new_s": seq}
            for seq, row in enumerate(spent, first)
            if seq in landed
        ]
        if moves:
            self.work.db.later_many(_MOVE_BODY, moves)
        rows.remove(self.work, self.queue_id, spent)


def _hold(
    work: Work, queue_id: int, lease: ClaimRequest, held: Sequence[Any], *, more: int
) -> None:
    """Put the messages under the claim from now on; those that would die first live longer."""
    end, last = work.end(lease.ttl), work.end(lease.ttl) + lease.grace
    values = {
        "q": queue_id,
        "c": lease.id,
        "end": end,
        "new_ttl": lease.ttl + lease.grace,
        "new_expiry": last,
        "more": more,
    }
    for some in rows.chunks([row.seq for row in held]):
        work.db.later(_HOLD, {**values, "seqs": some})
    extended = [row for row in held if row.expires_at < end]
    if extended:
        work.tally.add_each(queue_id, tally.LIVE, [row.expires_at for row in extended], -1)
        work.tally.add(queue_id, tally.LIVE, last, len(extended))
        work.segments.extended(queue_id, [row.seq for row in extended], last)
    if end > work.second:
        work.tally.add(queue_id, tally.CLAIMED, end, len(held))


def _renew(work: Work, queue: QueueRef, claim_id: str, ttl: int, grace: int) -> None:
    queue_id, claim = _live(work, queue, claim_id)
    held = _held(work, queue_id, claim)
    work.tally.add(queue_id, tally.CLAIMED, claim.ends_at, -len(held))
    _hold(work, queue_id, ClaimRequest(claim_id, len(held), ttl, grace), held, more=0)
    values = {
        "q": queue_id,
        "c": claim_id,
        "new_ttl": ttl,
        "new_grace": grace,
        "renewed": work.now,
        "end": work.end(ttl),
    }
    work.db.later(_RENEW, values)


def _release(work: Work, queue: QueueRef, claim_id: str) -> None:
    """One that is over is removed, too: nobody whose clock is behind can renew it then."""
    queue_id = find(work, queue) if work.db.storable(claim_id) else None
    if queue_id is None:
        return
    for claim in work.db.all(_BY_IDS, {"q": queue_id, "ids": [claim_id]}):
        if claim.ends_at > work.second:
            held = _held(work, queue_id, claim)
            work.tally.add(queue_id, tally.CLAIMED, claim.ends_at, -len(held))
            rows.give_back(work, queue_id, [row.seq for row in held])
            work.woken.add(queue)
        work.db.later(_DELETE, {"q": queue_id, "c": claim_id})
