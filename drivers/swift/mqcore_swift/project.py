"""All that is in one project, in memory, as the log says."""

from dataclasses import dataclass
from typing import Any

from sortedcontainers import SortedDict

from mqcore.contract import Metadata

from .box import Box
from .packs import Packs
from .subscribers import Subscribers

__all__ = ["Project", "Queue"]


@dataclass(slots=True)
class Queue:
    """A queue and what is in it. `metadata` is never changed in place."""

    metadata: Metadata
    version: str
    box: Box


class Project:
    def __init__(self) -> None:
        self.packs = Packs()
        self.queues: Any = SortedDict()
        self.subscribers: dict[str, Subscribers] = {}
        self.messages = 0
        """How many messages there have ever been: the number of the last one."""

    def next_number(self) -> int:
        self.messages += 1
        return self.messages

    def queue(self, name: str) -> Queue | None:
        found: Queue | None = self.queues.get(name)
        return found

    def of(self, name: str) -> Subscribers:
        return self.subscribers.get(name) or Subscribers()

    def parts(self, name: str | None = None) -> list[Box | Subscribers]:
        """What has an agenda: that of one queue name, or of all."""
        names = {name} if name is not None else {*self.queues, *self.subscribers}
        found: list[Box | Subscribers] = []
        for each in sorted(names):
            if queue := self.queue(each):
                found.append(queue.box)
            if subscribers := self.subscribers.get(each):
                found.append(subscribers)
        return found

    def is_due(self, now: float, name: str | None = None) -> bool:
        return any(part.is_due(now) for part in self.parts(name))

    def settle(self, now: float, most: int, name: str | None = None) -> int:
        """Let happen what is due; return how many things are gone by it."""
        gone = 0
        for part in self.parts(name):
            gone += part.settle(now, most - gone)
        return gone
