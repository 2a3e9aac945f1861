"""Everything at once, and the whole history judged: whatever the interleaving, these hold."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from ..contract import Capability, Claim, Driver, Handle, NotFound, NotPermitted
from .checker import violations
from .history import History, RecordedDriver
from .load import ALL, Load
from .suite import Suite, race

__all__ = ["TestExclusivity"]

CLAIMS = {"claim": 6, "look": 2, "read": 1}
"""What goes on in every test, with something else beside it."""


class TestExclusivity(Suite):
    """Every worker has a handle of its own; each test reads all that they did and saw."""

    def race(
        self, kinds: dict[str, int], *, workers: int = 4, steps: int = 30, time_passes: bool = True
    ) -> None:
        """Let workers do this at random, then check the history of the queue."""
        history = History(self.clock)
        watcher = RecordedDriver(self.driver, history)
        self.post(20, driver=watcher, ttl=86_400)

        def work(seed: int, driver: Driver) -> None:
            # One worker turns the clock, so that claims end while others use them.
            tick: Callable[[], None] | None = partial(self.advance, 10)
            load = Load(RecordedDriver(driver, history), self.queue, seed)
            load.run(self.some(steps), kinds, other=tick if time_passes and seed == 0 else None)

        race([partial(work, seed, self.open()) for seed in range(workers)])
        left = watcher.everything(self.queue)
        self.advance(3600)
        assert self.ids(self.try_claim(1000, driver=watcher)) == self.ids_of(left)
        assert violations(history.events()) == []

    def duel(self, act: Callable[[Driver, Claim], object], rounds: int = 24) -> None:
        """Let a holder use its claim, just when that ends and somebody else claims.

        The claim runs out in every fourth round, and is released in the others.
        """
        history = History(self.clock)
        watcher, holder, other = (
            RecordedDriver(driver, history) for driver in (self.driver, self.open(), self.open())
        )

        def use(claim: Claim) -> None:
            with suppress(NotFound, NotPermitted):
                act(holder, claim)

        def follow(claim: Claim, release: bool) -> None:
            if release:
                other.claims.release(self.queue, claim.id)
            else:
                self.advance(60)
            self.try_claim(driver=other, ttl=86_400)

        for number in range(self.some(rounds)):
            self.post(driver=watcher, ttl=86_400)
            claim = self.claim(ttl=60, driver=holder)
            both = [partial(use, claim), partial(follow, claim, number % 4 > 0)]
            race(both if number % 2 else both[::-1])
            watcher.everything(self.queue)
        assert violations(history.events()) == []

    def ids_of(self, left: list[str]) -> list[str]:
        return left if Capability.FIFO in self.driver.capabilities else sorted(left)

    def test_claims_are_exclusive_while_others_end(self) -> None:
        """B-104, B-108."""
        self.race(CLAIMS)

    def test_claims_are_exclusive_beside_renewals(self) -> None:
        """B-093, B-108, B-110."""
        self.race(CLAIMS | {"renew": 6})

    def test_claims_are_exclusive_beside_releases(self) -> None:
        """B-103, B-108."""
        self.race(CLAIMS | {"release": 6}, time_passes=False)

    def test_claims_are_exclusive_beside_releases_and_renewals_as_claims_end(self) -> None:
        """B-093, B-103, B-104, B-108, B-110."""
        self.race(CLAIMS | {"release": 3, "renew": 3})

    def test_deletes_need_the_right_whatever_the_claims_do(self) -> None:
        """B-051, B-052, B-054, B-108."""
        self.race(CLAIMS | {"post": 4, "delete": 4, "delete_by_any": 4, "delete_free": 4})

    def test_what_is_popped_is_claimed_by_nobody(self) -> None:
        """B-075, B-108."""
        self.race(CLAIMS | {"post": 4, "release": 2, "pop": 3})

    def test_a_renewal_beside_the_end_of_its_claim_takes_nothing_from_the_next(self) -> None:
        """B-093, B-103, B-104, B-108, B-110."""
        self.duel(lambda d, claim: d.claims.renew(self.queue, claim.id, ttl=60, grace=0))

    def test_a_delete_beside_the_end_of_its_claim_takes_nothing_from_the_next(self) -> None:
        """B-052, B-054, B-103, B-104, B-108."""

        def delete(driver: Driver, claim: Claim) -> None:
            handles = [Handle(message.id, (claim.id,)) for message in claim.messages]
            driver.messages.delete(self.queue, handles)

        self.duel(delete)

    def test_a_release_beside_the_end_of_its_claim_frees_nothing_of_the_next(self) -> None:
        """B-098, B-103, B-104, B-108."""
        self.duel(lambda d, claim: d.claims.release(self.queue, claim.id))

    def test_everything_at_once_keeps_every_promise(self) -> None:
        """B-074, B-093, B-103, B-104, B-108."""
        self.race(ALL, workers=5)
