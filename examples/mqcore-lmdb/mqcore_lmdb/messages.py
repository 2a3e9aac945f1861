"""Messages, and claims on them."""

import re
from collections.abc import Iterable, Sequence
from itertools import islice

import mqcore.contract as mq

from .box import ALL, CLAIMED, DELAYED, Box, Controller, Row, digest, find_box, queue_key

MOST_BURIED = 500
"""The most messages that one claim moves to a dead-letter queue."""

Lease = tuple[str, int, int, float]
"""A claim as stored: its id, ttl and grace, and when it began or was last renewed."""


class Messages(Controller, mq.MessageController):
    def post(
        self, queue: mq.QueueRef, messages: Sequence[mq.NewMessage]
    ) -> Sequence[str | mq.MQError]:
        with self._box(queue, write=True, must=True) as box:
            box.add(_row(new, box.now) for new in messages)
            return [new.id for new in messages]

    def get_many(self, queue: mq.QueueRef, ids: Sequence[str]) -> tuple[mq.Message, ...]:
        with self._box(queue) as box:
            found = map(box.find, dict.fromkeys(ids))
            return tuple(row.message(box.now) for row in found if row)

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
        if marker and not re.fullmatch("[0-9a-f]{12}", marker):
            return mq.Page((), None)
        view = CLAIMED * include_claimed + DELAYED * include_delayed
        with self._box(queue) as box:
            found = box.rows(view, after=(marker or "").encode())
            shown = (row for row in found if hide_client is None or row.client != hide_client)
            rows = list(islice(shown, limit))
            items = tuple(row.message(box.now) for row in rows)
            return mq.Page(items, rows[-1].number if rows else None)

    def first(self, queue: mq.QueueRef, sort: int = 1) -> mq.Message:
        if sort not in (1, -1):
            raise ValueError("sort is 1 for the oldest message or -1 for the newest")
        with self._box(queue) as box:
            for row in box.rows(ALL, step=sort):
                return row.message(box.now)
        raise mq.QueueEmpty(queue)

    def delete(
        self, queue: mq.QueueRef, handles: Sequence[mq.Handle], *, all_or_nothing: bool = False
    ) -> Sequence[mq.MQError | None]:
        with self._box(queue, write=True) as box:
            errors = [_refusal(queue, box, handle) for handle in handles]
            for error in errors:
                if error and all_or_nothing:
                    raise error
            granted = [each.id for each, error in zip(handles, errors, strict=True) if not error]
            box.change((row, None) for each in granted if (row := box.find(each)))
            return errors

    def pop(self, queue: mq.QueueRef, limit: int) -> tuple[mq.Message, ...]:
        with self._box(queue, write=True) as box:
            rows = _freed(box, list(islice(box.rows(), limit)))
            box.change((row, None) for row in rows)
            return tuple(row.message(box.now) for row in rows)

    def purge(self, queue: mq.QueueRef) -> None:
        with self._box(queue, write=True) as box:
            if box.exists:
                box.tx.put(queue_key(queue), box.tx.next_number() + box.record)
                box.tx.save(b"trash/" + box.key, [], box.now)


def _row(new: mq.NewMessage, now: float) -> Row:
    times = now, now + new.ttl, now + new.delay if new.delay else 0
    return Row(new.body, "", new.id, new.client, new.checksum, new.ttl, *times)


def _refusal(queue: mq.QueueRef, box: Box, handle: mq.Handle) -> mq.MQError | None:
    row = box.find(handle.id)
    if row is None or handle.force:
        return None
    holder = row.message(box.now).claim_id
    if not handle.claim_ids:
        return mq.MessageClaimed(handle.id) if holder else None
    if holder in handle.claim_ids:
        return None
    living = [each for each in handle.claim_ids if _find(box, each)]
    if not living:
        return mq.ClaimNotFound(handle.claim_ids[0], queue)
    return mq.MessageNotClaimedBy(handle.id, living[0])


class Claims(Controller, mq.ClaimController):
    def claim(
        self, queue: mq.QueueRef, requests: Sequence[mq.ClaimRequest]
    ) -> Sequence[mq.Claim | mq.MQError | None]:
        with self._box(queue, write=True) as box:
            return [_claim(box, queue, request) for request in requests]

    def get(self, queue: mq.QueueRef, claim_id: str) -> mq.Claim:
        with self._box(queue) as box:
            if found := _find(box, claim_id):
                return found
            raise mq.ClaimNotFound(claim_id, queue)

    def renew(self, queue: mq.QueueRef, claim_id: str, *, ttl: int, grace: int) -> None:
        with self._box(queue, write=True) as box:
            if not _find(box, claim_id):
                raise mq.ClaimNotFound(claim_id, queue)
            _hold(box, (claim_id, ttl, grace, box.now), _held(box, digest(claim_id)))

    def release(self, queue: mq.QueueRef, claim_id: str) -> None:
        with self._box(queue, write=True) as box:
            end_claim(box, digest(claim_id))


def _find(box: Box, claim_id: str) -> mq.Claim | None:
    """The claim, if it is live, with the messages that it still holds."""
    lease: Lease | None = box.tx.load(b"claim/" + box.key + digest(claim_id))
    if lease is None:
        return None
    return mq.Claim(*lease, tuple(row.message(box.now) for row in _held(box, digest(claim_id))))


def _held(box: Box, claim: bytes) -> list[Row]:
    found = box.tx.scan(b"held/" + box.key + claim)
    return [row for number, _ in found if (row := box.row(number))]


def _hold(box: Box, lease: Lease, rows: Iterable[Row], times: int = 0) -> None:
    """Store the claim, and its messages as held until its end (spec 1.4)."""
    claim_id, ttl, grace, renewed_at = lease
    end = renewed_at + ttl
    box.tx.save(b"claim/" + box.key + digest(claim_id), lease, end)
    pairs = []
    for row in rows:
        held = row._replace(visible_at=end, claim_id=claim_id, claim_count=row.claim_count + times)
        if row.expires_at < end:
            held = held._replace(ttl=ttl + grace, expires_at=end + grace)
        pairs.append((row, held))
    box.change(pairs)


def end_claim(box: Box, claim: bytes) -> None:
    """Remove the claim and free what it still holds."""
    held = _held(box, claim)
    box.change((row, row._replace(visible_at=0, claim_id=None)) for row in held)
    box.tx.save(b"claim/" + box.key + claim, None)


def _freed(box: Box, rows: Sequence[Row]) -> list[Row]:
    """The rows, without the claims that held them: nobody whose clock is behind can renew one."""
    for claim_id in {row.claim_id for row in rows if row.claim_id}:
        end_claim(box, digest(claim_id))
    return [row._replace(visible_at=0, claim_id=None) if row.claim_id else row for row in rows]


def _claim(box: Box, queue: mq.QueueRef, request: mq.ClaimRequest) -> mq.Claim | mq.MQError | None:
    if made := _find(box, request.id):
        return made
    end_claim(box, digest(request.id))  # An old one with this id may be over, but still there.
    letter = request.dead_letter
    chosen: list[Row] = []
    spent: list[Row] = []
    for row in box.rows():
        dead = letter is not None and row.claim_count >= letter.max_claims
        (spent if dead else chosen).append(row)
        if len(chosen) == request.limit or len(spent) == MOST_BURIED:
            break
    chosen, spent = _freed(box, chosen), _freed(box, spent)
    if letter and spent:
        target = mq.QueueRef(queue.project, letter.name)
        dead_letters = find_box(box.tx, target)
        if not dead_letters.exists:
            return mq.QueueNotFound(target)
        box.change((row, None) for row in spent)
        dead_letters.add(_dead(row, box.now, letter.ttl) for row in spent)
    if not chosen:
        return None
    _hold(box, (request.id, request.ttl, request.grace, box.now), chosen, times=1)
    return _find(box, request.id)


def _dead(row: Row, now: float, ttl: int | None) -> Row:
    """What the message becomes in a dead-letter queue."""
    if ttl is not None:
        row = row._replace(ttl=ttl, expires_at=now + ttl)
    return row._replace(visible_at=0, claim_id=None, claim_count=0)
