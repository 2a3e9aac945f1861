"""The calls of a driver, each timed alone. What a call changed is undone outside the clock."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ..contract import Claim, ClaimRequest, Driver, Handle, NewMessage, QueueRef, new_id
from .results import NotMeasured

__all__ = ["DAY", "SETTLING", "Operations", "fresh", "settle", "timer"]

BODY = b'{"event": "%s"}' % (b"x" * 180)
DAY = 86_400

SETTLING = 300

Timed = Callable[[], float]


def fresh(n: int, *, ttl: int = 14 * DAY, delay: int = 0) -> list[NewMessage]:
    """Messages to post."""
    return [NewMessage(new_id(), BODY, ttl, delay, client="producer") for _ in range(n)]


@contextmanager
def timer() -> Iterator[Timed]:
    """Gives a function that tells, after the block, how many seconds it took."""
    start = time.perf_counter()
    spent = 0.0
    yield lambda: spent
    spent = time.perf_counter() - start


def settle(posts: Sequence[Callable[[int], float]], seconds: float) -> Iterator[None]:
    """Post to each of several, SETTLING times or for so many seconds, before anything is timed.

    A store that is new or was just filled is not yet as it is in use: its log file may still
    have to grow, for example, which makes every commit dearer.
    """
    end = time.monotonic() + seconds
    for _ in range(SETTLING):
        if time.monotonic() > end:
            return
        for post in posts:
            post(10)
        yield


class Operations:
    """Timed calls on one queue, which holds enough free messages. Each returns its seconds.

    The queue has as many messages after each call as before.
    """

    def __init__(self, driver: Driver, queue: QueueRef) -> None:
        self.driver = driver
        self.queue = queue

    def post(self, n: int) -> float:
        new = fresh(n)
        with timer() as spent:
            self.driver.messages.post(self.queue, new)
        self.driver.messages.delete(self.queue, [Handle(each.id) for each in new])
        return spent()

    def claim(self, n: int) -> float:
        with timer() as spent:
            claim = self._claim(n)
        self.driver.claims.release(self.queue, claim.id)
        return spent()

    def claim_delete(self, n: int) -> float:
        with timer() as spent:
            claim = self._claim(n)
            handles = [Handle(one.id, (claim.id,)) for one in claim.messages]
            self.driver.messages.delete(self.queue, handles)
        self._replace(n)
        return spent()

    def delete_claimed(self, n: int) -> float:
        claim = self._claim(n)
        handles = [Handle(one.id, (claim.id,)) for one in claim.messages]
        with timer() as spent:
            self.driver.messages.delete(self.queue, handles)
        self.driver.claims.release(self.queue, claim.id)
        self._replace(n)
        return spent()

    def renew(self, n: int) -> float:
        claim = self._claim(n)
        with timer() as spent:
            self.driver.claims.renew(self.queue, claim.id, ttl=600, grace=60)
        self.driver.claims.release(self.queue, claim.id)
        return spent()

    def release(self, n: int) -> float:
        claim = self._claim(n)
        with timer() as spent:
            self.driver.claims.release(self.queue, claim.id)
        return spent()

    def pop(self, n: int) -> float:
        with timer() as spent:
            taken = self.driver.messages.pop(self.queue, n)
        self._enough(len(taken), n)
        self._replace(n)
        return spent()

    def list(self, n: int) -> float:
        with timer() as spent:
            page = self.driver.messages.list(self.queue, limit=n)
        self._enough(len(page.items), n)
        return spent()

    def list_hiding_own(self, n: int) -> float:
        with timer() as spent:
            self.driver.messages.list(self.queue, limit=n, hide_client="producer")
        return spent()

    def list_all(self, n: int) -> float:
        """A page with claimed and delayed messages."""
        with timer() as spent:
            self.driver.messages.list(
                self.queue, limit=n, include_claimed=True, include_delayed=True
            )
        return spent()

    def get(self, n: int) -> float:
        ids = [one.id for one in self.driver.messages.list(self.queue, limit=n).items]
        with timer() as spent:
            found = self.driver.messages.get_many(self.queue, ids)
        self._enough(len(found), n)
        return spent()

    def stats(self, _: int) -> float:
        with timer() as spent:
            self.driver.queues.stats(self.queue)
        return spent()

    def delete(self, n: int) -> float:
        """Delete the newest messages."""
        new = fresh(n)
        self.driver.messages.post(self.queue, new)
        handles = [Handle(each.id) for each in new]
        with timer() as spent:
            self.driver.messages.delete(self.queue, handles)
        return spent()

    def delete_oldest(self, n: int) -> float:
        oldest = self.driver.messages.list(self.queue, limit=n).items
        with timer() as spent:
            self.driver.messages.delete(self.queue, [Handle(each.id) for each in oldest])
        self._replace(n)
        return spent()

    def _claim(self, n: int) -> Claim:
        (claim,) = self.driver.claims.claim(self.queue, [ClaimRequest(new_id(), n, 300, 60)])
        if not isinstance(claim, Claim):
            raise NotMeasured(f"a claim on messages that wait gave {claim!r}")
        self._enough(len(claim.messages), n)
        return claim

    def _replace(self, n: int) -> None:
        self.driver.messages.post(self.queue, fresh(n))

    def _enough(self, found: int, wanted: int) -> None:
        if found != wanted:
            raise NotMeasured(f"a call for {wanted} messages that are there gave {found}")
