"""What would go to a client, instead of a connection."""

import asyncio
from typing import Any

__all__ = ["Wire"]


class Wire(asyncio.Transport):
    """The writes to a client, and whether it was closed. With a log, what is written goes there.

    `lost`: what is written goes nowhere.
    """

    lost = False

    def __init__(self, log: list[str] | None = None) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False
        self._log = log

    def write(self, data: Any) -> None:
        if self.lost:
            return
        assert not self.closed
        self.writes.append(data)
        if self._log is not None:
            self._log.append("written")

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""
