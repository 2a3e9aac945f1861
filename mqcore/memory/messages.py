"""Messages in memory."""

from collections.abc import Sequence
from itertools import islice

from ..contract import (
    ClaimNotFound,
    Handle,
    Message,
    MessageClaimed,
    MessageController,
    MessageNotClaimedBy,
    MQError,
    NewMessage,
    Page,
    QueueEmpty,
    QueueNotFound,
    QueueRef,
)
from .box import ALL, DELAYED, FREE, UNDELAYED, Box, Row
from .store import Controller

__all__ = ["Messages"]


class Messages(Controller, MessageController):
    def post(self, queue: QueueRef, messages: Sequence[NewMessage]) -> Sequence[str | MQError]:
        with self._box(queue) as (box, now):
            if box is None:
                raise QueueNotFound(queue)
            box.check_version(queue)
            for new in messages:
                if new.id not in box.by_id:
                    number = next(self._handle.store.counter)
                    visible_at = now + new.delay if new.delay else 0
                    box.add(Row(number, new, new.ttl, now, now + new.ttl, visible_at))
            self._handle.waking.tell(queue)
            return [new.id for new in messages]

    joins_posts = True
    joins_pages = True

    def get_many(self, queue: QueueRef, ids: Sequence[str]) -> tuple[Message, ...]:
        with self._box(queue) as (box, _):
            if box is None:
                return ()
            return tuple(box.by_id[i].message() for i in dict.fromkeys(ids) if i in box.by_id)

    def list(
        self,
        queue: QueueRef,
        *,
        marker: str | None = None,
        limit: int = 10,
        hide_client: str | None = None,
        include_claimed: bool = False,
        include_delayed: bool = False,
    ) -> Page[Message]:
        places = [UNDELAYED if include_claimed else FREE, *[DELAYED] * include_delayed]
        with self._box(queue) as (box, _):
            if box is None or (marker and not (marker.isascii() and marker.isdigit())):
                return Page((), None)
            shown = (
                row
                for row in box.rows(*places, after=int((marker or "0")[:20]))
                if hide_client is None or row.new.client != hide_client
            )
            rows = list(islice(shown, limit))
            items = tuple(row.message() for row in rows)
            return Page(items, str(rows[-1].number) if rows else None)

    def first(self, queue: QueueRef, sort: int = 1) -> Message:
        if sort not in (1, -1):
            raise ValueError("sort is 1 for the oldest message or -1 for the newest")
        with self._box(queue) as (box, _):
            if box is not None:
                for row in box.rows(*ALL, newest_first=sort == -1):
                    return row.message()
            raise QueueEmpty(queue)

    def delete(
        self, queue: QueueRef, handles: Sequence[Handle], *, all_or_nothing: bool = False
    ) -> Sequence[MQError | None]:
        with self._box(queue) as (box, _):
            if box is None:
                return [None] * len(handles)
            errors = [self._refusal(queue, box, handle) for handle in handles]
            for error in errors:
                if error and all_or_nothing:
                    raise error
            for handle, error in zip(handles, errors, strict=True):
                row = box.by_id.get(handle.id)
                if row and not error:
                    box.remove(row)
            return errors

    def _refusal(self, queue: QueueRef, box: Box, handle: Handle) -> MQError | None:
        row = box.by_id.get(handle.id)
        if row is None or handle.force:
            return None
        if not handle.claim_ids:
            return MessageClaimed(handle.id) if row.claim else None
        if row.claim and row.claim.id in handle.claim_ids:
            return None
        live = [claim_id for claim_id in handle.claim_ids if claim_id in box.claims]
        if not live:
            return ClaimNotFound(handle.claim_ids[0], queue)
        return MessageNotClaimedBy(handle.id, live[0])

    def pop(self, queue: QueueRef, limit: int) -> tuple[Message, ...]:
        with self._box(queue) as (box, _):
            if box is None:
                return ()
            rows = list(islice(box.rows(FREE), limit))
            for row in rows:
                box.remove(row)
            return tuple(row.message() for row in rows)

    def purge(self, queue: QueueRef) -> None:
        with self._box(queue) as (box, _):
            if box is not None:
                box.clear()
