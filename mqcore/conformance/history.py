"""Histories: what was called on a queue, when, and what came out; for `checker` to judge.

A history has all calls on one queue. Several threads write into one; a process writes its own
and, with a file, leaves it behind even when it is killed.
"""

import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from ..contract import (
    Claim,
    ClaimRequest,
    Clock,
    Driver,
    Handle,
    Invalid,
    Message,
    MQError,
    NewMessage,
    Page,
    QueueRef,
    QueueStats,
    Unavailable,
)

__all__ = ["Event", "History", "RecordedDriver", "Sight"]

T = TypeVar("T")

NEVER = math.inf


@dataclass(frozen=True, slots=True)
class Sight:
    """A message as an answer showed it."""

    message: str
    claim: str | None = None
    count: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """One call; of a batch, one item of it.

    It took effect at some moment between the ticks `began` and `ended`, while the injected clock
    stood between `since` and `until`. A call that raised `Unavailable`, or whose process died,
    has no answer: it may take effect at any time from its beginning on, or never. `refused` is
    the code of the error that says that it had no effect.

    `what` is one of post, claim, renew, release, delete, pop, purge, and see for all that read;
    "all" is a listing of everything at the end, when nothing else goes on.
    """

    what: str
    began: float = 0
    ended: float = NEVER
    since: float = 0
    until: float = NEVER
    refused: str = ""
    message: str = ""
    claim: str = ""
    ttl: float = 0
    grace: float = 0
    limit: int = 0
    rights: tuple[str, ...] = ()
    force: bool = False
    shown: tuple[Sight, ...] = ()

    @property
    def answered(self) -> bool:
        return self.ended != NEVER


class History:
    """Collects events. With a path, each is in the file before its call begins."""

    def __init__(self, clock: Clock, path: Path | None = None) -> None:
        self._clock = clock
        self._numbers = count()
        self._calls: dict[int, list[Event]] = {}
        # Unbuffered: what was written is there when the process is killed.
        self._file = path.open("ab", buffering=0) if path else None

    def events(self) -> list[Event]:
        return [event for events in list(self._calls.values()) for event in events]

    @staticmethod
    def read(path: Path) -> list[Event]:
        """The events that a process left in its file; the last line may be torn."""
        calls: dict[int, list[Event]] = {}
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                number, events = json.loads(line)
                calls[number] = [_from_json(event) for event in events]
        return [event for events in calls.values() for event in events]

    def record(self, plans: Iterable[Event], call: Callable[[], T], *, items: bool = False) -> T:
        """Make the call. With `items`, the answer has one result for each of the plans."""
        began = time.monotonic_ns()
        since = self._clock()
        begun = [replace(plan, began=began, since=since) for plan in plans]
        number = next(self._numbers)
        self._write(number, begun)
        try:
            answer = call()
        except Unavailable:
            raise
        except MQError as error:
            # Of a whole batch, nobody knows which item the error is about.
            about: MQError = error if len(begun) == 1 else Invalid("batch")
            self._end(number, begun, [about] * len(begun))
            raise
        self._end(number, begun, answer if items else [answer])  # type: ignore[arg-type]
        return answer

    def _end(self, number: int, begun: Sequence[Event], results: Sequence[object]) -> None:
        until = self._clock()
        ended = time.monotonic_ns()
        answered = [
            replace(
                event,
                ended=ended,
                until=until,
                refused=result.code if isinstance(result, MQError) else "",
                shown=_shown(result),
            )
            if not isinstance(result, Unavailable)
            else event
            for event, result in zip(begun, results, strict=True)
        ]
        self._write(number, answered)

    def _write(self, number: int, events: list[Event]) -> None:
        self._calls[number] = events
        if self._file:
            line = json.dumps([number, [asdict(event) for event in events]])
            self._file.write(line.encode() + b"\n")


def _from_json(event: dict[str, Any]) -> Event:
    event["rights"] = tuple(event["rights"])
    event["shown"] = tuple(Sight(**sight) for sight in event["shown"])
    return Event(**event)


def _shown(result: object) -> tuple[Sight, ...]:
    """The messages in an answer."""
    if isinstance(result, Message):
        return (Sight(result.id, result.claim_id, result.claim_count),)
    if isinstance(result, Claim):
        result = result.messages
    elif isinstance(result, Page):
        result = result.items
    if isinstance(result, tuple):
        return tuple(sight for message in result for sight in _shown(message))
    return ()


class _Recorded:
    """A controller that hands on every call that it does not record."""

    def __init__(self, inner: object, history: History) -> None:
        self._inner: Any = inner
        self._history = history

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Queues(_Recorded):
    def delete(self, queue: QueueRef) -> None:
        self._history.record([Event("purge")], lambda: self._inner.delete(queue))


class _Messages(_Recorded):
    def post(self, queue: QueueRef, messages: Sequence[NewMessage]) -> Sequence[str | MQError]:
        plans = [Event("post", message=new.id, ttl=new.ttl) for new in messages]
        return self._history.record(plans, lambda: self._inner.post(queue, messages), items=True)

    def delete(
        self, queue: QueueRef, handles: Sequence[Handle], *, all_or_nothing: bool = False
    ) -> Sequence[MQError | None]:
        plans = [
            Event("delete", message=handle.id, rights=handle.claim_ids, force=handle.force)
            for handle in handles
        ]
        return self._history.record(
            plans,
            lambda: self._inner.delete(queue, handles, all_or_nothing=all_or_nothing),
            items=True,
        )

    def pop(self, queue: QueueRef, limit: int) -> tuple[Message, ...]:
        return self._history.record(
            [Event("pop", limit=limit)], lambda: self._inner.pop(queue, limit)
        )

    def purge(self, queue: QueueRef) -> None:
        self._history.record([Event("purge")], lambda: self._inner.purge(queue))

    def get(self, queue: QueueRef, message_id: str) -> Message:
        found: Message = self._history.record(
            [Event("see")], lambda: self._inner.get(queue, message_id)
        )
        return found

    def get_many(self, queue: QueueRef, ids: Sequence[str]) -> tuple[Message, ...]:
        return self._history.record([Event("see")], lambda: self._inner.get_many(queue, ids))

    def list(self, queue: QueueRef, **options: Any) -> Page[Message]:
        return self._history.record([Event("see")], lambda: self._inner.list(queue, **options))


class _Claims(_Recorded):
    def claim(
        self, queue: QueueRef, requests: Sequence[ClaimRequest]
    ) -> Sequence[Claim | MQError | None]:
        if any(request.dead_letter for request in requests):
            raise ValueError("a history is about one queue: claim without a dead letter")
        plans = [
            Event("claim", claim=each.id, ttl=each.ttl, grace=each.grace, limit=each.limit)
            for each in requests
        ]
        return self._history.record(plans, lambda: self._inner.claim(queue, requests), items=True)

    def get(self, queue: QueueRef, claim_id: str) -> Claim:
        found: Claim = self._history.record(
            [Event("see", claim=claim_id)], lambda: self._inner.get(queue, claim_id)
        )
        return found

    def renew(self, queue: QueueRef, claim_id: str, *, ttl: int, grace: int) -> None:
        self._history.record(
            [Event("renew", claim=claim_id, ttl=ttl, grace=grace)],
            lambda: self._inner.renew(queue, claim_id, ttl=ttl, grace=grace),
        )

    def release(self, queue: QueueRef, claim_id: str) -> None:
        self._history.record(
            [Event("release", claim=claim_id)], lambda: self._inner.release(queue, claim_id)
        )


class RecordedDriver(Driver):
    """A driver whose calls on a queue go into a history. All calls must be on one queue."""

    def __init__(self, inner: Driver, history: History) -> None:
        self._inner = inner
        self._history = history
        self.capabilities = inner.capabilities
        self.limits = inner.limits
        self.queues: Any = _Queues(inner.queues, history)
        self.messages: Any = _Messages(inner.messages, history)
        self.claims: Any = _Claims(inner.claims, history)
        self.subscriptions = inner.subscriptions

    def everything(self, queue: QueueRef) -> list[str]:
        """Read the whole queue, when nothing else goes on, and record that this is all."""
        return [
            message.id
            for message in self._history.record([Event("all")], lambda: self._read_all(queue))
        ]

    def ping(self) -> None:
        self._inner.ping()

    def volume(self) -> QueueStats:
        return self._inner.volume()

    def collect(self, limit: int = 1000) -> int:
        return self._inner.collect(limit)

    def close(self) -> None:
        self._inner.close()

    def _read_all(self, queue: QueueRef) -> tuple[Message, ...]:
        found: list[Message] = []
        marker = None
        for _ in range(1000):
            page = self._inner.messages.list(
                queue, marker=marker, limit=500, include_claimed=True, include_delayed=True
            )
            if not page.items:
                return tuple(found)
            found += page.items
            marker = page.next
        raise AssertionError("the pages have no end")
