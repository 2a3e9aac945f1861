"""From the event loop to the synchronous service and back.

A few storage threads do the work. Requests of one kind for one queue are merged: while a call
for them is in flight, those that arrive gather and go together in the next call. Nobody waits
for company: a request that finds no call in flight goes at once (design.md, section 5).
"""

import asyncio
import contextvars
import queue as queues
import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from mqcore.contract import Invalid, MQError, QueueRef

__all__ = ["Bridge"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

MAX_MERGED = 256
"""The most requests that one call takes, so that its batch stays short."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request, the future of its answer, and the context that it came in (for logs)."""

    request: Any
    answer: "asyncio.Future[Any]"
    context: contextvars.Context


class Bridge:
    """Runs service calls on `threads` storage threads. Made and used on one event loop."""

    def __init__(self, threads: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: queues.SimpleQueue[Callable[[], Callable[[], None]] | None] = (
            queues.SimpleQueue()
        )
        self._done: deque[Callable[[], None]] = deque()
        self._waking = False
        self._lanes: dict[Hashable, deque[_Waiting]] = {}
        self._threads = [
            threading.Thread(target=self._work, name=f"storage-{n}", daemon=True)
            for n in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one call on a storage thread; return what it returns or raise what it raises."""
        answer: asyncio.Future[T] = self._loop.create_future()
        context = contextvars.copy_context()

        def job() -> Callable[[], None]:
            try:
                result = context.run(call, *args, **kwargs)
            except BaseException as error:
                return lambda error=error: _fail(answer, error)  # type: ignore[misc]
            return lambda: _answer(answer, result)

        self._jobs.put(job)
        return await answer

    async def merged(
        self,
        kind: str,
        queue: QueueRef,
        many: Callable[[QueueRef, Sequence[R]], Sequence[T | MQError]],
        request: R,
    ) -> T:
        """Serve the request by a call of `many` that it may share with others of its kind.

        `many` takes requests and gives one result per request; this one's is returned, or raised
        when it is an MQError. When `many` raises, every request of that call does; but when it
        refuses a batch as Invalid, each request is tried alone, so that a bad one fails alone.
        """
        answer: asyncio.Future[T] = self._loop.create_future()
        waiting = _Waiting(request, answer, contextvars.copy_context())
        lane = self._lanes.get((kind, queue))
        if lane is None:
            self._lanes[kind, queue] = deque()
            self._send((kind, queue), many, [waiting])
        else:
            lane.append(waiting)
        return await answer

    def _send(
        self, key: tuple[str, QueueRef], many: Callable[..., Sequence[Any]], batch: list[_Waiting]
    ) -> None:
        def job() -> Callable[[], None]:
            results = batch[0].context.run(_call, many, key[1], [one.request for one in batch])

            def finish() -> None:
                self._next(key, many)
                for one, result in zip(batch, results, strict=True):
                    if isinstance(result, BaseException):
                        _fail(one.answer, result)
                    else:
                        _answer(one.answer, result)

            return finish

        self._jobs.put(job)

    def _next(self, key: tuple[str, QueueRef], many: Callable[..., Sequence[Any]]) -> None:
        """Send what gathered meanwhile, or note that nothing is in flight."""
        lane = self._lanes[key]
        batch = [lane.popleft() for _ in range(min(len(lane), MAX_MERGED))]
        if batch:
            self._send(key, many, batch)
        else:
            del self._lanes[key]

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._done.append(job())
            if not self._waking:
                self._waking = True
                self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        # Cleared first: a thread that adds to `_done` from here on wakes the loop again.
        self._waking = False
        while self._done:
            self._done.popleft()()

    async def close(self) -> None:
        """Wait for what is in flight, then end the threads."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._finish()


def _call(
    many: Callable[..., Sequence[Any]], queue: QueueRef, requests: Sequence[Any]
) -> Sequence[Any]:
    try:
        return many(queue, requests)
    except Invalid as error:
        if len(requests) == 1:
            return [error]
        return [result for one in requests for result in _call(many, queue, [one])]
    except BaseException as error:
        return [error] * len(requests)


def _answer(future: "asyncio.Future[T]", result: T) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: "asyncio.Future[Any]", error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
