"""What is in one queue, in memory, as the log says.

Nothing here asks for the time or for chance: whoever applies the same entries gets the same. What
is due happens in `settle`, which only entries of the log may call.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from heapq import merge
from itertools import islice
from typing import Any

from sortedcontainers import SortedSet

from mqcore.contract import Mark, QueueStats

from .packs import Body, Packs

__all__ = ["ALL", "CLAIMED", "DELAYED", "FREE", "Box", "Lease", "Row", "moved"]

FREE, DELAYED, CLAIMED = range(3)
ALL = (FREE, DELAYED, CLAIMED)


@dataclass(slots=True, eq=False)
class Row:
    """A message; `due` is when its delay is over, 0 without one."""

    number: int
    id: str
    body: Body
    client: str | None
    checksum: str | None
    ttl: int
    posted_at: float
    ends: float
    due: float = 0
    count: int = 0
    lease: "Lease | None" = None

    @property
    def state(self) -> int:
        return CLAIMED if self.lease else DELAYED if self.due else FREE


@dataclass(slots=True, eq=False)
class Lease:
    """A claim that lives, and the numbers of the messages that it holds."""

    id: str
    ttl: int
    grace: int
    renewed_at: float
    numbers: dict[int, None] = field(default_factory=dict)

    @property
    def ends(self) -> float:
        return self.renewed_at + self.ttl


class Box:
    def __init__(self, packs: Packs) -> None:
        self.packs = packs
        self._begin()

    def _begin(self) -> None:
        self.rows: dict[int, Row] = {}
        self.numbers: dict[str, int] = {}
        self.leases: dict[str, Lease] = {}
        self._ordered: tuple[Any, ...] = (SortedSet(), SortedSet(), SortedSet())
        self._agenda: Any = SortedSet()

    def is_due(self, now: float) -> bool:
        """Whether something ended that `settle` has not seen."""
        return bool(self._agenda) and self._agenda[0][0] <= now

    def settle(self, now: float, most: int) -> int:
        """Let happen what is due, up to `most` things; return how many of these are gone by it."""
        gone = 0
        for _ in range(most):
            if not self.is_due(now):
                break
            _, kind, key = self._agenda[0]
            if kind == "lease":
                self.release(self.leases[key])
            elif kind == "life":
                self.remove(self.rows[self.numbers[key]])
            else:
                self._change(self.rows[self.numbers[key]], due=0.0)
            gone += kind != "delay"
        return gone

    def find(self, message_id: str) -> Row | None:
        number = self.numbers.get(message_id)
        return None if number is None else self.rows[number]

    def add(self, row: Row) -> None:
        self.packs.keep(row.body)
        self.numbers[row.id] = row.number
        self._insert(row)

    def remove(self, row: Row) -> None:
        self._take_out(row)
        if row.lease:
            del row.lease.numbers[row.number]
        del self.numbers[row.id]
        self.packs.drop(row.body)

    def clear(self) -> None:
        """Remove all, oldest first: waste must be numbered alike by all who do this."""
        for number in sorted(self.rows):
            self.packs.drop(self.rows[number].body)
        self._begin()

    def lease(self, lease: Lease, rows: Sequence[Row]) -> None:
        """Put these under the claim; who would end before it lives on (spec 1.4)."""
        self.leases[lease.id] = lease
        self._agenda.add((lease.ends, "lease", lease.id))
        for row in rows:
            lease.numbers[row.number] = None
            extended = {}
            if row.ends < lease.ends:
                extended = {"ends": lease.ends + lease.grace, "ttl": lease.ttl + lease.grace}
            self._change(row, lease=lease, **extended)

    def release(self, lease: Lease) -> None:
        self._forget(lease)
        for number in lease.numbers:
            self._change(self.rows[number], lease=None)

    def renew(self, lease: Lease, ttl: int, grace: int, now: float) -> None:
        self._forget(lease)
        self.lease(Lease(lease.id, ttl, grace, now), [self.rows[n] for n in lease.numbers])

    def held(self, lease: Lease) -> list[Row]:
        return [self.rows[number] for number in lease.numbers]

    def in_order(self, *states: int, after: int = 0, newest_first: bool = False) -> Iterator[Row]:
        parts = (
            self._ordered[state].irange(after, None, (False, False), newest_first)
            for state in states
        )
        return (self.rows[number] for number in merge(*parts, reverse=newest_first))

    def ends(self) -> list[Mark]:
        """The oldest and the newest message."""
        return [
            Mark(row.id, row.posted_at)
            for newest_first in (False, True)
            for row in islice(self.in_order(*ALL, newest_first=newest_first), 1)
        ]

    def stats(self) -> QueueStats:
        free, delayed, claimed = map(len, self._ordered)
        return QueueStats(free + delayed, claimed, *self.ends())

    def restore(self, row: Row) -> None:
        """Add one that a checkpoint says is there, claimed perhaps."""
        self.add(row)
        if row.lease:
            row.lease.numbers[row.number] = None

    def restore_lease(self, lease: Lease) -> None:
        self.leases[lease.id] = lease
        self._agenda.add((lease.ends, "lease", lease.id))

    def _change(self, row: Row, **changes: Any) -> None:
        self._take_out(row)
        for name, value in changes.items():
            setattr(row, name, value)
        self._insert(row)

    def _insert(self, row: Row) -> None:
        self.rows[row.number] = row
        self._ordered[row.state].add(row.number)
        self._agenda.add((row.ends, "life", row.id))
        if row.due:
            self._agenda.add((row.due, "delay", row.id))

    def _take_out(self, row: Row) -> None:
        del self.rows[row.number]
        self._ordered[row.state].remove(row.number)
        self._agenda.remove((row.ends, "life", row.id))
        if row.due:
            self._agenda.remove((row.due, "delay", row.id))

    def _forget(self, lease: Lease) -> None:
        del self.leases[lease.id]
        self._agenda.remove((lease.ends, "lease", lease.id))


def moved(row: Row, number: int, now: float, ttl: int | None) -> Row:
    """The message as it comes into a dead-letter queue."""
    fresh = replace(row, number=number, count=0, lease=None)
    if ttl is not None:
        fresh.ttl, fresh.ends = ttl, now + ttl
    return fresh
