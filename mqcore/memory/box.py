"""What is in one queue: messages by state and number, claims, and what will happen when."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush, merge
from math import inf
from operator import attrgetter
from typing import Any

from sortedcontainers import SortedDict

from ..contract import Claim, Message, Metadata, MetadataConflict, NewMessage, QueueRef

__all__ = [
    "ALL",
    "CLAIM_ENDS",
    "DELAYED",
    "DELAY_ENDS",
    "EXPIRES",
    "FREE",
    "UNDELAYED",
    "Box",
    "Lease",
    "Row",
]

FREE, DELAYED, UNDELAYED = range(3)
"""Where messages are: those that are free are undelayed, too, and so are those that are claimed."""
ALL = (DELAYED, UNDELAYED)

CLAIM_ENDS, DELAY_ENDS, EXPIRES = "claim ends", "delay ends", "expires"
"""What happens to a queue; of what is due at the same time, in this order."""

Event = tuple[float, str, str]
"""When, what, and the id of the message or claim."""

MOVED = 4
"""How many events of an older timeline move with each new one."""


@dataclass(slots=True, eq=False)
class Row:
    """A message and its state."""

    number: int
    new: NewMessage
    ttl: int
    posted_at: float
    expires_at: float
    visible_at: float
    claim: "Lease | None" = None
    claim_count: int = 0

    def message(self) -> Message:
        new, claim = self.new, self.claim
        return Message(
            new.id,
            new.body,
            self.ttl,
            self.posted_at,
            claim.id if claim else None,
            self.claim_count,
            new.checksum,
        )


@dataclass(slots=True, eq=False)
class Lease:
    """A live claim and the messages that it holds, by number."""

    id: str
    ttl: int
    grace: int
    renewed_at: float
    rows: dict[int, Row] = field(default_factory=dict)

    @property
    def ends_at(self) -> float:
        return self.renewed_at + self.ttl

    def claim(self) -> Claim:
        held = tuple(row.message() for row in self.rows.values())
        return Claim(self.id, self.ttl, self.grace, self.renewed_at, held)


class Box:
    """What is in one queue."""

    def __init__(self, metadata: Metadata, version: str) -> None:
        self.metadata = metadata
        self.version = version
        self.clear()

    def clear(self) -> None:
        self.by_id: dict[str, Row] = {}
        self.places: tuple[Any, ...] = (SortedDict(), SortedDict(), SortedDict())
        self.claims: dict[str, Lease] = {}
        self.timeline: list[Event] = []
        self.older: list[Event] = []
        """A timeline of which most is void, until what still counts has moved to the other one."""

    def check_version(self, queue: QueueRef) -> None:
        """Raises MetadataConflict when the reference is to another version."""
        if queue.if_version not in (None, self.version):
            raise MetadataConflict(queue)

    def settle(self, now: float, most: float = inf) -> int:
        """Let happen what is due; return how many messages and claims are gone by it.

        A call settles all of it, each message once, so that no view has to look at the time.
        A store that others wait for does this in bounded steps, as the contract says.
        """
        gone = 0
        while gone < most and (timeline := self._soonest()) and timeline[0][0] <= now:
            event = heappop(timeline)
            if not self._counts(event):
                continue
            _, what, key = event
            if what == CLAIM_ENDS:
                self.end_claim(self.claims[key])
                gone += 1
            elif what == EXPIRES:
                self.remove(self.by_id[key])
                gone += 1
            else:
                self.end_delay(self.by_id[key])
        return gone

    def _soonest(self) -> list[Event]:
        """The timeline whose first event is next."""
        older, newer = self.older, self.timeline
        return newer if not older or (newer and newer[0] < older[0]) else older

    def _counts(self, event: Event) -> bool:
        """Whether that is still when the message or the claim has it."""
        at, what, key = event
        if what == CLAIM_ENDS:
            lease = self.claims.get(key)
            return lease is not None and lease.ends_at == at
        row = self.by_id.get(key)
        return row is not None and at == (row.expires_at if what == EXPIRES else row.visible_at)

    def at(self, time: float, what: str, key: str) -> None:
        """Have it happen at that time, if it still counts then.

        So nothing has to be searched for and taken back. What is void goes once it is the most:
        a few with each call, so that no call takes longer than others.
        """
        heappush(self.timeline, (time, what, key))
        valid = len(self.by_id) + len(self.places[DELAYED]) + len(self.claims)
        if not self.older and len(self.timeline) > 2 * valid + 100:
            self.older, self.timeline = self.timeline, []
        for _ in range(min(MOVED, len(self.older))):
            # What is left of a heap without its last is a heap.
            event = self.older.pop()
            if self._counts(event):
                heappush(self.timeline, event)

    def add(self, row: Row) -> None:
        self.by_id[row.new.id] = row
        for place in (DELAYED,) if row.visible_at else (FREE, UNDELAYED):
            self.places[place][row.number] = row
        self.at(row.expires_at, EXPIRES, row.new.id)
        if row.visible_at:
            self.at(row.visible_at, DELAY_ENDS, row.new.id)

    def remove(self, row: Row) -> None:
        del self.by_id[row.new.id]
        if row.visible_at:
            del self.places[DELAYED][row.number]
            return
        del self.places[UNDELAYED][row.number]
        if row.claim:
            del row.claim.rows[row.number]
        else:
            del self.places[FREE][row.number]

    def end_delay(self, row: Row) -> None:
        del self.places[DELAYED][row.number]
        row.visible_at = 0
        self.places[FREE][row.number] = self.places[UNDELAYED][row.number] = row

    def take(self) -> Row:
        """The oldest free message, which is not free any more: hold it, or let it go."""
        row: Row = self.places[FREE].popitem(0)[1]
        return row

    def free(self, rows: Iterable[Row]) -> None:
        """Let go of messages that were taken or held."""
        for row in rows:
            row.claim = None
            self.places[FREE][row.number] = row

    def hold(self, lease: Lease, rows: Iterable[Row]) -> None:
        """Put messages that were taken under a new claim."""
        self.claims[lease.id] = lease
        for row in rows:
            row.claim = lease
            row.claim_count += 1
            lease.rows[row.number] = row
        self.extend(lease)

    def extend(self, lease: Lease) -> None:
        """Keep the claim and its messages until its end (spec 1.4)."""
        ends_at = lease.ends_at
        self.at(ends_at, CLAIM_ENDS, lease.id)
        for row in lease.rows.values():
            if row.expires_at < ends_at:
                row.expires_at = ends_at + lease.grace
                row.ttl = lease.ttl + lease.grace
                self.at(row.expires_at, EXPIRES, row.new.id)

    def end_claim(self, lease: Lease) -> None:
        del self.claims[lease.id]
        self.free(lease.rows.values())

    def rows(self, *places: int, after: int = 0, newest_first: bool = False) -> Iterator[Row]:
        """The messages in these places, by number."""
        runs = [
            map(rows.__getitem__, rows.irange(after, None, (False, False), newest_first))
            for rows in map(self.places.__getitem__, places)
        ]
        if len(runs) == 1:
            return runs[0]
        return merge(*runs, key=attrgetter("number"), reverse=newest_first)

    def counts(self) -> tuple[int, int]:
        """How many messages no claim holds, and how many one does."""
        free, delayed, undelayed = map(len, self.places)
        return free + delayed, undelayed - free
