"""From the event loop to the synchronous service and back.

A few storage threads do the work. Requests of one kind for one queue are merged: while a call
for them is in flight, those that arrive gather and go together in the next call. Nobody waits
for company: a request that finds no call in flight goes at once (design.md, section 5).
"""

import asyncio
import contextvars
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from mqcore.contract import Invalid, MQError, QueueRef

from .errors import BUSY, RETRY_AFTER, Refusal
from .workers import Finish, Workers

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
    """Runs service calls on `threads` storage threads. Made and used on one event loop.

    Of requests that were not answered yet, it takes `max_waiting`, and `max_waiting_per_project`
    of one project. It refuses more at once, so that a store that cannot keep up costs bounded
    memory and time.
    """

    def __init__(
        self, threads: int, *, max_waiting: int = 1000, max_waiting_per_project: int = 500
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._workers = Workers(threads)
        self._lanes: dict[Hashable, deque[_Waiting]] = {}
        self._max_waiting = max_waiting
        self._max_waiting_per_project = max_waiting_per_project
        self._waiting: Counter[str | None] = Counter()
        self._all_waiting = 0

    async def run(
        self, project: str | None, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one call on a storage thread; return what it returns or raise what it raises.

        The project is the caller's. None is the server itself, which is never refused. Raises
        Refusal when too much waits.
        """
        answer: asyncio.Future[T] = self._loop.create_future()
        context = contextvars.copy_context()

        def job() -> Finish:
            try:
                result = context.run(call, *args, **kwargs)
            except BaseException as error:
                return lambda error=error: _fail(answer, error)  # type: ignore[misc]
            return lambda: _answer(answer, result)

        self._enter(project)
        try:
            self._workers.put(project, job)
            return await answer
        finally:
            self._leave(project)

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
        Raises Refusal when too much waits.
        """
        answer: asyncio.Future[T] = self._loop.create_future()
        waiting = _Waiting(request, answer, contextvars.copy_context())
        self._enter(queue.project)
        try:
            lane = self._lanes.get((kind, queue))
            if lane is None:
                self._lanes[kind, queue] = deque((waiting,))
                self._send((kind, queue), many)
            else:
                lane.append(waiting)
            return await answer
        finally:
            self._leave(queue.project)

    def _enter(self, project: str | None) -> None:
        """Take a place among those that wait. Raises Refusal when there is none."""
        if project is not None:
            if self._all_waiting >= self._max_waiting:
                raise _busy("too many requests wait for the storage")
            if self._waiting[project] >= self._max_waiting_per_project:
                raise _busy("too many requests of this project wait for the storage")
        self._all_waiting += 1
        self._waiting[project] += 1

    def _leave(self, project: str | None) -> None:
        self._all_waiting -= 1
        self._waiting[project] -= 1
        if not self._waiting[project]:
            del self._waiting[project]

    def _send(self, key: tuple[str, QueueRef], many: Callable[..., Sequence[Any]]) -> None:
        """Have what waits in the lane served by one call, and then what came meanwhile."""
        lane = self._lanes[key]
        batch: list[_Waiting] = []

        def job() -> Finish:
            # What is in the call is decided now: the longer it waited, the more it serves.
            while lane and len(batch) < MAX_MERGED:
                batch.append(lane.popleft())
            results = batch[0].context.run(_call, many, key[1], [one.request for one in batch])

            def finish() -> None:
                if lane:
                    self._send(key, many)
                else:
                    del self._lanes[key]
                for one, result in zip(batch, results, strict=True):
                    if isinstance(result, BaseException):
                        _fail(one.answer, result)
                    else:
                        _answer(one.answer, result)

            return finish

        self._workers.put(key[1].project, job)

    async def close(self) -> None:
        """Wait for what is in flight, then end the threads."""
        while self._all_waiting:
            await asyncio.sleep(0.001)
        await self._workers.close()


def _busy(reason: str) -> Refusal:
    return Refusal(BUSY, f"{reason}; try again in a few seconds", {"Retry-After": RETRY_AFTER})


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
