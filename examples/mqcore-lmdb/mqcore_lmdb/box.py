"""What is in one queue, in one transaction.

Every queue has a number, and so has every message, in posting order. What is stored:

    queue/ project, name          the queue's number, its version, its metadata
    message/ queue, number        a message without its body
    body/ queue, number           its body, so that a claim need not write it again
    id/ queue, id                 its number
    held/ queue, claim, number    nothing: which messages a claim holds
    block/ queue, length, digits  a summary of the messages whose numbers begin with the digits

A purge gives the queue a new number: nothing that lies under the old one can be found again.
"""

import json
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any, NamedTuple

import mqcore.contract as mq

from .store import Store, Transaction, timed

DIGITS = 12
CLAIMED, DELAYED, ALL = 1, 2, 3
"""What a view shows beside free messages."""

SUMMARY = struct.Struct(">5d2Q")
"""The last end; for each of the four views, when the first message comes into it; two counts."""


def digest(*names: str | None) -> bytes:
    """Text of any length as part of a key. Project and name are never run together."""
    return blake2b(json.dumps(names).encode(), digest_size=16).digest()


def queue_key(queue: mq.QueueRef) -> bytes:
    return b"queue/" + digest(queue.project) + queue.name.encode()


class Row(NamedTuple):
    """A message as stored. It is claimed, or else delayed, until `visible_at`."""

    body: bytes
    number: str
    id: str
    client: str | None
    checksum: str | None
    ttl: int
    posted_at: float
    expires_at: float
    visible_at: float = 0
    claim_id: str | None = None
    claim_count: int = 0

    def message(self, now: float) -> mq.Message:
        holder = self.claim_id if self.visible_at > now else None
        shown = (self.id, self.body, self.ttl, self.posted_at)
        return mq.Message(*shown, holder, self.claim_count, self.checksum)

    def entries(self, queue: bytes) -> dict[bytes, bytes]:
        """All that is stored of it."""
        number = self.number.encode()
        state = CLAIMED if self.claim_id else DELAYED
        starts = (0 if view & state else self.visible_at for view in range(4))
        summary = SUMMARY.pack(self.expires_at, *starts, 1, state == CLAIMED)
        held = b"held/" + queue + digest(self.claim_id) + number
        return {
            **timed(b"message/" + queue + number, self[1:], self.expires_at),
            b"body/" + queue + number: self.body,
            b"id/" + queue + digest(self.id): number,
            b"block/" + queue + bytes([DIGITS]) + number: summary,
            **({held: b""} if self.claim_id else {}),
        }


class Box:
    """The messages of a queue. One that is missing has none: its number is never given."""

    def __init__(self, tx: Transaction, record: bytes) -> None:
        self.tx = tx
        self.now = tx.now
        self.exists = bool(record)
        self.key, self.record = record[:DIGITS].ljust(DIGITS), record[DIGITS:]

    def row(self, number: bytes) -> Row | None:
        record = self.tx.load(b"message/" + self.key + number, over=True)
        return Row(self.tx.get(b"body/" + self.key + number) or b"", *record) if record else None

    def find(self, message_id: str, *, over: bool = False) -> Row | None:
        number = self.tx.get(b"id/" + self.key + digest(message_id))
        row = self.row(number) if number else None
        return row if row and (over or row.expires_at > self.now) else None

    def add(self, rows: Iterable[Row]) -> None:
        """Append messages under new numbers, except those whose ids are in the queue already."""
        self.change(
            (self.find(row.id, over=True), row._replace(number=self.tx.next_number().decode()))
            for row in rows
            if not self.find(row.id)
        )

    def change(self, pairs: Iterable[tuple[Row | None, Row | None]]) -> None:
        """Store new rows in place of old ones, pair by pair; None is none."""
        numbers: set[bytes] = set()
        for pair in pairs:
            self.tx.replace(*(row.entries(self.key) if row else {} for row in pair))
            numbers.update(row.number.encode() for row in pair if row)
        for length in reversed(range(DIGITS)):
            for block in {number[:length] for number in numbers}:
                self._summarise(block)

    def _summarise(self, block: bytes) -> None:
        key = b"block/" + self.key + bytes([len(block)]) + block
        if parts := self._parts(block):
            ends, *starts, messages, claimed = zip(*(part for _, part in parts), strict=True)
            counts = sum(messages), sum(claimed)
            self.tx.put(key, SUMMARY.pack(max(ends), *map(min, starts), *counts))
        else:
            self.tx.delete(key)

    def _parts(self, block: bytes) -> list[tuple[bytes, tuple[Any, ...]]]:
        """The summaries of what is in the block: messages, or blocks with one more digit."""
        found = self.tx.scan(b"block/" + self.key + bytes([len(block) + 1]) + block)
        return [(block + digit, SUMMARY.unpack(summary)) for digit, summary in found]

    def rows(
        self, view: int = 0, after: bytes = b"", step: int = 1, block: bytes = b""
    ) -> Iterator[Row]:
        """The messages in the view, oldest first, or with `step` -1 newest first.

        A block with none is passed over: a million claimed or expired messages are no walk.
        """
        for part, (end, *starts) in self._parts(block)[::step]:
            if starts[view] <= self.now < end and part >= after[: len(part)] and part != after:
                if len(part) < DIGITS:
                    yield from self.rows(view, after, step, part)
                elif row := self.row(part):
                    yield row

    def counts(self) -> tuple[int, int]:
        """How many messages are free and claimed. What is over counts until it is collected."""
        summary = self.tx.get(b"block/" + self.key + bytes(1)) or bytes(SUMMARY.size)
        *_, messages, claimed = SUMMARY.unpack(summary)
        return messages - claimed, claimed


class Controller:
    def __init__(self, store: Store) -> None:
        self._store = store

    @contextmanager
    def _box(self, queue: mq.QueueRef, *, write: bool = False, must: bool = False) -> Iterator[Box]:
        """What is in the queue. When it is missing, nothing, or with `must` an error."""
        with self._store.begin(write=write) as tx:
            box = find_box(tx, queue)
            if must and not box.exists:
                raise mq.QueueNotFound(queue)
            yield box


def find_box(tx: Transaction, queue: mq.QueueRef) -> Box:
    return Box(tx, tx.get(queue_key(queue)) or b"")
