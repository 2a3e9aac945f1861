"""What is in one queue, in one transaction. This is where the layout of the store is known.

Every queue has a number of its own, and so has every message in its queue, in posting order:

    Row     queue, message         -> the message without its body (see `Transaction.save`)
    bodies  queue, message         -> the body, so that a claim need not write it again
    ids     queue, id              -> message
    states  queue, state, message  -> nothing: which are free, delayed, claimed, in order
    hidden  queue, time, message   -> nothing: when those that are not free become free again
    counts  queue                  -> next number, how many messages, how many of them claimed
    runs    queue, message // 1024 -> the last end in the run, and its client if it has only one

Purging a queue gives it a new number: nothing that lies under the old one can be found again.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from heapq import merge

import mqcore.contract as mq

from .store import Transaction, pack, pack_time, unpack

FREE, DELAYED, CLAIMED = ALL = range(3)
RUN = 1024
STEP = 500
"""How many messages that came back one call stores as free, at least."""


def digest(*names: str | None) -> bytes:
    """Text of any length as part of a key. Project and name are never run together."""
    return blake2b(json.dumps(names).encode(), digest_size=16).digest()


def ordered(text: str) -> bytes:
    """Text as part of a key that keeps the order of UTF-8. LMDB takes keys of up to 511 bytes."""
    raw = text.encode(errors="surrogatepass")
    return raw if len(raw) < 400 else raw[:384] + digest(text)


@dataclass(frozen=True, slots=True)
class Row:
    """A message without its body. `state` is as stored, and over when `visible_at` is."""

    number: int
    id: str
    ttl: int
    posted_at: float
    expires_at: float
    client: str | None
    checksum: str | None
    state: int = FREE
    visible_at: float = 0
    claim_id: str | None = None
    claim_count: int = 0

    def holder(self, now: float) -> str | None:
        """The live claim that the message is under."""
        return self.claim_id if self.visible_at > now else None


class Box:
    def __init__(self, tx: Transaction, key: bytes) -> None:
        self.tx = tx
        self.now = tx.now
        self.key = key

    @property
    def counts(self) -> tuple[int, int, int]:
        stored = self.tx.get("counts", self.key)
        return struct.unpack(">QQQ", stored) if stored else (1, 0, 0)

    def count(self, numbers: int = 0, messages: int = 0, claimed: int = 0) -> None:
        """Add to the counts."""
        a, b, c = self.counts
        self.tx.put("counts", self.key, struct.pack(">QQQ", a + numbers, b + messages, c + claimed))

    def row(self, number: int, *, over: bool = False) -> Row | None:
        return self.tx.load(Row, self.key + pack(number), over=over)

    def find(self, message_id: str, *, over: bool = False) -> Row | None:
        number = self.tx.get("ids", self.key + digest(message_id))
        return self.row(unpack(number), over=over) if number else None

    def message(self, row: Row) -> mq.Message:
        body = self.tx.get("bodies", self.key + pack(row.number)) or b""
        claim_id = row.holder(self.now)
        return mq.Message(
            row.id, body, row.ttl, row.posted_at, claim_id, row.claim_count, row.checksum
        )

    def add(self, row: Row, body: bytes) -> None:
        """Append the message under a new number, unless its id is in the queue already."""
        if self.find(row.id):
            return
        if old := self.find(row.id, over=True):
            self.remove(old)
        row = replace(row, number=self.counts[0])
        self.count(numbers=1, messages=1)
        self.tx.put("bodies", self.key + pack(row.number), body)
        self.tx.put("ids", self.key + digest(row.id), pack(row.number))
        self._link(row)

    def remove(self, row: Row) -> None:
        self._unlink(row)
        self.count(messages=-1)
        self.tx.drop(Row, self.key + pack(row.number))
        self.tx.delete("bodies", self.key + pack(row.number))
        self.tx.delete("ids", self.key + digest(row.id))
        run = row.number // RUN
        left = self.tx.nearest("Row", self.key, run * RUN)
        if left is None or left // RUN != run:
            self.tx.delete("runs", self.key + pack(run))

    def change(self, old: Row, new: Row) -> None:
        self._unlink(old)
        self._link(new)

    def _link(self, row: Row) -> None:
        self.tx.save(self.key + pack(row.number), row, row.expires_at)
        self.tx.put("states", self._state_key(row))
        if row.state != FREE:
            self.tx.put("hidden", self._hidden_key(row))
        if row.state == CLAIMED:
            self.count(claimed=1)
        self._bound_run(row)

    def _unlink(self, row: Row) -> None:
        self.tx.delete("states", self._state_key(row))
        if row.state != FREE:
            self.tx.delete("hidden", self._hidden_key(row))
        if row.state == CLAIMED:
            self.count(claimed=-1)

    def _state_key(self, row: Row) -> bytes:
        return self.key + bytes([row.state]) + pack(row.number)

    def _hidden_key(self, row: Row) -> bytes:
        return self.key + pack_time(row.visible_at) + pack(row.number)

    def promote(self, limit: int = STEP) -> None:
        """Store as free what is free by now: its delay is over or its claim has ended.

        A call that looks for free messages does a bounded piece of this first.
        """
        for number in self.tx.due("hidden", self.key, limit):
            if row := self.row(unpack(number), over=True):
                self.set_free(row)

    def set_free(self, row: Row) -> None:
        if row.expires_at <= self.now:
            self.remove(row)
        else:
            self.change(row, replace(row, state=FREE, visible_at=0, claim_id=None))

    def rows(
        self, *states: int, after: int = 0, step: int = 1, hide_client: str | None = None
    ) -> Iterator[Row]:
        """The messages stored in these states, oldest first, or with `step` -1 newest first."""
        start = after + 1 if step > 0 else 2**63
        walks = [self._walk(state, start, step, hide_client) for state in states]
        return merge(*walks, key=lambda row: row.number, reverse=step < 0)

    def _walk(self, state: int, start: int, step: int, hide_client: str | None) -> Iterator[Row]:
        prefix = self.key + bytes([state])
        number = self.tx.nearest("states", prefix, start, step)
        while number is not None:
            row = self.row(number)
            if row and (hide_client is None or row.client != hide_client):
                yield row
                start = number + step
            else:
                start = self._leap(number, step, hide_client)
            number = self.tx.nearest("states", prefix, start, step)

    def _leap(self, number: int, step: int, hide_client: str | None) -> int:
        """Where to go on after a message that is not wanted; -1 is nowhere.

        Runs without a wanted message are left out, so that a million expired ones are no walk.
        """
        run = self.tx.nearest("runs", self.key, number // RUN, step)
        while run is not None:
            last_end, client = json.loads(self.tx.get("runs", self.key + pack(run)) or b"[0, null]")
            if last_end > self.now and (hide_client is None or client != hide_client):
                return max(number + 1, run * RUN) if step > 0 else min(number, (run + 1) * RUN) - 1
            run = self.tx.nearest("runs", self.key, run + step, step)
        return -1

    def _bound_run(self, row: Row) -> None:
        key = self.key + pack(row.number // RUN)
        stored = self.tx.get("runs", key)
        last_end, client = json.loads(stored) if stored else (0, row.client)
        bounds = [max(last_end, row.expires_at), client if client == row.client else None]
        self.tx.put("runs", key, json.dumps(bounds).encode())
