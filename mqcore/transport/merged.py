"""A kind of request that may share calls, and what waits for the next one."""

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mqcore.contract import Invalid, MQError, QueueRef

__all__ = ["MAX_MERGED", "Merged", "Waiting"]

R = TypeVar("R")
T = TypeVar("T")

MAX_MERGED = 256
"""The most requests that one call takes, so that its batch stays short."""


@dataclass(slots=True, eq=False)
class Waiting:
    """A request, the future of its answer, and the context that it came in (for logs)."""

    request: Any
    answer: "asyncio.Future[Any]"
    context: contextvars.Context


Lane = deque[Waiting]


class Merged(Generic[R, T]):
    """A kind of request that may share calls.

    `many` serves requests for one queue and gives one result per request; an MQError among them
    is raised to its caller. What `many` raises, all requests of the call get; but when it refuses
    a batch as Invalid, each request is tried alone, so that a bad one fails alone.
    `several`, if given, serves several queues; for each it gives what `many` returns or raises.
    `most`: how many requests one call takes.
    """

    def __init__(
        self,
        many: Callable[[QueueRef, Sequence[R]], Sequence[T | MQError]],
        several: Callable[
            [Sequence[tuple[QueueRef, Sequence[R]]]], Sequence[Sequence[T | MQError] | MQError]
        ]
        | None = None,
        *,
        most: int = MAX_MERGED,
    ) -> None:
        self.many = many
        self._most = most
        self._several = several
        self.lanes: dict[QueueRef, Lane] = {}
        """Of each queue with a call in flight or on its way: what waits for the next one."""
        self._ready: dict[QueueRef, Lane] = {}
        """The lanes whose call is on its way to a thread, the oldest first."""
        self._lock = threading.Lock()

    def ready(self, queue: QueueRef) -> None:
        """The lane waits for a thread from now on."""
        with self._lock:
            self._ready[queue] = self.lanes[queue]

    def take(self, queue: QueueRef) -> list[tuple[QueueRef, list[Waiting]]]:
        """What a call for this queue serves: what waits in its lane, and then in others.

        Nothing when another call took it along.
        """
        taken: list[tuple[QueueRef, list[Waiting]]] = []
        with self._lock:
            lane = self._ready.pop(queue, None)
            left = self._most
            while lane is not None:
                # What is in the call is decided now: the longer it waited, the more it serves.
                batch = [lane.popleft() for _ in range(min(left, len(lane)))]
                taken.append((queue, batch))
                left -= len(batch)
                if self._several is None or not self._ready or not left:
                    break
                queue = next(iter(self._ready))
                lane = self._ready.pop(queue)
        return taken

    def serve(self, batches: Sequence[tuple[QueueRef, list[Waiting]]]) -> list[Sequence[Any]]:
        """Make the call; the results of each batch."""
        requests = [(queue, [one.request for one in batch]) for queue, batch in batches]
        if self._several is None or len(requests) == 1:
            return [self._call(*one) for one in requests]
        try:
            answers = self._several(requests)
        except BaseException as error:
            return [[error] * len(batch) for _, batch in requests]
        return [
            self._refused(answer, *one) if isinstance(answer, MQError) else answer
            for answer, one in zip(answers, requests, strict=True)
        ]

    def _call(self, queue: QueueRef, requests: Sequence[R]) -> Sequence[Any]:
        try:
            return self.many(queue, requests)
        except BaseException as error:
            return self._refused(error, queue, requests)

    def _refused(
        self, error: BaseException, queue: QueueRef, requests: Sequence[R]
    ) -> Sequence[Any]:
        if isinstance(error, Invalid) and len(requests) > 1:
            return [result for one in requests for result in self._call(queue, [one])]
        return [error] * len(requests)
