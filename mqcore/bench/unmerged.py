"""The server with a hop to a storage thread for every single request, and nothing merged.

python -m mqcore.bench.unmerged
"""

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from mqcore.contract import MQError, QueueRef
from mqcore.transport.bridge import Bridge

from .variant import serve_with

__all__ = ["Unmerged"]

R = TypeVar("R")
T = TypeVar("T")


class Unmerged(Bridge):
    """Gives each request a call of its own."""

    async def merged(
        self,
        kind: str,
        queue: QueueRef,
        many: Callable[[QueueRef, Sequence[R]], Sequence[T | MQError]],
        request: R,
    ) -> T:
        result = (await self.run(many, queue, [request]))[0]
        if isinstance(result, MQError):
            raise result
        return result


if __name__ == "__main__":
    sys.exit(serve_with("Bridge", Unmerged))
