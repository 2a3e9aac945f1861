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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from mqcore.contract import Clock, MQError, Unavailable

from .bodies import Bodies
from .commands import Command, Moment, apply, is_idle
from .names import Entry, Tip, epoch_name, new_entry, next_epoch
from .packs import Body
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
MOST_SLOW = 3
"""How often storing an object may be slow in one call."""
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

    def __init__(self, replica: Replica, bodies: Bodies, clock: Clock, grace: float) -> None:
        self._replica, self._bodies, self._clock = replica, bodies, clock
        self._requests = replica.requests
        self._trim = Trim(replica, grace)
        self._lock = threading.Lock()
        self._waiting: deque[_Call] = deque()
        self._epoch: str | None = None
        """Ours, as long as nobody is known to have a higher one."""
        self._tried = ""
        """The last one that we wanted."""
        self._written: dict[Tip, Sequence[_Call]] = {}
        """The entries that were tried for the calls under way. At most one of them counts."""
        self._adopted: Outlook | None = None
        """What others wrote before our epoch, as long as none of our entries follows it."""
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
        with self._alone():
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
            self._trim.remove_strays()
            if self._trim.is_worthwhile(now):
                self._commit([])  # so that what we know is certain to others, too
                if self._epoch is not None:
                    self._trim.run(now, limit)
                    self._commit([])
        return gone

    def volume(self) -> tuple[int, int]:
        """How many messages are free, delayed ones included, and how many are claimed."""
        self.write(["settle", None, sys.maxsize])
        with self._alone():
            boxes = [queue.box for queue in self._replica.project.queues.values()]
            stats = [box.stats() for box in boxes]
        return sum(each.free for each in stats), sum(each.claimed for each in stats)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait for the others, but not for all of them when Swift does not answer them."""
        if not self._lock.acquire(timeout=2 * self._requests.timeout):
            raise Unavailable(
                f"{self._requests.place} does not answer in time those who asked before; see "
                "whether it is up, or raise ?timeout= in the storage URI if it is only slow"
            )
        try:
            yield
        finally:
            self._lock.release()

    def _next_calls(self) -> list[_Call]:
        calls, size = [], 0
        while self._waiting and size < MOST_BYTES:
            calls.append(self._waiting.popleft())
            size += sum(map(len, calls[-1].bodies))
        return calls

    def _serve(self, calls: list[_Call]) -> None:
        left = calls
        try:
            view = None
            if not self._replica.loaded or self._idle(calls, self._clock()):
                view = self._catch_up()
                self._answer_idle(calls, view)
                left = [call for call in calls if not call.done]
            if left:
                self._commit(left, view)
        except MQError as error:
            for call in left:
                call.finish(error=error)
        except BaseException as error:
            for call in left:
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
            if calls := self._written.get(entry.tip):
                for call, answer in zip(calls, answers, strict=True):
                    call.finish(answer)

    def _commit(self, calls: Sequence[_Call], view: View | None = None) -> None:
        """Write an entry with those that are not done, until it or one like it counts.

        `view` is what was seen just now.
        """
        slow = 0
        self._written = {}
        for attempt in range(ATTEMPTS):
            if self._epoch is None:
                if view is None:
                    self._pause(min(attempt, 2))
                    view = self._catch_up(to_write=True)
                if attempt and view.settled and not slow and all(call.done for call in calls):
                    return
                self._refuse_doubts()
                slow += not self._take_over(view)
                view = None
            if self._epoch is not None:
                self._refuse_doubts()  # taking over may have begun anew from a later checkpoint
                quick = self._append([call for call in calls if not self._is_written(call)])
                if self._epoch is not None:
                    return
                slow = 0 if quick else slow + 1
            if slow > MOST_SLOW:
                raise Unavailable(
                    f"{self._requests.place} is too slow: an object took more than "
                    f"{self._requests.slow:g} s, so that listings may lack it; raise ?slow= in the "
                    "storage URI if all of Swift's own timeouts are more (docs/swift.md)"
                )
        raise Unavailable(f"{self._requests.place} is written to by too many at once; try again")

    def _refuse_doubts(self) -> None:
        """Raises Unavailable when nobody can tell any more whether our last entry counted.

        A checkpoint of others covers it; to write the same once more might bring back a message
        that was consumed meanwhile.
        """
        covered = [
            calls for tip, calls in self._written.items() if tip.slot <= self._replica.covered
        ]
        if not all(call.done for calls in covered for call in calls):
            self._epoch = None
            raise Unavailable(
                f"this process was stopped while it wrote to {self._requests.place}, until others "
                "had gone on so far that it cannot tell what became of the call"
            ) from self._replica.torn

    def _is_written(self, call: _Call) -> bool:
        """Whether it is done, or in an entry of ours that we adopted ourselves."""
        adopted = self._adopted.view.entries if self._adopted else ()
        return call.done or any(call in self._written.get(entry.tip, ()) for entry in adopted)

    def _take_over(self, view: View) -> bool:
        """Try to take an epoch, and read what was written before it was there.

        False says that storing it was slow. Then it may be missing in listings, and is not ours.
        What was read is not carried out yet: only an entry of ours after it makes it certain.
        """
        self._tried = epoch = next_epoch([view.highest])
        if not self._requests.put(epoch_name(self._replica.digest, epoch), b""):
            return False
        outlook = self._replica.look()
        if outlook.view.highest == epoch:
            self._epoch, self._adopted = epoch, outlook
        return True

    def _append(self, calls: Sequence[_Call]) -> bool:
        """Write an entry. It counts if the epoch is still ours afterwards.

        False says that storing it was slow. Then another one must follow it, which names it.
        """
        epoch, self._epoch = str(self._epoch), None
        adopted, self._adopted = self._adopted, None
        before = adopted.view.end if adopted else self._replica.tip
        entry, head, content = self._compose(epoch, before, calls)
        known = {entry.name: head}
        if adopted:
            known |= {e.name: h for e, h in zip(adopted.view.entries, adopted.heads, strict=True)}
        self._written[entry.tip] = calls
        began = time.monotonic()
        quick = self._requests.put(entry.name, content)
        outlook = self._replica.look(known)
        self._turn += (time.monotonic() - began - self._turn) / 4
        view = outlook.view
        if quick and view.highest == epoch and view.end == entry.tip:
            self._accept(outlook)
            self._epoch = epoch
            self._keep_bodies(entry, calls)
            self._trim.forget(view, EPOCHS_KEPT)
            self._trim.after_entry(self._clock())
        return quick

    def _keep_bodies(self, entry: Entry, calls: Sequence[_Call]) -> None:
        start = entry.head
        for body in (body for call in calls for body in call.bodies):
            self._bodies.keep(entry.name, Body(entry.tip.slot, start, len(body)), body)
            start += len(body)

    def _compose(
        self, epoch: str, before: Tip, calls: Sequence[_Call]
    ) -> tuple[Entry, bytes, bytes]:
        said = {
            "now": self._clock(),
            "swept": self._trim.swept,
            "commands": [call.command for call in calls],
        }
        head = json.dumps(said, separators=(",", ":")).encode()
        bodies = [body for call in calls for body in call.bodies]
        more = any(bodies)
        entry = new_entry(self._replica.digest, epoch, before, head, more)
        content = b"" if entry.inline else b"".join([head, *bodies])
        return entry, head, content
