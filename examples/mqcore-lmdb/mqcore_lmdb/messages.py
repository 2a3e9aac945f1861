"""Messages."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import mqcore.contract as mq

from .box import ALL, CLAIMED, DELAYED, FREE, STEP, Box, Row
from .claims import live
from .queues import empty, find_box
from .store import Store


class Messages(mq.MessageController):
    def __init__(self, store: Store) -> None:
        self._store = store

    def post(
        self, queue: mq.QueueRef, messages: Sequence[mq.NewMessage]
    ) -> Sequence[str | mq.MQError]:
        with self._store.begin(write=True) as tx:
            box, now = find_box(tx, queue), tx.now
            if box is None:
                raise mq.QueueNotFound(queue)
            for new in messages:
                row = Row(0, new.id, new.ttl, now, now + new.ttl, new.client, new.checksum)
                if new.delay:
                    row = replace(row, state=DELAYED, visible_at=now + new.delay)
                box.add(row, new.body)
            return [new.id for new in messages]

    def get_many(self, queue: mq.QueueRef, ids: Sequence[str]) -> tuple[mq.Message, ...]:
        with self._store.begin() as tx:
            box = find_box(tx, queue)
            if box is None:
                return ()
            found = (box.find(each) for each in dict.fromkeys(ids))
            return tuple(box.message(row) for row in found if row)

    def list(
        self,
        queue: mq.QueueRef,
        *,
        marker: str | None = None,
        limit: int = 10,
        hide_client: str | None = None,
        include_claimed: bool = False,
        include_delayed: bool = False,
    ) -> mq.Page[mq.Message]:
        marker = marker or "0"
        if not (marker.isascii() and marker.isdigit() and len(marker) < 19):
            return mq.Page((), None)
        states = [FREE, *[DELAYED] * include_delayed, *[CLAIMED] * include_claimed]
        self._promote(queue)
        with self._store.begin() as tx:
            box = find_box(tx, queue)
            if box is None:
                return mq.Page((), None)
            found = box.rows(*states, after=int(marker), hide_client=hide_client)
            rows = list(islice(found, limit))
            items = tuple(map(box.message, rows))
            return mq.Page(items, str(rows[-1].number) if rows else None)

    def _promote(self, queue: mq.QueueRef) -> None:
        """Writing is dear: do it only when something is due."""
        with self._store.begin() as tx:
            box = find_box(tx, queue)
            if box is None or not tx.due("hidden", box.key, 1):
                return
        with self._store.begin(write=True) as tx:
            if box := find_box(tx, queue):
                box.promote()

    def first(self, queue: mq.QueueRef, sort: int = 1) -> mq.Message:
        if sort not in (1, -1):
            raise ValueError("sort is 1 for the oldest message or -1 for the newest")
        with self._store.begin() as tx:
            if box := find_box(tx, queue):
                for row in box.rows(*ALL, step=sort):
                    return box.message(row)
        raise mq.QueueEmpty(queue)

    def delete(
        self, queue: mq.QueueRef, handles: Sequence[mq.Handle], *, all_or_nothing: bool = False
    ) -> Sequence[mq.MQError | None]:
        with self._store.begin(write=True) as tx:
            box = find_box(tx, queue)
            if box is None:
                return [None] * len(handles)
            errors = [_refusal(queue, box, handle) for handle in handles]
            for error in errors:
                if error and all_or_nothing:
                    raise error
            for handle, error in zip(handles, errors, strict=True):
                row = box.find(handle.id)
                if row and not error:
                    box.remove(row)
            return errors

    def pop(self, queue: mq.QueueRef, limit: int) -> tuple[mq.Message, ...]:
        with self._store.begin(write=True) as tx:
            box = find_box(tx, queue)
            if box is None:
                return ()
            box.promote(STEP + limit)
            rows = list(islice(box.rows(FREE), limit))
            messages = tuple(map(box.message, rows))
            for row in rows:
                box.remove(row)
            return messages

    def purge(self, queue: mq.QueueRef) -> None:
        with self._store.begin(write=True) as tx:
            empty(tx, queue)


def _refusal(queue: mq.QueueRef, box: Box, handle: mq.Handle) -> mq.MQError | None:
    row = box.find(handle.id)
    if row is None or handle.force:
        return None
    holder = row.holder(box.now)
    if not handle.claim_ids:
        return mq.MessageClaimed(handle.id) if holder else None
    if holder in handle.claim_ids:
        return None
    living = [each for each in handle.claim_ids if live(box, each)]
    if not living:
        return mq.ClaimNotFound(handle.claim_ids[0], queue)
    return mq.MessageNotClaimedBy(handle.id, living[0])
