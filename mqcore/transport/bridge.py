"""From the event loop to the synchronous service and back.

A few storage threads do the work; where calls never wait, or give way while they do, the event
loop itself. Requests of one kind for one queue are merged: while a call for them is in flight,
those that arrive gather and go together in the next call. Where the store is good at it, a call
also takes what waits for other queues. Nobody waits for company: a request that finds no call in
flight and a thread that is free goes at once (design.md, section 5).
"""

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ParamSpec, TypeVar

from mqcore.contract import Conflict, Invalid, NotFound, NotPermitted, QueueRef

from .cooperative import Cooperative
from .errors import BUSY, RETRY_AFTER, Refusal
from .merged import Merged, Pipeline, Waiting
from .turns import Finish
from .workers import OnLoop, Workers

__all__ = ["Bridge"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

PIPELINE = Pipeline(depth=2, batch=80)
"""Where calls give way, this process works on one batch while the store works on the next."""

ANSWERS = (NotFound, NotPermitted, Conflict, Invalid)
"""Errors that a caller expects: nobody asks where they were raised."""


class Bridge:
    """Runs service calls on `threads` storage threads. Made and used on one event loop.

    With 0 threads they run on the event loop, which is best where no call waits for anything.
    Calls that are `cooperative` run there, too, as many at a time as there would be threads.

    Of requests that were not answered yet, it takes `max_waiting`, and `max_waiting_per_project`
    of one project. It refuses more at once, so that a store that cannot keep up costs bounded
    memory and time.
    """

    def __init__(
        self,
        threads: int,
        *,
        cooperative: bool = False,
        max_waiting: int = 1000,
        max_waiting_per_project: int = 500,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        kind = Cooperative if cooperative else Workers
        self._workers: Cooperative | OnLoop | Workers = kind(threads) if threads else OnLoop()
        self._pipeline = PIPELINE if cooperative else Pipeline()
        self._max_waiting = max_waiting
        self._max_waiting_per_project = max_waiting_per_project
        self._waiting: dict[str | None, int] = {}
        self._all_waiting = 0

    async def run(
        self, project: str | None, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one call; return what it returns or raise what it raises.

        The project is the caller's. None is the server itself, which is never refused. Raises
        Refusal when too much waits.
        """
        self._enter(project)
        try:
            return await self._ask(project, partial(call, *args, **kwargs))
        finally:
            self._leave(project)

    def _ask(self, project: str | None, call: Callable[[], T]) -> "asyncio.Future[T]":
        answer: asyncio.Future[T] = self._loop.create_future()
        context = contextvars.copy_context()

        def job() -> Finish:
            try:
                result = context.run(call)
            except BaseException as error:
                return partial(_fail, answer, error)
            return partial(_answer, answer, result)

        self._workers.put(project, job)
        return answer

    async def merged(self, kind: Merged[R, T], queue: QueueRef, request: R) -> T:
        """Serve the request by a call that it may share with others of its kind.

        Returns its result or raises its error; raises Refusal when too much waits.
        """
        self._enter(queue.project)
        try:
            return await self._join(kind, queue, request)
        finally:
            self._leave(queue.project)

    def _join(self, kind: Merged[R, T], queue: QueueRef, request: R) -> "asyncio.Future[T]":
        answer: asyncio.Future[T] = self._loop.create_future()
        # What nobody has checked may be about less than nothing.
        messages = max(1, kind.messages(request))
        waiting = Waiting(request, answer, contextvars.copy_context(), messages)
        if kind.add(queue, waiting, self._pipeline):
            self._send(kind, queue)
        return answer

    def _enter(self, project: str | None) -> None:
        """Take a place among those that wait. Raises Refusal when there is none."""
        waiting = self._waiting.get(project, 0)
        if project is not None:
            if self._all_waiting >= self._max_waiting:
                raise _busy("too many requests wait for the storage")
            if waiting >= self._max_waiting_per_project:
                raise _busy("too many requests of this project wait for the storage")
        self._all_waiting += 1
        self._waiting[project] = waiting + 1

    def _leave(self, project: str | None) -> None:
        self._all_waiting -= 1
        left = self._waiting[project] - 1
        if left:
            self._waiting[project] = left
        else:
            del self._waiting[project]

    def _send(self, kind: Merged[Any, Any], queue: QueueRef) -> None:
        """Have what waits in the lane served by one call, and then what came meanwhile."""

        def job() -> Finish:
            batches, more = kind.take(queue, self._pipeline)
            for each in more:
                self._send(kind, each)
            if not batches:
                return _nothing
            results = batches[0][1][0].context.run(kind.serve, batches)
            return lambda: self._finish(kind, batches, results)

        self._workers.put(queue.project, job)

    def _finish(
        self,
        kind: Merged[Any, Any],
        batches: Sequence[tuple[QueueRef, list[Waiting]]],
        results: Sequence[Sequence[Any]],
    ) -> None:
        for queue, _ in batches:
            if kind.ended(queue, self._pipeline):
                self._send(kind, queue)
        for (_, batch), answers in zip(batches, results, strict=True):
            for one, result in zip(batch, answers, strict=True):
                if isinstance(result, BaseException):
                    _fail(one.answer, result)
                else:
                    _answer(one.answer, result)

    async def close(self) -> None:
        """Wait for what is in flight, then end the threads."""
        while self._all_waiting:
            await asyncio.sleep(0.001)
        await self._workers.close()


def _busy(reason: str) -> Refusal:
    return Refusal(BUSY, f"{reason}; try again in a few seconds", {"Retry-After": RETRY_AFTER})


def _nothing() -> None:
    """For a job that another one has done."""


def _answer(future: "asyncio.Future[T]", result: T) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: "asyncio.Future[Any]", error: BaseException) -> None:
    if isinstance(error, ANSWERS):
        # A circle otherwise: the frames where it was raised hold the future, which holds it.
        error.__traceback__ = None
    if not future.done():
        future.set_exception(error)
