"""One handle's way to one store."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mqcore.contract import (
    Calls,
    Clock,
    Message,
    MetadataConflict,
    QueueNotFound,
    QueueRef,
    Unavailable,
)

from .address import Address
from .bodies import Bodies
from .commands import CONFLICT, MISSING, Seen
from .log import Log
from .names import digest
from .project import Project
from .replica import Replica
from .requests import Requests

__all__ = ["Store", "check_answer"]

T = TypeVar("T")

GRACE = 120
"""Seconds that a body outlives its message, for those who are about to read it."""
MOST_LOGS = 10_000
"""So many projects are kept in memory, those that were asked for last."""
LONGEST = 10
"""How many timeouts reading one may take, retries and waiting for a connection included."""


class Store:
    """The logs of all projects that were asked for."""

    def __init__(self, address: Address, clock: Clock) -> None:
        self.requests = Requests(address)
        self._clock = clock
        self._grace = GRACE + LONGEST * address.timeout
        self._bodies = Bodies()
        self._logs: OrderedDict[str, Log] = OrderedDict()
        self._lock = threading.Lock()
        self.calls = Calls()

    def write(
        self, queue: QueueRef, kind: str, *arguments: Any, bodies: Sequence[bytes] = ()
    ) -> Any:
        """Carry out a command of `commands` on the queue; return its answer."""
        with self.calls.one():
            return self._log(digest(queue.project)).write([kind, queue.name, *arguments], bodies)

    def read(self, project: str | None, look: Callable[[Project], T], name: str | None = None) -> T:
        """Look at the project as it is now; with a queue's name, what is due there has happened."""
        with self.calls.one():
            return self._log(digest(project)).read(look, name)

    def bodies(self, messages: Sequence[Seen]) -> tuple[Message, ...]:
        """The messages with their bodies, which are read with one request for each object."""
        found = {each.id: self._bodies.find(each.pack, each.body) for each in messages}
        parts: dict[str, list[Seen]] = {}
        for each in messages:
            if found[each.id] is None and each.body.size:
                parts.setdefault(each.pack, []).append(each)
        with self.calls.one():
            for part in self.requests.map(self._read, parts.items()):
                found |= part
        return tuple(_message(each, found[each.id] or b"") for each in messages)

    def logs(self) -> list[Log]:
        """Those of all projects in the store."""
        return [self._log(each) for each in self.requests.folders()]

    def close(self) -> None:
        if self.calls.close():
            self.requests.close()

    def _log(self, project: str) -> Log:
        with self._lock:
            if project not in self._logs:
                replica = Replica(self.requests, project)
                self._logs[project] = Log(replica, self._bodies, self._clock, self._grace)
                if len(self._logs) > MOST_LOGS:
                    # Who is still at it goes on; to its successor it is another process.
                    self._logs.popitem(last=False)
            self._logs.move_to_end(project)
            return self._logs[project]

    def _read(self, part: tuple[str, list[Seen]]) -> dict[str, bytes | None]:
        name, messages = part
        start = min(each.body.start for each in messages)
        end = max(each.body.start + each.body.size for each in messages)
        found = self.requests.get(name, start, end - start)
        if found is None:
            raise Unavailable(
                f"{self.requests.place} lacks the object {name!r}, which has messages that are "
                "waiting; see whether somebody else deletes objects there"
            )
        bodies: dict[str, bytes | None] = {}
        for each in messages:
            body = found[each.body.start - start :][: each.body.size]
            self._bodies.keep(name, each.body, body)
            bodies[each.id] = body
        return bodies


def check_answer(queue: QueueRef, answer: Any) -> None:
    """Raise what a command's answer says of the queue, if it does."""
    if answer == MISSING:
        raise QueueNotFound(queue)
    if answer == CONFLICT:
        raise MetadataConflict(queue)


def _message(seen: Seen, body: bytes) -> Message:
    return Message(
        seen.id, body, seen.ttl, seen.posted_at, seen.claim_id, seen.count, seen.checksum
    )
