"""The server with nothing merged: each request is a call of its own.

    python -m mqcore.bench.unmerged          through our bridge, like all other calls
    python -m mqcore.bench.unmerged hop      through a plain thread pool, a hop for each request

The second one stays the same whatever our bridge learns.
"""

import asyncio
import contextvars
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from mqcore.contract import MQError, QueueRef
from mqcore.transport.bridge import Bridge
from mqcore.transport.merged import Merged

from .variant import serve_with

__all__ = ["Hop", "Unmerged"]

R = TypeVar("R")
T = TypeVar("T")


class Unmerged(Bridge):
    """Gives each request a call of its own."""

    async def merged(self, kind: Merged[R, T], queue: QueueRef, request: R) -> T:
        return _only(await self.run(queue.project, kind.many, queue, [request]))


class Hop(Bridge):
    """Gives each request a call of its own, on a thread of a pool: of as many, if there are any."""

    def __init__(self, threads: int, **options: Any) -> None:
        super().__init__(threads, **options)
        self._pool = ThreadPoolExecutor(threads or None)

    async def merged(self, kind: Merged[R, T], queue: QueueRef, request: R) -> T:
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return _only(
            await loop.run_in_executor(self._pool, context.run, kind.many, queue, [request])
        )

    async def close(self) -> None:
        await super().close()
        await asyncio.to_thread(self._pool.shutdown)


def _only(results: Sequence[T | MQError]) -> T:
    (result,) = results
    if isinstance(result, MQError):
        raise result
    return result


if __name__ == "__main__":
    sys.exit(serve_with("Bridge", Hop if "hop" in sys.argv[1:] else Unmerged))
