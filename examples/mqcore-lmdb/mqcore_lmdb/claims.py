"""Claims: leases on messages. Each has the numbers of the messages that it took."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import mqcore.contract as mq

from .box import CLAIMED, FREE, STEP, Box, Row, digest
from .queues import find_box
from .store import Store, Transaction


@dataclass(frozen=True, slots=True)
class Lease:
    id: str
    ttl: int
    grace: int
    renewed_at: float
    numbers: list[int]


class Claims(mq.ClaimController):
    def __init__(self, store: Store) -> None:
        self._store = store

    def claim(
        self, queue: mq.QueueRef, requests: Sequence[mq.ClaimRequest]
    ) -> Sequence[mq.Claim | mq.MQError | None]:
        with self._store.begin(write=True) as tx:
            box = find_box(tx, queue)
            return [_claim(box, queue, each) if box else None for each in requests]

    def get(self, queue: mq.QueueRef, claim_id: str) -> mq.Claim:
        with self._store.begin() as tx:
            return _to_claim(*_find(tx, queue, claim_id))

    def renew(self, queue: mq.QueueRef, claim_id: str, *, ttl: int, grace: int) -> None:
        with self._store.begin(write=True) as tx:
            box, lease = _find(tx, queue, claim_id)
            held = _held(box, lease)
            _hold(box, replace(lease, ttl=ttl, grace=grace, renewed_at=tx.now), held)

    def release(self, queue: mq.QueueRef, claim_id: str) -> None:
        with self._store.begin(write=True) as tx:
            if box := find_box(tx, queue):
                end(tx, box.key + digest(claim_id))


def _find(tx: Transaction, queue: mq.QueueRef, claim_id: str) -> tuple[Box, Lease]:
    box = find_box(tx, queue)
    lease = box and live(box, claim_id)
    if not box or not lease:
        raise mq.ClaimNotFound(claim_id, queue)
    return box, lease


def live(box: Box, claim_id: str) -> Lease | None:
    return box.tx.load(Lease, box.key + digest(claim_id))


def _held(box: Box, lease: Lease) -> list[Row]:
    """Those of its messages that it still holds."""
    rows = (box.row(number) for number in lease.numbers)
    return [row for row in rows if row and row.holder(box.now) == lease.id]


def _to_claim(box: Box, lease: Lease) -> mq.Claim:
    messages = tuple(map(box.message, _held(box, lease)))
    return mq.Claim(lease.id, lease.ttl, lease.grace, lease.renewed_at, messages)


def end(tx: Transaction, key: bytes) -> None:
    """Remove the claim and free what it holds, but nothing that another one holds by now."""
    box, lease = Box(tx, key[:8]), tx.load(Lease, key, over=True)
    tx.drop(Lease, key)
    for number in lease.numbers if lease else ():
        row = box.row(number, over=True)
        if lease and row and row.claim_id == lease.id:
            box.set_free(row)


def _claim(box: Box, queue: mq.QueueRef, request: mq.ClaimRequest) -> mq.Claim | mq.MQError | None:
    if made := live(box, request.id):
        return _to_claim(box, made)
    box.promote(STEP + request.limit)
    letter = request.dead_letter
    chosen: list[Row] = []
    spent: list[Row] = []
    for row in box.rows(FREE):
        dead = letter is not None and row.claim_count >= letter.max_claims
        (spent if dead else chosen).append(row)
        if len(chosen) == request.limit or len(spent) == STEP:
            break
    if letter and spent:
        target = mq.QueueRef(queue.project, letter.name)
        dead_letters = find_box(box.tx, target)
        if dead_letters is None:
            return mq.QueueNotFound(target)
        for row in spent:
            _bury(box, row, dead_letters, letter.ttl)
    if not chosen:
        return None
    numbers = [row.number for row in chosen]
    lease = Lease(request.id, request.ttl, request.grace, box.now, numbers)
    _hold(box, lease, [replace(row, claim_count=row.claim_count + 1) for row in chosen])
    return _to_claim(box, lease)


def _hold(box: Box, lease: Lease, rows: Sequence[Row]) -> None:
    """Store the claim, and its messages as held until its end (spec 1.4)."""
    end = lease.renewed_at + lease.ttl
    box.tx.save(box.key + digest(lease.id), lease, end)
    for row in rows:
        held = replace(row, state=CLAIMED, visible_at=end, claim_id=lease.id)
        if row.expires_at < end:
            held = replace(held, ttl=lease.ttl + lease.grace, expires_at=end + lease.grace)
        box.change(row, held)


def _bury(box: Box, row: Row, dead_letters: Box, ttl: int | None) -> None:
    """Move the message to the end of the other queue."""
    body = box.message(row).body
    box.remove(row)
    row = replace(row, claim_count=0)
    if ttl is not None:
        row = replace(row, ttl=ttl, expires_at=box.now + ttl)
    dead_letters.add(row, body)
