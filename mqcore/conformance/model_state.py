"""What the model knows of a queue, and the time by which everything in it begins and ends."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..contract import Claim, Message, Metadata, NewMessage, QueueNotFound, QueueRef

__all__ = ["Box", "Lease", "Row", "State"]


@dataclass(eq=False)
class Lease:
    id: str
    ttl: int
    grace: int
    renewed_at: float

    @property
    def ends_at(self) -> float:
        return self.renewed_at + self.ttl


@dataclass(eq=False)
class Row:
    """A message in a queue. Its number says where: a higher one is further back."""

    number: int
    new: NewMessage
    ttl: int
    posted_at: float
    expires_at: float
    visible_at: float
    lease: Lease | None = None
    claim_count: int = 0

    def message(self) -> Message:
        claim_id = self.lease.id if self.lease else None
        new = self.new
        return Message(
            new.id, new.body, self.ttl, self.posted_at, claim_id, self.claim_count, new.checksum
        )


@dataclass
class Box:
    """What is in a queue: its messages in posting order, and its live claims."""

    metadata: Metadata
    version: str
    rows: list[Row] = field(default_factory=list)
    leases: dict[str, Lease] = field(default_factory=dict)

    def tidy(self, now: float) -> None:
        """Drop what is over by now."""
        self.leases = {key: lease for key, lease in self.leases.items() if now < lease.ends_at}
        for row in self.rows:
            if row.lease and now >= row.lease.ends_at:
                row.lease = None
        self.rows = [row for row in self.rows if now < row.expires_at]

    def find(self, message_id: str) -> Row | None:
        for row in self.rows:
            if row.new.id == message_id:
                return row
        return None

    def held_by(self, lease: Lease) -> list[Row]:
        return [row for row in self.rows if row.lease is lease]

    def claim(self, lease: Lease) -> Claim:
        held = tuple(row.message() for row in self.held_by(lease))
        return Claim(lease.id, lease.ttl, lease.grace, lease.renewed_at, held)


class State:
    """All queues of one store. `preferred` says in which order claims and pops take messages.

    Where FIFO is not declared, the tests set it to the ids that the driver took, and so follow
    it; every other id comes after these, oldest first.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.boxes: dict[QueueRef, Box] = {}
        self.preferred: list[str] = []
        self._numbers = 0

    def next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def box(self, queue: QueueRef) -> Box | None:
        """What is in the queue now; None when there is no such queue."""
        box = self.boxes.get(queue)
        if box is not None:
            box.tidy(self.clock())
        return box

    def existing(self, queue: QueueRef) -> Box:
        box = self.box(queue)
        if box is None:
            raise QueueNotFound(queue)
        return box

    def claimable(self, box: Box) -> list[Row]:
        """The messages that can be claimed, in the order in which they are taken."""
        now, first = self.clock(), self.preferred
        free = [row for row in box.rows if row.lease is None and row.visible_at <= now]
        wanted = [row for each in first for row in free if row.new.id == each]
        return wanted + [row for row in free if row.new.id not in first]
