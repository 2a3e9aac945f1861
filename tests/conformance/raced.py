"""Faults that show only while others work on the same store at the same moment."""

import time
from collections.abc import Sequence
from typing import Any

from mqcore import memory
from mqcore.contract import Handle, Message, MQError, NewMessage, Page, QueueRef

__all__ = ["BatchInPieces", "DeleteLooksFirst", "MarkerCounts", "RenewLooksFirst"]

ROUND_TRIP = 0.005
"""Seconds to a store that is far away."""


class RenewLooksFirst(memory.claims.Claims):
    """Looks whether the claim is live, and renews it in a step of its own."""

    def renew(self, queue: QueueRef, claim_id: str, *, ttl: int, grace: int) -> None:
        with self._lease(queue, claim_id) as (_, lease, now):
            rows = list(lease.rows.values())
        time.sleep(ROUND_TRIP)
        with self._box(queue) as (box, _):
            if box is None:
                return
            if claim_id in box.claims:
                box.end_claim(box.claims[claim_id])
            there = [row for row in rows if row.new.id in box.by_id]
            for row in there:
                box.places[memory.box.FREE].pop(row.number, None)
                row.claim_count -= 1  # which holding them adds
            box.hold(memory.box.Lease(claim_id, ttl, grace, now), there)


class DeleteLooksFirst(memory.messages.Messages):
    """Looks whether the handle gives the right, and deletes in a step of its own."""

    def delete(
        self, queue: QueueRef, handles: Sequence[Handle], *, all_or_nothing: bool = False
    ) -> Sequence[MQError | None]:
        with self._box(queue) as (box, _):
            errors = [self._refusal(queue, box, handle) if box else None for handle in handles]
        for error in errors:
            if error and all_or_nothing:
                raise error
        time.sleep(ROUND_TRIP)
        for handle, error in zip(handles, errors, strict=True):
            if not error:
                super().delete(queue, [Handle(handle.id, force=True)])
        return errors


class MarkerCounts(memory.messages.Messages):
    """Its marker says how many messages have been listed."""

    def list(self, queue: QueueRef, *, marker: str | None = None, **options: Any) -> Page[Message]:
        limit = options.pop("limit", 10)
        start = int(marker or 0)
        items = super().list(queue, limit=start + limit, **options).items[start:]
        return Page(items, str(start + len(items)) if items else None)


class BatchInPieces(memory.messages.Messages):
    """Stores one message of a batch after the other."""

    def post(self, queue: QueueRef, messages: Sequence[NewMessage]) -> Sequence[str | MQError]:
        return [
            result
            for new in messages
            for result in memory.messages.Messages.post(self, queue, [new])
        ]
