"""A service on the reference driver, with a clock that the test moves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from mqcore.contract import Message, NewMessage, QueueRef
from mqcore.memory import open_driver
from mqcore.service import NewClaim, Post, Posting, Service, ServiceLimits


@dataclass
class Clock:
    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Notified:
    calls: list[tuple[QueueRef, list[NewMessage]]]

    def posted(self, queue: QueueRef, messages: Sequence[NewMessage]) -> None:
        self.calls.append((queue, list(messages)))


class Bench:
    """A service and short ways to use it on one queue."""

    def __init__(self, limits: ServiceLimits | None = None) -> None:
        self.clock = Clock()
        self.notified = Notified([])
        self.driver = open_driver("memory://", clock=self.clock)
        self.service = Service(self.driver, limits=limits, clock=self.clock, notifier=self.notified)
        self.queue = QueueRef("p", "q")

    def post(self, *bodies: bytes, ttl: int | None = None, delay: int | None = None) -> list[str]:
        postings = [Posting(body, ttl, delay) for body in bodies or (b"1",)]
        return list(self.service.messages.post(self.queue, Post(postings)))

    def claim(self, limit: int = 10, ttl: int = 60, grace: int = 60) -> tuple[Message, ...]:
        claim = self.service.claims.claim(self.queue, NewClaim(limit, ttl, grace))
        return claim.messages if claim else ()

    def metadata(self, **metadata: object) -> None:
        self.service.queues.create(self.queue)
        self.service.queues.update(self.queue, lambda _: metadata)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.service.close()
