"""Claims in memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from ..contract import (
    Claim,
    ClaimController,
    ClaimNotFound,
    ClaimRequest,
    MQError,
    QueueNotFound,
    QueueRef,
)
from .box import FREE, Box, Lease, Row
from .store import Controller

__all__ = ["Claims"]


class Claims(Controller, ClaimController):
    def claim(
        self, queue: QueueRef, requests: Sequence[ClaimRequest]
    ) -> Sequence[Claim | MQError | None]:
        with self._box(queue) as (box, now):
            if box is None:
                return [None] * len(requests)
            box.check_version(queue)
            return [self._claim(queue, box, now, request) for request in requests]

    def _claim(
        self, queue: QueueRef, box: Box, now: float, request: ClaimRequest
    ) -> Claim | MQError | None:
        if request.id in box.claims:
            return box.claims[request.id].claim()
        letter = request.dead_letter
        chosen: list[Row] = []
        doomed: list[Row] = []
        while box.places[FREE] and len(chosen) < request.limit:
            row = box.take()
            spent = letter is not None and row.claim_count >= letter.max_claims
            (doomed if spent else chosen).append(row)
        if letter and doomed:
            target = QueueRef(queue.project, letter.name)
            with self._box(target) as (dead_letters, _):
                box.free(doomed)
                if dead_letters is None:
                    box.free(chosen)
                    return QueueNotFound(target)
                for row in doomed:
                    box.remove(row)
                    if row.new.id not in dead_letters.by_id:
                        dead_letters.add(self._dead(row, now, letter.ttl))
            self._handle.waking.tell(target)
        if not chosen:
            return None
        lease = Lease(request.id, request.ttl, request.grace, now)
        box.hold(lease, chosen)
        return lease.claim()

    def _dead(self, row: Row, now: float, ttl: int | None) -> Row:
        moved = replace(row, number=next(self._handle.store.counter), claim_count=0)
        if ttl is not None:
            moved.ttl, moved.expires_at = ttl, now + ttl
        return moved

    def get(self, queue: QueueRef, claim_id: str) -> Claim:
        with self._lease(queue, claim_id) as (_, lease, _now):
            return lease.claim()

    def renew(self, queue: QueueRef, claim_id: str, *, ttl: int, grace: int) -> None:
        with self._lease(queue, claim_id) as (box, lease, now):
            lease.ttl, lease.grace, lease.renewed_at = ttl, grace, now
            box.extend(lease)

    def release(self, queue: QueueRef, claim_id: str) -> None:
        with self._box(queue) as (box, _):
            if box is not None and claim_id in box.claims:
                box.end_claim(box.claims[claim_id])
                self._handle.waking.tell(queue)

    @contextmanager
    def _lease(self, queue: QueueRef, claim_id: str) -> Iterator[tuple[Box, Lease, float]]:
        with self._box(queue) as (box, now):
            if box is None or claim_id not in box.claims:
                raise ClaimNotFound(claim_id, queue)
            yield box, box.claims[claim_id], now
