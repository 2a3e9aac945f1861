"""Waiting without a thread; a driver may use it or not.

A server can make calls on its event loop and so save what it costs to hand each to a thread and
back. That takes a driver whose calls give way wherever they would wait: it waits for its sockets by
`ready`, has `elsewhere` do what else may take long, holds no lock meanwhile, and says so by
`Driver.cooperative`. Where nobody else waits for the thread, as in a test or a program of its own,
both simply block, and the driver is none the worse.
"""

import select
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

__all__ = ["CooperativeCall", "elsewhere", "is_ready", "ready", "share_thread"]

T = TypeVar("T")


class CooperativeCall(Protocol):
    """A call that shares its thread with others. Core makes them."""

    def ready(self, fd: int, *, to_write: bool, timeout: float | None) -> None:
        """As the function `ready`; others run meanwhile."""

    def elsewhere(self, job: Callable[[], T]) -> T:
        """As the function `elsewhere`; others run meanwhile."""


FindCall = Callable[[], CooperativeCall | None]
"""Returns the call that runs now, if it shares this thread."""


class _Thread(threading.local):
    def __init__(self) -> None:
        self.call: FindCall = lambda: None


_this_thread = _Thread()


def share_thread(call: FindCall) -> None:
    """For core: calls on this thread are found like this from now on."""
    _this_thread.call = call


def ready(fd: int, *, to_write: bool = False, timeout: float | None) -> None:
    """Return when the file can be read, or written; it may be closed by the other side, too.

    Raises TimeoutError after so many seconds. While a cooperative call waits, others run.
    """
    call = _this_thread.call()
    if call is not None:
        call.ready(fd, to_write=to_write, timeout=timeout)
    elif not is_ready(fd, to_write=to_write, timeout=timeout):
        raise TimeoutError("timed out")


def is_ready(fd: int, *, to_write: bool, timeout: float | None) -> bool:
    """For core: whether it is, within so many seconds. Blocks."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT if to_write else select.POLLIN)
    return bool(poll.poll(None if timeout is None else timeout * 1000))


def elsewhere(job: Callable[[], T]) -> T:
    """Return what the job returns, or raise what it raises.

    A cooperative call has it done by a thread, while others run: there is one for each of them.
    """
    call = _this_thread.call()
    return job() if call is None else call.elsewhere(job)
