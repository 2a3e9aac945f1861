"""`memory://`: the reference driver. Read it first, then write your own.

Everything is in this process. Each `memory://` is a store of its own; handles opened on the
same `memory://NAME` share one, which lives as long as the last of them.

A queue keeps its messages in places by their state, ordered by their number, and one
timeline of what will happen: a delay is over, a claim ends, a message or a subscription expires.
Each call first lets happen what is due (`Box.settle`), so that no other line asks for the time.
"""

from .driver import MemoryDriver, open_driver

__all__ = ["MemoryDriver", "open_driver"]
