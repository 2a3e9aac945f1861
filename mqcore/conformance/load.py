"""A worker that does what users do, at random and without regard for others."""

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..contract import (
    Claim,
    ClaimRequest,
    Handle,
    Message,
    NewMessage,
    NotFound,
    NotPermitted,
    QueueRef,
    new_id,
)
from .history import RecordedDriver

__all__ = ["ALL", "Load"]

ALL = {
    "post": 6,
    "claim": 6,
    "renew": 3,
    "release": 3,
    "delete": 4,
    "delete_by_any": 2,
    "delete_free": 1,
    "pop": 1,
    "look": 3,
    "read": 1,
}
"""How often each kind of step is taken."""


class Load:
    """Steps on one queue. What it knows of others, it has from listings, as they do.

    So it renews and releases claims of others, and deletes by claims that are long over.
    """

    def __init__(self, driver: RecordedDriver, queue: QueueRef, seed: int) -> None:
        self.driver = driver
        self.queue = queue
        self.random = random.Random(seed)
        self.held: list[Message] = []
        """What this worker claimed, the claim in each."""
        self.seen: list[Message] = []
        """What the last listing showed."""
        self.claims: list[str] = []

    def run(
        self, steps: int, kinds: dict[str, int], other: Callable[[], None] | None = None
    ) -> None:
        """Take random steps of these kinds; before every fifth step, do something other."""
        chosen = self.random.choices(list(kinds), list(kinds.values()), k=steps)
        for number, kind in enumerate(chosen):
            if other and number % 5 == 4:
                other()
            self.step(kind)

    def step(self, kind: str) -> None:
        """Take one step; that a thing is gone or is another's is an answer like any other."""
        with suppress(NotFound, NotPermitted):
            getattr(self, kind)()

    def post(self) -> None:
        count = self.random.choice((1, 1, 2, 3))
        new = [NewMessage(new_id(), b"{}", 86_400) for _ in range(count)]
        self.driver.messages.post(self.queue, new)

    def claim(self) -> None:
        limit, ttl = self.random.choice((1, 2, 4)), self.random.choice((20, 30, 60))
        request = ClaimRequest(new_id(), limit, ttl, grace=0)
        (made,) = self.driver.claims.claim(self.queue, [request])
        if isinstance(made, Claim):
            self.held += made.messages
            self.claims.append(made.id)

    def renew(self) -> None:
        ttl = self.random.choice((20, 30, 60))
        self.driver.claims.renew(self.queue, self._claim(), ttl=ttl, grace=0)

    def release(self) -> None:
        self.driver.claims.release(self.queue, self._claim())

    def delete(self) -> None:
        """Delete what it claimed, by right unless the claim is over by now."""
        if self.held:
            message = self.held.pop(self.random.randrange(len(self.held)))
            self._delete(message, message.claim_id)

    def delete_by_any(self) -> None:
        """Delete any message by any claim."""
        if self.seen:
            self._delete(self.random.choice(self.seen), self._claim())

    def delete_free(self) -> None:
        if self.seen:
            self._delete(self.random.choice(self.seen), None)

    def pop(self) -> None:
        self.driver.messages.pop(self.queue, self.random.choice((1, 2)))

    def look(self) -> None:
        """List everything, and learn of the claims of others."""
        page = self.driver.messages.list(
            self.queue, limit=100, include_claimed=True, include_delayed=True
        )
        self.seen = list(page.items)
        self.claims += [each.claim_id for each in self.seen if each.claim_id is not None]
        self.claims = self.claims[-30:]

    def read(self) -> None:
        """Ask for messages by id, and for a claim."""
        ids = [message.id for message in [*self.held, *self.seen][:10]]
        self.driver.messages.get_many(self.queue, ids)
        self.driver.claims.get(self.queue, self._claim())

    def _claim(self) -> str:
        return self.random.choice(self.claims) if self.claims else new_id()

    def _delete(self, message: Message, claim: str | None) -> Any:
        rights = (claim,) if claim else ()
        return self.driver.messages.delete(self.queue, [Handle(message.id, rights)])
