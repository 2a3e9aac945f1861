"""What the keys in Redis are called.

    mqcore:layout                            how the rest is laid out
    mqcore:{3}:agenda                        which queues of partition 3 have what to tidy, and when
    mqcore:{3}:p=demo:names                  the queues of project "demo"
    mqcore:{3}:p=demo:orders:stream          the messages of its queue "orders"

All keys of a partition have one hash tag, so that a Cluster keeps them together and a script may
touch them all. A project is in one partition.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote
from zlib import crc32

from mqcore.contract import QueueRef

__all__ = ["Keys", "QueueKeys"]

OF_QUEUE = (
    *("queue", "stream", "ids", "ends", "runs", "ready", "held", "due", "later", "came", "late"),
    *("claims", "leases"),
)
OF_SUBSCRIPTIONS = ("subscriptions", "subscribers", "subscription_ids", "subscription_ends")


@dataclass(frozen=True, slots=True)
class QueueKeys:
    """The keys of one queue name. `stem` is what they have in common and stands for the queue."""

    stem: str
    agenda: str
    queue: tuple[str, ...] = field(init=False)
    subscriptions: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "queue", tuple(f"{self.stem}:{kind}" for kind in OF_QUEUE))
        object.__setattr__(
            self, "subscriptions", tuple(f"{self.stem}:{kind}" for kind in OF_SUBSCRIPTIONS)
        )

    @property
    def record(self) -> str:
        return self.queue[0]

    @property
    def counted(self) -> tuple[str, str]:
        """The zsets that say how many messages live and are claimed."""
        return self.queue[3], self.queue[6]


class Keys:
    """The names of all keys, for one prefix and number of partitions."""

    def __init__(self, prefix: str, partitions: int) -> None:
        self._prefix = prefix
        self.partitions = partitions
        self.of = lru_cache(4096)(self._of)

    def agenda(self, partition: int) -> str:
        return f"{self._prefix}:{{{partition}}}:agenda"

    def queues(self, partition: int) -> str:
        """A set of the stems of all queues."""
        return f"{self._prefix}:{{{partition}}}:queues"

    def floor(self, partition: int) -> str:
        """The highest number of a message in any queue that was deleted."""
        return f"{self._prefix}:{{{partition}}}:floor"

    def partition(self, project: str | None) -> int:
        return crc32(_part(project).encode()) % self.partitions

    def names(self, project: str | None) -> str:
        return f"{self._project(project)}:names"

    def metadata(self, project: str | None) -> str:
        return f"{self._project(project)}:metadata"

    def registers(self, project: str | None) -> tuple[str, str, str, str]:
        """Where the existence of a queue is written down beside its own record."""
        partition = self.partition(project)
        return (
            *(self.names(project), self.metadata(project)),
            *(self.queues(partition), self.floor(partition)),
        )

    def at(self, stem: str, partition: int) -> QueueKeys:
        return QueueKeys(stem, self.agenda(partition))

    def _of(self, queue: QueueRef) -> QueueKeys:
        stem = f"{self._project(queue.project)}:{quote(queue.name, safe='')}"
        return self.at(stem, self.partition(queue.project))

    def _project(self, project: str | None) -> str:
        return f"{self._prefix}:{{{self.partition(project)}}}:{_part(project)}"


def _part(project: str | None) -> str:
    return "p" if project is None else f"p={quote(project, safe='')}"
