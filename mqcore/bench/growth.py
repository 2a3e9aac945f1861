"""Does the cost of a call grow with what is in the queue?

One queue for each size. Each call is made on all of them in turns, in one run.
"""

import time
from contextlib import ExitStack, closing

from ..contract import Capability, ClaimRequest, Driver, QueueRef, new_id
from ..loader import bare_opener
from .operations import DAY, SETTLING, Operations, fresh, settle
from .plan import Plan
from .progress import Progress
from .results import NotMeasured, Row, medians

__all__ = ["OPERATIONS", "measure"]

OPERATIONS = {
    "post_1": ("post", 1),
    "post_10": ("post", 10),
    "claim_10": ("claim", 10),
    "list_10": ("list", 10),
    "list_hiding_own": ("list_hiding_own", 10),
    "list_all": ("list_all", 10),
    "stats": ("stats", 1),
    "delete_1": ("delete", 1),
    "delete_oldest": ("delete_oldest", 1),
    "delete_10_claimed": ("delete_claimed", 10),
    "get_10": ("get", 10),
    "renew": ("renew", 10),
    "release": ("release", 10),
    "pop_10": ("pop", 10),
}
SMALLEST = 1000
BETWEEN = (10_000, 100_000, 1_000_000, 10_000_000)
POSTED_AT_ONCE = 1000
CLAIMED_AT_ONCE = 400
AHEAD = 1000
"""Free messages behind those that are claimed, delayed or expired ahead."""
WARM_UP = 10
TURNS = 40
"""Timed calls for one round of a server: they are short."""
PATIENCE = 10
"""An operation ends early, with fewer turns, after this many times `seconds`."""


class Clock:
    """The real time, moved on by what a state needs."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Subject(Operations):
    """One queue in one state and size, on a handle of its own."""

    def __init__(self, driver: Driver, queue: QueueRef, clock: Clock, size: int) -> None:
        super().__init__(driver, queue)
        self.clock = clock
        self.size = size

    def fill(self, state: str, progress: Progress) -> None:
        self.driver.queues.delete(self.queue)
        self.driver.queues.create(self.queue, {})
        self._post(
            self.size,
            progress,
            ttl=DAY if state == "expired" else 14 * DAY,
            delay=10 * DAY if state == "delayed" else 0,
        )
        if state in ("claimed", "lapsed"):
            self._hold(DAY if state == "lapsed" else 10 * DAY, progress)
        if state in ("expired", "lapsed"):
            self.clock.ahead += 2.0 * DAY
        if state != "waiting":
            self._post(AHEAD, progress, ttl=14 * DAY, delay=0)

    def _post(self, size: int, progress: Progress, *, ttl: int, delay: int) -> None:
        for done in range(0, size, POSTED_AT_ONCE):
            n = min(POSTED_AT_ONCE, size - done)
            self.driver.messages.post(self.queue, fresh(n, ttl=ttl, delay=delay))
            progress.step(f"posted {done + n:,} of {size:,}", n)

    def _hold(self, ttl: int, progress: Progress) -> None:
        for done in range(0, self.size, CLAIMED_AT_ONCE):
            n = min(CLAIMED_AT_ONCE, self.size - done)
            self.driver.claims.claim(self.queue, [ClaimRequest(new_id(), n, ttl, 60)])
            progress.step(f"claimed {done + n:,} of {self.size:,}", n)


def measure(plan: Plan, progress: Progress) -> list[Row]:
    """Measure every state in turn, each in stores of its own where the URI allows it."""
    sizes = (SMALLEST, *[each for each in BETWEEN if each < plan.size], plan.size)
    rows: list[Row] = []
    for state in plan.states if plan.selected(tuple(OPERATIONS)) else ():
        with ExitStack() as stack:
            subjects = [_open(plan, state, size, stack) for size in sizes]
            delays = all(Capability.DELAY in s.driver.capabilities for s in subjects)
            if state == "delayed" and not delays:
                raise NotMeasured("the store cannot delay messages, so none are delayed ahead")
            held = state in ("claimed", "lapsed")
            free = AHEAD * len(sizes) if state != "waiting" else 0
            progress.begin(f"growth, filling ({state})", sum(sizes) * (1 + held) + free)
            for subject in subjects:
                subject.fill(state, progress)
            progress.begin("growth, settling", SETTLING)
            for _ in settle([each.post for each in subjects], plan.seconds * PATIENCE):
                progress.step("calls before any is timed")
            rows += _compare(plan, state, subjects, progress)
            for subject in subjects:
                subject.driver.queues.delete(subject.queue)
    return rows


def _open(plan: Plan, state: str, size: int, stack: ExitStack) -> Subject:
    clock = Clock()
    driver = bare_opener(plan.uri_for(f"growth-{state}-{size}"))(clock)
    stack.enter_context(closing(driver))
    return Subject(driver, QueueRef("mqcore-bench", f"growth-{state}-{size}"), clock, size)


def _compare(plan: Plan, state: str, subjects: list[Subject], progress: Progress) -> list[Row]:
    names = plan.selected(tuple(OPERATIONS))
    progress.begin(f"growth, {state}", len(names))
    rows = []
    for name in names:
        times = _turns(plan, name, subjects)
        for subject, mine in zip(subjects[1:], times[1:], strict=True):
            rows.append(_row(name, state, subject.size, mine, times[0]))
        progress.step(name)
    return rows


def _turns(plan: Plan, name: str, subjects: list[Subject]) -> list[list[float]]:
    """Call on every subject in turn; the seconds of each call, for each subject."""
    method, batch = OPERATIONS[name]
    times: list[list[float]] = [[] for _ in subjects]
    pairs = list(zip(subjects, times, strict=True))
    end = time.monotonic() + plan.seconds * PATIENCE
    for turn in range(WARM_UP + plan.rounds * TURNS):
        if turn > 2 * WARM_UP and time.monotonic() > end:
            break
        # To and fro, so that nobody is always the one after the largest.
        for subject, mine in pairs[:: 1 if turn % 2 == 0 else -1]:
            mine.append(getattr(subject, method)(batch))
    return [mine[WARM_UP:] for mine in times]


def _row(name: str, state: str, size: int, mine: list[float], smallest: list[float]) -> Row:
    return Row(
        section="growth",
        operation=name,
        setting={"state": state, "size": size},
        figures=medians(
            {"ms": a * 1000, f"ms at {SMALLEST:,}": b * 1000}
            for a, b in zip(mine, smallest, strict=True)
        ),
        ratio_of="ms",
        against=f"{SMALLEST:,}",
        ratios=[a / b for a, b in zip(mine, smallest, strict=True)],
    )
