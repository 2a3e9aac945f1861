"""The base of every group of tests: how a test gets its driver, and how it arranges things."""

import random
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import pytest

from ..contract import (
    Capability,
    Claim,
    ClaimRequest,
    DeadLetter,
    Driver,
    Handle,
    Message,
    MQError,
    NewMessage,
    Page,
    Queue,
    QueueRef,
    Subscription,
    new_id,
)
from .harness import Clock, Harness
from .ledger import Ledger, not_run
from .typed import TypedDriver

__all__ = ["MISSING", "Suite", "at_limit", "race", "requires", "without"]

T = TypeVar("T")
Test = TypeVar("Test", bound=Callable[..., None])

MISSING = "0123456789abcdef" * 2
"""A well-formed id that nothing has."""

LIMITS = {"body": "bodies", "metadata": "metadata"}
"""The limits of the contract, and what they limit."""


def requires(capability: Capability) -> Callable[[Test], Test]:
    """The test is for drivers that declare the capability."""
    return _condition(capability, declared=True)


def without(capability: Capability) -> Callable[[Test], Test]:
    """The test is for drivers that do not declare the capability."""
    return _condition(capability, declared=False)


def _condition(capability: Capability, *, declared: bool) -> Callable[[Test], Test]:
    def mark(test: Test) -> Test:
        conditions = getattr(test, "conditions", ())
        test.__dict__["conditions"] = (*conditions, (capability, declared))
        return test

    return mark


def at_limit(of: str, *, beyond: bool = False) -> Callable[[Test], Test]:
    """The test is for drivers with a limit of that name; `beyond` shows that more is refused."""

    def mark(test: Test) -> Test:
        test.__dict__["limit"] = (of, beyond)
        return test

    return mark


def race(workers: Sequence[Callable[[], T]]) -> list[T]:
    """Run all workers at once, switching threads as often as possible; return the results."""
    barrier = threading.Barrier(len(workers), timeout=60)

    def run(worker: Callable[[], T]) -> T:
        barrier.wait()
        sys.settrace(_let_others_run)
        try:
            return worker()
        finally:
            sys.settrace(None)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(len(workers)) as pool:
            return list(pool.map(run, workers))
    finally:
        sys.setswitchinterval(interval)


def _let_others_run(*_: object) -> None:
    """Called by Python whenever a function is entered.

    A driver whose lock is in the handle failed the race of claimants in 30 of 60 runs by the
    switch interval alone, and in 60 of 60 with this.
    """
    if random.random() < 0.1:
        time.sleep(0)


class Suite:
    """A group of tests. Each test has a driver, a clock, and a queue in a project of its own."""

    harness: Harness
    clock: Clock
    driver: Driver
    queue: QueueRef

    @pytest.fixture(autouse=True)
    def _arrange(self, harness: Harness, request: pytest.FixtureRequest) -> Iterator[None]:
        Ledger.start(request.config)
        self.harness = harness
        self.clock = Clock()
        self._handles: list[Driver] = []
        self.driver = self.open()
        try:
            for capability, declared in getattr(request.function, "conditions", ()):
                if (capability in self.driver.capabilities) != declared:
                    not_run(f"{'without' if declared else 'with'} {capability.name}")
            limit, _ = getattr(request.function, "limit", ("", False))
            if limit and getattr(self.driver.limits, limit) is None:
                not_run(f"without a limit for {LIMITS[limit]}")
            self.queue = self.new_queue(f"project-{new_id()}")
            yield
        finally:
            for handle in self._handles:
                handle.close()

    def open(self, clock: Clock | None = None) -> Driver:
        """Open another handle on the same backend, by the clock of the test or another one."""
        handle: Driver = TypedDriver(self.harness.open(clock or self.clock))
        if self.harness.gate is not None:
            handle = self.harness.gate(handle)
        self._handles.append(handle)
        return handle

    def workers(self, count: int, work: Callable[[Driver], T]) -> list[Callable[[], T]]:
        """Work for `race`, each with a handle of its own: a lock inside a handle must not do."""
        return [partial(work, self.open()) for _ in range(count)]

    def some(self, number: int) -> int:
        """So many, or a fourth where the store is slow: for tests that find more with more."""
        return -(-number // 4) if self.harness.slow else number

    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds)

    def new_queue(self, project: str | None, name: str = "queue") -> QueueRef:
        queue = QueueRef(project, name)
        self.driver.queues.create(queue, {})
        return queue

    def other_queue(self, name: str = "other") -> QueueRef:
        """Create another queue in the project of the test."""
        return self.new_queue(self.queue.project, name)

    def post(
        self,
        count: int = 1,
        *,
        queue: QueueRef | None = None,
        driver: Driver | None = None,
        **fields: Any,
    ) -> list[str]:
        """Post `count` messages, with these fields of `NewMessage`, in one call."""
        messages = new_messages(count, **fields)
        results = (driver or self.driver).messages.post(queue or self.queue, messages)
        assert list(results) == [message.id for message in messages]
        return [message.id for message in messages]

    def try_claim(
        self,
        limit: int = 10,
        *,
        ttl: int = 300,
        grace: int = 60,
        queue: QueueRef | None = None,
        driver: Driver | None = None,
        dead_letter: DeadLetter | None = None,
    ) -> Claim | None:
        """Claim up to `limit` messages; None when there are none."""
        request = ClaimRequest(new_id(), limit, ttl, grace, dead_letter)
        (result,) = (driver or self.driver).claims.claim(queue or self.queue, [request])
        assert not isinstance(result, MQError)
        return result

    def claim(self, limit: int = 10, **options: Any) -> Claim:
        """Claim up to `limit` messages, of which there is one at least."""
        claim = self.try_claim(limit, **options)
        assert claim is not None, "nothing was claimable"
        assert 1 <= len(claim.messages) <= limit
        return claim

    def release(self, claim: Claim) -> None:
        self.driver.claims.release(self.queue, claim.id)

    def delete(
        self, ids: Iterable[str], *claims: Claim | str, force: bool = False
    ) -> list[MQError | None]:
        """Delete messages by right of the claims, or of none."""
        claim_ids = tuple(claim if isinstance(claim, str) else claim.id for claim in claims)
        handles = [Handle(message_id, claim_ids, force) for message_id in ids]
        return list(self.driver.messages.delete(self.queue, handles))

    def listed(self, queue: QueueRef | None = None, **options: Any) -> list[str]:
        """The ids in one page that is large enough for all."""
        return self.ids(self.driver.messages.list(queue or self.queue, limit=1000, **options))

    def everything(self, queue: QueueRef | None = None) -> list[str]:
        """The ids of all messages, claimed and delayed ones too."""
        return self.listed(queue, include_claimed=True, include_delayed=True)

    def follow(self, page_after: Callable[[str | None], Page[T]]) -> list[T]:
        """Read pages, each with the marker of the one before, until one is empty."""
        items: list[T] = []
        marker = None
        for _ in range(1000):
            page = page_after(marker)
            if not page.items:
                assert page.next is None
                return items
            assert page.next is not None
            items += page.items
            marker = page.next
        raise AssertionError("the pages have no end")

    def ids(
        self, found: Claim | Page[Message] | Page[Subscription] | Iterable[Message] | None
    ) -> list[str]:
        """The ids in order where FIFO is declared; sorted where no order is promised.

        Ids that `post` made are in posting order when sorted.
        """
        if isinstance(found, Claim):
            found = found.messages
        items = found.items if isinstance(found, Page) else found or ()
        ids = [item.id for item in items]
        return ids if Capability.FIFO in self.driver.capabilities else sorted(ids)


def new_messages(count: int, **fields: Any) -> list[NewMessage]:
    """Messages to post, with ids in ascending order."""
    fields.setdefault("body", b'{"event": "test"}')
    fields.setdefault("ttl", 3600)
    ids = sorted(new_id() for _ in range(count))
    return [NewMessage(message_id, **fields) for message_id in ids]


def flat(parts: Iterable[Iterable[T]]) -> list[T]:
    """One list of all the parts' items."""
    return [item for part in parts for item in part]


def names(page: Page[Queue]) -> list[str]:
    """The names of the queues in a page."""
    return [queue.name for queue in page.items]
