"""A kind of request that may share calls, and what waits for the next one."""

import asyncio
import contextvars
import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from msgspec import Struct

from mqcore.contract import Invalid, MQError, QueueRef

__all__ = ["MAX_MERGED", "Merged", "Pipeline", "Waiting"]

R = TypeVar("R")
T = TypeVar("T")

MAX_MERGED = 256
"""The most requests that one call takes, so that its batch stays short."""


class Waiting(Struct, eq=False):
    """A request, the future of its answer, and the context that it came in (for logs).

    `messages`: how many it is about.
    """

    request: Any
    answer: "asyncio.Future[Any]"
    context: contextvars.Context
    messages: int


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Several calls in flight for one queue: `depth` at most, each with `batch` messages.

    With fewer messages, a call waits for the one before it, so that it serves more.
    """

    depth: int = 1
    batch: float = math.inf


@dataclass(slots=True, eq=False)
class _Lane:
    """What waits for one queue.

    `messages`: how many those that wait are about. `calls` are in flight or on their way. `due`:
    one of these has not taken yet what it serves.
    """

    waiting: deque[Waiting] = field(default_factory=deque)
    messages: int = 0
    calls: int = 0
    due: bool = False


class _Room:
    """What still finds room in a call."""

    def __init__(self, requests: int, messages: float) -> None:
        self._requests = requests
        self._messages = messages

    def __bool__(self) -> bool:
        return self._requests > 0 and self._messages > 0

    def fill(self, lane: _Lane) -> list[Waiting]:
        """Take what waits in the lane, the oldest first."""
        batch = []
        while lane.waiting and self:
            one = lane.waiting.popleft()
            batch.append(one)
            self._requests -= 1
            self._messages -= one.messages
            lane.messages -= one.messages
        return batch


def _one(_: Any) -> int:
    return 1


class Merged(Generic[R, T]):
    """A kind of request that may share calls.

    `many` serves requests for one queue and gives one result per request; an MQError among them
    is raised to its caller. What `many` raises, all requests of the call get; but when it refuses
    a batch as Invalid, each request is tried alone, so that a bad one fails alone.
    `several`, if given, serves several queues; for each it gives what `many` returns or raises.
    `messages` says how many a request is about; `most`: how many requests one call takes.
    """

    def __init__(
        self,
        many: Callable[[QueueRef, Sequence[R]], Sequence[T | MQError]],
        several: Callable[
            [Sequence[tuple[QueueRef, Sequence[R]]]], Sequence[Sequence[T | MQError] | MQError]
        ]
        | None = None,
        *,
        messages: Callable[[R], int] = _one,
        most: int = MAX_MERGED,
    ) -> None:
        self.many = many
        self.messages = messages
        self._several = several
        self._most = most
        self._lanes: dict[QueueRef, _Lane] = {}
        """Of the queues for which something waits or a call is in flight or on its way."""
        self._due: dict[QueueRef, _Lane] = {}
        """The lanes that are due, the oldest first."""
        self._lock = threading.Lock()

    def add(self, queue: QueueRef, waiting: Waiting, pipeline: Pipeline) -> bool:
        """Have it wait; whether a call for the queue is to be sent, which `take` begins."""
        with self._lock:
            lane = self._lanes.get(queue)
            if lane is None:
                lane = self._lanes[queue] = _Lane()
            lane.waiting.append(waiting)
            lane.messages += waiting.messages
            return self._schedule(queue, lane, pipeline)

    def ended(self, queue: QueueRef, pipeline: Pipeline) -> bool:
        """A call for the queue has ended; whether another one is to be sent."""
        with self._lock:
            lane = self._lanes[queue]
            lane.calls -= 1
            if not lane.calls and not lane.waiting:
                del self._lanes[queue]
            return self._schedule(queue, lane, pipeline)

    def _schedule(self, queue: QueueRef, lane: _Lane, pipeline: Pipeline) -> bool:
        """Whether a call for the lane is to be sent; if so, it is on its way from now on."""
        full = lane.messages >= pipeline.batch and lane.calls < pipeline.depth
        if lane.due or not (full or (lane.waiting and not lane.calls)):
            return False
        lane.calls += 1
        lane.due = True
        self._due[queue] = lane
        return True

    def take(
        self, queue: QueueRef, pipeline: Pipeline
    ) -> tuple[list[tuple[QueueRef, list[Waiting]]], list[QueueRef]]:
        """What a call for this queue serves: what waits in its lane, and then in others.

        Nothing when another call took it along. And the queues for which another call is to be
        sent.
        """
        taken: list[tuple[QueueRef, list[Waiting]]] = []
        more: list[QueueRef] = []
        room = _Room(self._most, pipeline.batch)
        with self._lock:
            while lane := self._due.pop(queue, None):
                # What is in the call is decided now: the longer it waited, the more it serves.
                lane.due = False
                taken.append((queue, room.fill(lane)))
                if self._schedule(queue, lane, pipeline):
                    more.append(queue)
                if self._several is None or not room or not self._due:
                    break
                queue = next(iter(self._due))
        return taken, more

    def serve(self, batches: Sequence[tuple[QueueRef, list[Waiting]]]) -> list[Sequence[Any]]:
        """Make the call; the results of each batch."""
        requests = [(queue, [one.request for one in batch]) for queue, batch in batches]
        if self._several is None or len(requests) == 1:
            return [self._call(*one) for one in requests]
        try:
            answers = [
                answer if isinstance(answer, MQError) else _whole(answer, some)
                for answer, (_, some) in zip(self._several(requests), requests, strict=True)
            ]
        except BaseException as error:
            return [[error] * len(batch) for _, batch in requests]
        return [
            self._refused(answer, *one) if isinstance(answer, MQError) else answer
            for answer, one in zip(answers, requests, strict=True)
        ]

    def _call(self, queue: QueueRef, requests: Sequence[R]) -> Sequence[Any]:
        try:
            return _whole(self.many(queue, requests), requests)
        except BaseException as error:
            return self._refused(error, queue, requests)

    def _refused(
        self, error: BaseException, queue: QueueRef, requests: Sequence[R]
    ) -> Sequence[Any]:
        if isinstance(error, Invalid) and len(requests) > 1:
            return [result for one in requests for result in self._call(queue, [one])]
        return [error] * len(requests)


def _whole(results: Sequence[T], requests: Sequence[Any]) -> Sequence[T]:
    """The results, one for each request."""
    if len(results) != len(requests):
        raise RuntimeError(f"{len(results)} results came for {len(requests)} requests")
    return results
