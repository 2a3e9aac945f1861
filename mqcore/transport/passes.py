"""What is gathered in one pass of the event loop and done in the next."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["NextPass"]

T = TypeVar("T")


class NextPass(Generic[T]):
    """Has `do` called with each item in the next pass of the running loop, the oldest first."""

    def __init__(self, do: Callable[[T], None]) -> None:
        self._do = do
        self._items: list[T] = []

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """Have it done."""
        if not self._items:
            asyncio.get_running_loop().call_soon(self._do_all)
        self._items.append(item)

    def _do_all(self) -> None:
        items, self._items = self._items, []
        for item in items:
            self._do(item)
