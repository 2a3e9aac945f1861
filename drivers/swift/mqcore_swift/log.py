"""Who may write the next entry of a project's log, and reading what is certain.

docs/swift.md says why this is safe. In short: whoever wants to write takes an epoch by putting its
name there and listing; whoever wrote an entry lists again, and it counts unless a higher epoch is
there by then. Both put first and list then, so that one of two who race sees the other.
"""

import json
import random
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mqcore.contract import Clock, MQError, Unavailable

from .commands import Command, Moment, apply, is_idle
from .names import Entry, epoch_name, new_entry, next_epoch
from .project import Project
from .replica import Outlook, Replica
from .trim import Trim
from .view import View

__all__ = ["Log"]

T = TypeVar("T")

PATIENCE = 0.5
"""Seconds that somebody who has just taken an epoch is given to write the first entry of it."""
ATTEMPTS = 100
"""How often a call tries to be the one who writes."""
MOST_BYTES = 4_000_000
"""Bodies that go into one entry when several calls share it."""
EPOCHS_KEPT = 8


@dataclass(slots=True, eq=False)
class _Call:
    """A command on its way, and its answer when it was carried out."""

    command: Command
    bodies: Sequence[bytes] = ()
    done: bool = False
    answer: Any = None
    error: MQError | None = None

    def finish(self, answer: Any = None, error: MQError | None = None) -> None:
        self.done, self.answer, self.error = True, answer, error


class Log:
    """Calls of several threads that wait for their turn go into one entry."""

    def __init__(self, replica: Replica, clock: Clock, grace: float) -> None:
        self._replica, self._clock = replica, clock
        self._requests = replica.requests
        self._trim = Trim(replica, grace)
        self._lock = threading.Lock()
        self._waiting: deque[_Call] = deque()
        self._epoch: str | None = None
        """Ours, as long as nobody is known to have a higher one."""
        self._tried = ""
        """The last one that we wanted."""
        self._written: tuple[str, Sequence[_Call]] = ("", ())
        """The last entry that we wrote, and whose it is."""
        self._turn = 0.01
        """Seconds that writing an entry took, of late."""

    def write(self, command: Command, bodies: Sequence[bytes] = ()) -> Any:
        """Carry out the command, once; return its answer."""
        call = _Call(command, bodies)
        self._waiting.append(call)
        with self._lock:
            while not call.done:
                self._serve(self._next_calls())
        if call.error:
            raise call.error
        return call.answer

    def read(self, look: Callable[[Project], T], name: str | None = None) -> T:
        """Look at the project as it is now. With a queue's name, what is due there has happened."""
        with self._lock:
            view = self._catch_up()
            due = name is not None and self._replica.project.is_due(self._clock(), name)
            if due or not view.settled:
                self._commit([_Call(["settle", name or "", sys.maxsize])], view)
            return look(self._replica.project)

    def collect(self, limit: int) -> int:
        """Remove up to `limit` things that are over; return how many. Then tidy the log."""
        gone: int = self.write(["settle", None, limit])
        with self._lock:
            now = self._clock()
            if self._trim.is_worthwhile(now) and self._trim.run(now, limit):
                self._commit([])
        return gone

    def volume(self) -> tuple[int, int]:
        """How many messages are free, delayed ones included, and how many are claimed."""
        self.write(["settle", None, sys.maxsize])
        with self._lock:
            boxes = [queue.box for queue in self._replica.project.queues.values()]
            stats = [box.stats() for box in boxes]
        return sum(each.free for each in stats), sum(each.claimed for each in stats)

    def _next_calls(self) -> list[_Call]:
        calls, size = [], 0
        while self._waiting and size < MOST_BYTES:
            calls.append(self._waiting.popleft())
            size += sum(map(len, calls[-1].bodies))
        return calls

    def _serve(self, calls: list[_Call]) -> None:
        try:
            view = None
            if not self._replica.loaded or self._idle(calls, self._clock()):
                view = self._catch_up()
                self._answer_idle(calls, view)
            if not all(call.done for call in calls):
                self._commit(calls, view)
        except MQError as error:
            for call in calls:
                if not call.done:
                    call.finish(error=error)
        except BaseException as error:
            for call in calls:
                call.finish(error=Unavailable(f"the call was broken off: {error!r}"))
            raise

    def _answer_idle(self, calls: Sequence[_Call], view: View) -> None:
        now = self._clock()
        for call in self._idle(calls, now) if view.settled else ():
            at = Moment(self._replica.project, now, 0, 0)
            call.finish(apply(at, call.command))

    def _idle(self, calls: Sequence[_Call], now: float) -> list[_Call]:
        """Those that would change nothing; they need no entry."""
        return [call for call in calls if is_idle(self._replica.project, now, call.command)]

    def _catch_up(self, *, to_write: bool = False) -> View:
        """Read on. What is not certain yet is waited for, as is, in order to write, somebody who
        has just taken an epoch; but not for longer than PATIENCE."""
        deadline = time.monotonic() + PATIENCE
        while True:
            outlook = self._replica.look()
            view = outlook.view
            free = view.highest in (view.end.epoch, self._tried)
            if free or (view.settled and not to_write) or time.monotonic() > deadline:
                break
            self._pause(1)
        if view.settled:
            self._accept(outlook)
        if view.highest != self._epoch:
            self._epoch = None
        return view

    def _pause(self, turns: int) -> None:
        """Let others have about so many turns. Who asks all the time only slows them down."""
        time.sleep(self._turn * random.uniform(0, 2 * turns))  # noqa: S311

    def _accept(self, outlook: Outlook) -> None:
        for entry, head in zip(outlook.view.entries, outlook.heads, strict=True):
            answers = self._replica.apply(entry, head)
            name, calls = self._written
            if entry.name == name:
                for call, answer in zip(calls, answers, strict=True):
                    call.finish(answer)

    def _commit(self, calls: Sequence[_Call], view: View | None = None) -> None:
        """Write an entry with those that are not done, until it or one like it counts.

        `view` is what was seen just now.
        """
        sure = False
        for attempt in range(ATTEMPTS):
            left = [call for call in calls if not call.done]
            if self._epoch is None:
                if view is None:
                    self._pause(min(attempt, 8))
                    view = self._catch_up(to_write=True)
                    left = [call for call in left if not call.done]
                if sure and view.settled and not left:
                    return
                self._take_over(view)
                view = None
                left = [call for call in left if not call.done]
            if self._epoch is None:
                continue
            epoch, self._epoch = self._epoch, None
            committed, sure = self._append(epoch, left)
            if committed:
                return
        raise Unavailable(
            f"{self._requests.place} is written to by too many at once, or answers too slowly: an "
            f"object took more than {self._requests.slow:g} s"
        )

    def _take_over(self, view: View) -> None:
        """Try to take an epoch, and read what was written before it was there."""
        self._tried = epoch = next_epoch([view.highest])
        if not self._requests.put(epoch_name(self._replica.digest, epoch), b""):
            return
        outlook = self._replica.look()
        if outlook.view.highest != epoch:
            return
        self._accept(outlook)
        self._epoch = epoch
        self._trim.forget(outlook.view, epoch, EPOCHS_KEPT)

    def _append(self, epoch: str, calls: Sequence[_Call]) -> tuple[bool, bool]:
        """Write an entry; say whether it counts, and else whether what is listed can be believed.

        An entry that was stored slowly may be missing in some listings: another must follow it.
        """
        entry, head, content = self._compose(epoch, calls)
        self._written = (entry.name, calls)
        began = time.monotonic()
        quick = self._requests.put(entry.name, content)
        outlook = self._replica.look({entry.name: head})
        self._turn += (time.monotonic() - began - self._turn) / 4
        view = outlook.view
        if not quick or view.highest != epoch or view.end != entry.tip:
            return False, quick
        self._accept(outlook)
        self._epoch = epoch
        self._trim.after_entry(self._clock())
        return True, True

    def _compose(self, epoch: str, calls: Sequence[_Call]) -> tuple[Entry, bytes, bytes]:
        said = {
            "now": self._clock(),
            "swept": self._trim.swept,
            "commands": [call.command for call in calls],
        }
        head = json.dumps(said, separators=(",", ":")).encode()
        bodies = [body for call in calls for body in call.bodies]
        more = any(bodies)
        entry = new_entry(self._replica.digest, epoch, self._replica.tip, head, more)
        content = b"" if entry.inline else b"".join([head, *bodies])
        return entry, head, content
