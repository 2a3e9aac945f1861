"""Handles on a container of their own, whose clock is turned by the test."""

from collections.abc import Callable, Iterator

import pytest
from mqcore_swift.driver import SwiftDriver, open_driver

from mqcore.conformance import Clock
from mqcore.contract import Claim, ClaimRequest, NewMessage, QueueRef, new_id
from tests.backends import Swift

QUEUE = QueueRef("project", "queue")


class Handles:
    """Opens handles on one container. `uri` may be replaced, for one behind a proxy."""

    def __init__(self, uri: str) -> None:
        self.uri, self.clock = uri, Clock()
        self._opened: list[SwiftDriver] = []

    def open(self) -> SwiftDriver:
        self._opened.append(open_driver(self.uri, clock=self.clock))
        return self._opened[-1]

    def close(self) -> None:
        for driver in self._opened:
            driver.close()


@pytest.fixture
def handles(swift: Swift) -> Iterator[Handles]:
    made = Handles(swift.fresh_database())
    yield made
    made.close()


def post(driver: SwiftDriver, count: int = 1, body: bytes = b"{}") -> list[str]:
    ids = sorted(new_id() for _ in range(count))
    driver.messages.post(QUEUE, [NewMessage(each, body, 86_400) for each in ids])
    return ids


def claim(driver: SwiftDriver, limit: int = 10, claim_id: str = "") -> list[str]:
    (made,) = driver.claims.claim(QUEUE, [ClaimRequest(claim_id or new_id(), limit, 3600, 0)])
    return [message.id for message in made.messages] if isinstance(made, Claim) else []


def before(method: Callable[..., object], happens: Callable[..., None]) -> Callable[..., object]:
    """The method, and before each call of it something else."""

    def call(*arguments: object, **options: object) -> object:
        happens(*arguments)
        return method(*arguments, **options)

    return call
