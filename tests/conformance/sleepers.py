"""Faults of hints: those that declare them, and give too few or too many."""

import time
from typing import Any

from mqcore import memory
from mqcore.conformance import Clock
from mqcore.contract import LocalWaking, QueueRef, Stop, Wake, Waking, Watchers

__all__ = [
    "BlocksPosts",
    "HintsAlways",
    "HintsAtFirstOnly",
    "HintsNever",
    "HintsOnItself",
    "StopsNothing",
]


class HintsNever(memory.MemoryDriver):
    def __init__(self, store: memory.store.Store, clock: Clock) -> None:
        super().__init__(store, clock)
        self.waking = Waking()


class HintsOnItself(memory.MemoryDriver):
    """Knows nothing of other handles."""

    def __init__(self, store: memory.store.Store, clock: Clock) -> None:
        super().__init__(store, clock)
        self.waking = LocalWaking(self)


class _AtFirst(LocalWaking):
    """Forgets what it is told soon after a hint, where it should give another."""

    last = 0.0

    def tell(self, queue: QueueRef) -> None:
        now = time.monotonic()
        if now > self.last + 0.05:
            super().tell(queue)
        self.last = now


class HintsAtFirstOnly(memory.MemoryDriver):
    def __init__(self, store: memory.store.Store, clock: Clock) -> None:
        super().__init__(store, clock)
        self.waking = _AtFirst(store)


class _AtOnce(Waking):
    """Wakes in the thread of the call, with each call."""

    def __init__(self, store: Any) -> None:
        self._watchers = store.__dict__.setdefault("watchers", Watchers())

    def watch(self, queue: QueueRef, wake: Wake) -> Stop:
        stop: Stop = self._watchers.add(queue, wake)
        return stop

    def tell(self, queue: QueueRef) -> None:
        self._watchers.wake([queue])


class HintsAlways(memory.MemoryDriver):
    def __init__(self, store: memory.store.Store, clock: Clock) -> None:
        super().__init__(store, clock)
        self.waking = _AtOnce(store)


class BlocksPosts(HintsAlways):
    """The same, for the test of those who dawdle."""


class StopsNothing(memory.MemoryDriver):
    def watch(self, queue: QueueRef, wake: Wake) -> Stop:
        super().watch(queue, wake)
        return lambda: None
