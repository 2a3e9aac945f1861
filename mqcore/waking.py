"""Waiting for something in a queue: woken by hints where the store gives them, asking otherwise."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from .contract import Capability, Driver, QueueRef

__all__ = ["wait_for"]

T = TypeVar("T")

SELDOM = 1.0
"""Seconds between two looks where hints are given: delays and claims end by the clock, and a hint
may be lost."""
OFTEN = 0.2
"""Seconds between two looks where they are not, or not by all processes."""


def wait_for(driver: Driver, queue: QueueRef, look: Callable[[], T], seconds: float) -> T:
    """Call `look` until what it returns is true, for so many seconds; return what it last returned.

    It is called once at least, then after each hint on the queue, and from time to time. Blocks
    the thread; raises what `look` raises.
    """
    deadline = time.monotonic() + seconds
    found = look()
    if found or seconds <= 0:
        return found
    told = threading.Event()
    pause = SELDOM if Capability.WAKING in driver.capabilities else OFTEN
    stop = driver.watch(queue, told.set)
    try:
        while True:
            told.clear()
            found = look()
            left = deadline - time.monotonic()
            if found or left <= 0:
                return found
            told.wait(min(pause, left))
    finally:
        stop()
