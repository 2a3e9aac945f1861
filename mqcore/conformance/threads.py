"""Threads that a driver starts, and what becomes of them."""

import threading
import time

from .rules import ContractBroken
from .suite import Suite

__all__ = ["TestThreads"]

PATIENCE = 3.0
"""Seconds that threads have to end after their handle was closed."""


class TestThreads(Suite):
    def use_a_handle(self) -> None:
        handle = self.open()
        handle.ping()
        handle.messages.list(self.queue)
        handle.close()

    def test_closed_handles_leave_no_thread_behind(self) -> None:
        self.use_a_handle()  # what belongs to the process and not to a handle is there now
        before = set(threading.enumerate())
        for _ in range(3):
            self.use_a_handle()
        deadline = time.monotonic() + PATIENCE
        left = [thread for thread in threading.enumerate() if thread not in before]
        for thread in left:
            thread.join(max(0, deadline - time.monotonic()))
        alive = [thread.name for thread in left if thread.is_alive()]
        if alive:
            raise ContractBroken("close", f"3 closed handles left the threads {', '.join(alive)}")
