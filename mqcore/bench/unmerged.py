"""The server with a hop to a storage thread for every single request, and nothing merged.

python -m mqcore.bench.unmerged
"""

import asyncio
import contextvars
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from mqcore.contract import MQError, QueueRef
from mqcore.transport.bridge import Bridge

from .variant import serve_with

__all__ = ["Unmerged"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Unmerged(Bridge):
    """Gives each request a call of its own on a thread of the standard library's pool."""

    def __init__(self, threads: int, **_: int) -> None:
        self._pool = ThreadPoolExecutor(threads)

    async def run(
        self, project: str | None, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        work = partial(contextvars.copy_context().run, call, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def merged(
        self,
        kind: str,
        queue: QueueRef,
        many: Callable[[QueueRef, Sequence[R]], Sequence[T | MQError]],
        request: R,
    ) -> T:
        result = (await self.run(queue.project, many, queue, [request]))[0]
        if isinstance(result, MQError):
            raise result
        return result

    async def close(self) -> None:
        self._pool.shutdown()


if __name__ == "__main__":
    sys.exit(serve_with("Bridge", Unmerged))
