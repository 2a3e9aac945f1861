"""What the driver does by itself: one thread, batches of 1 and 10."""

import time
from collections.abc import Callable

from ..contract import QueueRef
from ..loader import bare_opener
from .operations import Operations, fresh, settle
from .plan import Plan
from .progress import Progress
from .results import NotMeasured, Row, medians

__all__ = ["chunk", "measure"]

BATCHES = (1, 10)
BY_BATCH = ("post", "claim_delete", "claim", "list", "get", "delete", "pop")
ALONE = ("renew", "release", "stats")
WAITING = 1000
CHUNK = 0.025
"""How long one operation is measured in a round, as a part of `seconds`."""
ROUNDS = 5
"""Rounds here for one round of a server: they are short."""

Spent = Callable[[], float]


def measure(plan: Plan, progress: Progress) -> list[Row]:
    """Measure in rounds; each rate is compared with single posts of its round."""
    names = plan.selected((*BY_BATCH, *ALONE))
    if not names:
        return []
    driver = bare_opener(plan.uri_for("driver"))(time.time)
    try:
        queue = QueueRef("mqcore-bench", "driver")
        driver.queues.delete(queue)
        driver.queues.create(queue, {})
        operations = Operations(driver, queue)
        driver.messages.post(queue, fresh(WAITING))
        wanted = [(n, b) for n in names for b in ((10,) if n in ALONE else BATCHES)]
        # Single posts are measured whatever was selected: the others are compared with them.
        calls = list(dict.fromkeys([("post", 1), *wanted]))
        rounds = plan.rounds * ROUNDS
        for _ in settle([operations.post], plan.seconds):
            pass
        progress.begin("driver", rounds * len(calls))
        taken: dict[tuple[str, int], list[float]] = {call: [] for call in calls}
        for _ in range(rounds):
            for name, batch in calls:
                call = getattr(operations, name)
                taken[name, batch].append(chunk(lambda c=call, b=batch: c(b), plan.seconds * CHUNK))  # type: ignore[misc]
                progress.step(f"{name} {batch}")
        driver.queues.delete(queue)
    finally:
        driver.close()
    return [_row(*call, taken[call], taken["post", 1]) for call in calls]


def chunk(call: Spent, seconds: float) -> float:
    """Call for about this many seconds, twice at least; return the mean seconds of a call."""
    end = time.perf_counter() + seconds
    spent: list[float] = []
    while len(spent) < 2 or time.perf_counter() < end:
        spent.append(call())
    if min(spent) < 0:
        raise NotMeasured("the clock of this machine went back")
    return sum(spent) / len(spent)


def _row(name: str, batch: int, seconds: list[float], single: list[float]) -> Row:
    """`renew`, `release` and `stats` count as one thing, whatever the claim holds."""
    things = 1 if name in ALONE else batch
    return Row(
        section="driver",
        operation=name,
        setting={"batch": batch},
        figures=medians(
            {"calls/s": 1 / one, "msg/s": 0 if name in ALONE else things / one, "ms": one * 1000}
            for one in seconds
        ),
        ratio_of="calls/s" if name in ALONE else "msg/s",
        against="post 1",
        ratios=[things * b / a for a, b in zip(seconds, single, strict=True)],
    )
