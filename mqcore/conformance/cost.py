"""Cost: no call may cost more because more messages lie in the queue, in whatever state.

Two queues lie in one store, one with many times the messages of the other, and every call is made
to both in turn. What is compared is the work that the harness counts, or, where it cannot count,
the time: as a ratio within the run, never in seconds.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import pytest

from ..contract import Capability, Claim, ClaimRequest, Handle, QueueRef, new_id
from .harness import Harness
from .ledger import not_run
from .suite import Suite, new_messages

__all__ = ["TestCost"]

MESSAGES = "MQCORE_CONFORMANCE_MESSAGES"
"""The environment variable for a queue of another size, like 1000000."""

SMALL = 1000
LARGE = 100_000
FREE = 500
"""How many claimable messages lie behind those that are claimed, delayed or expired."""

MOST_WORK = 3.0
"""How many times the work of a call in the small queue it may take in the large one: a tree is
deeper there, and its first message may lie deeper in a node."""
SLACK = 10
"""Work that does not count, for calls that take little."""
MOST_TIME = 5.0
"""The same for time, which other programs disturb."""

DAY = 86_400


def large(harness: Harness) -> int:
    """How many messages the large queue has: fewer behind a wrapper, whose own work is less."""
    wanted = os.environ.get(MESSAGES, str(LARGE if harness.gate is None else LARGE // 10))
    if not wanted.isdecimal() or int(wanted) < 10 * SMALL:
        pytest.fail(f"{MESSAGES} must be a number from {10 * SMALL} on, not {wanted!r}")
    return int(wanted)


class TestCost(Suite):
    @pytest.mark.parametrize("state", ["waiting", "claimed", "delayed", "expired"])
    def test_no_call_costs_more_when_more_messages_lie_there(self, state: str) -> None:
        if state == "delayed" and Capability.DELAY not in self.driver.capabilities:
            not_run("without DELAY")
        queues = self.other_queue("small"), self.other_queue("large")
        most = large(self.harness)
        for queue, size in zip(queues, (SMALL, most), strict=True):
            self.fill(queue, size, state)
        if state == "expired":
            self.advance(120)
        counts = self.harness.work(self.driver.ping) is not None
        # What many ends at one moment leave to tidy may be paid by the first calls after it.
        for queue in queues:
            self.costs(queue)
        grown = self.compare(queues, counts)
        for _ in range(2):
            # What disturbs one measurement of time does not disturb the same call in three.
            if grown and not counts:
                again = self.compare(queues, counts)
                grown = {name: text for name, text in again.items() if name in grown}
        # Done once, so too little for a comparison of times.
        empty = self.driver.queues.delete if state == "waiting" else self.driver.messages.purge
        small, big = (self.cost(partial(empty, queue)) for queue in queues)
        if counts and big > MOST_WORK * small + SLACK:
            grown[empty.__name__] = f"{big:g} instead of {small:g}"
        for queue in queues:
            self.driver.queues.delete(queue)
        assert not grown, f"these calls cost more with {most} messages than with {SMALL}"

    def test_a_step_of_collecting_costs_no_more_when_more_is_left(self) -> None:
        """B-079."""
        if self.harness.work(self.driver.ping) is None:
            not_run("this harness does not count work")
        works = []
        for size in (SMALL, large(self.harness)):
            self.fill(self.other_queue(f"of-{size}"), size, "expired")
            self.advance(120)
            works.append(self.harness.work(lambda: self.driver.collect(100)) or 0)
        assert works[1] <= MOST_WORK * works[0] + SLACK

    def fill(self, queue: QueueRef, size: int, state: str) -> None:
        """Put `size` messages into the state, and claimable ones behind them."""
        for _ in range(size // 1000):
            messages = [
                message
                for client in ("me", "you") * 10
                for message in new_messages(
                    50,
                    client=client,
                    ttl=60 if state == "expired" else 7 * DAY,
                    delay=DAY if state == "delayed" else 0,
                )
            ]
            self.driver.messages.post(queue, messages)
            if state == "claimed":
                requests = [ClaimRequest(new_id(), 500, DAY, 60) for _ in range(2)]
                claims = self.driver.claims.claim(queue, requests)
                assert [type(claim) for claim in claims] == [Claim, Claim]
        if state != "waiting":
            self.post(FREE, queue=queue, ttl=7 * DAY)

    def compare(self, queues: tuple[QueueRef, QueueRef], counts: bool) -> dict[str, str]:
        """Make all calls to both queues in turn; say which cost too much more in the second."""
        rounds = [[self.costs(queue) for queue in queues] for _ in range(3 if counts else 15)]
        grown = {}
        for name in rounds[0][0]:
            small, big = (median(costs[side][name] for costs in rounds) for side in (0, 1))
            most = MOST_WORK * small + SLACK if counts else MOST_TIME * small
            if big > most:
                grown[name] = f"{big:g} instead of {small:g}"
        return grown

    def cost(self, call: Callable[[], object]) -> float:
        start = time.perf_counter()
        work = self.harness.work(call)
        return time.perf_counter() - start if work is None else work

    def costs(self, queue: QueueRef) -> dict[str, float]:
        """What each call costs. They leave as many messages as there were."""
        messages, claims = self.driver.messages, self.driver.claims
        one, ten, more = new_messages(1), new_messages(10), new_messages(20)
        marker = messages.list(queue).next
        messages.post(queue, more)
        request, another = (ClaimRequest(new_id(), 10, 3600, 60) for _ in range(2))

        def delete_by_claim() -> None:
            (claim,) = claims.claim(queue, [another])
            assert isinstance(claim, Claim)
            handles = [Handle(message.id, (another.id,)) for message in claim.messages]
            assert list(messages.delete(queue, handles)) == [None] * 10

        calls: dict[str, Callable[[], object]] = {
            "post": lambda: messages.post(queue, one),
            "post of ten": lambda: messages.post(queue, ten),
            "get": lambda: messages.get(queue, one[0].id),
            "get of ten": lambda: messages.get_many(queue, [each.id for each in ten]),
            "page": lambda: messages.list(queue),
            "page after a marker": lambda: messages.list(queue, marker=marker),
            "page with claimed ones": lambda: messages.list(queue, include_claimed=True),
            "page with all": lambda: messages.list(
                queue, include_claimed=True, include_delayed=True
            ),
            "page that hides a client's": lambda: messages.list(queue, hide_client="me"),
            "first": lambda: messages.first(queue),
            "last": lambda: messages.first(queue, -1),
            "stats": lambda: self.driver.queues.stats(queue),
            "claim of ten": lambda: claims.claim(queue, [request]),
            "claim again": lambda: claims.claim(queue, [request]),
            "get of a claim": lambda: claims.get(queue, request.id),
            "renew": lambda: claims.renew(queue, request.id, ttl=7200, grace=60),
            "release": lambda: claims.release(queue, request.id),
            "delete": lambda: messages.delete(queue, [Handle(one[0].id)]),
            "delete of ten": lambda: messages.delete(queue, [Handle(each.id) for each in ten]),
            "claim and delete of ten": delete_by_claim,
            "pop of ten": lambda: messages.pop(queue, 10),
        }
        return {name: self.cost(call) for name, call in calls.items()}
