"""Order and pages while others post, claim and delete, and while messages expire."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import pairwise

from ..contract import Capability, Driver, Handle, NotFound
from .suite import Suite, flat, race, requires

__all__ = ["TestOrderBesideOthers", "TestPagesBesideOthers"]

DAY = 86_400
SIZES = (1, 2, 1, 3) * 3


class Work:
    """Whether some workers of a race are still at it."""

    def __init__(self, workers: int) -> None:
        self._busy = [True] * workers

    @property
    def goes_on(self) -> bool:
        return any(self._busy)

    def of(self, number: int, work: Callable[[], list[str]]) -> list[str]:
        try:
            return work()
        finally:
            self._busy[number] = False


class TestOrderBesideOthers(Suite):
    """Several posters at once, each with a handle of its own."""

    def post_all(self, driver: Driver) -> list[list[str]]:
        return [self.post(size, driver=driver, ttl=DAY) for size in SIZES]

    def in_order(self, found: list[str], posted: list[list[str]]) -> bool:
        """Whether the messages of one poster are found in its order."""
        mine = flat(posted)
        return [each for each in found if each in set(mine)] == mine

    @requires(Capability.FIFO)
    def test_racing_posters_keep_their_order_each(self) -> None:
        """B-040, B-078."""
        posted = race(self.workers(4, self.post_all))
        listed = self.listed()
        assert sorted(listed) == sorted(flat(flat(posted)))
        assert [self.in_order(listed, each) for each in posted] == [True] * 4

    @requires(Capability.FIFO)
    @requires(Capability.ATOMIC_BATCH)
    def test_nothing_comes_between_the_messages_of_a_batch(self) -> None:
        """B-040."""
        posted = race(self.workers(4, self.post_all))
        places = {message: place for place, message in enumerate(self.listed())}
        for batch in flat(posted):
            assert [places[b] - places[a] for a, b in pairwise(batch)] == [1] * (len(batch) - 1)

    @requires(Capability.FIFO)
    def test_one_consumer_gets_the_messages_of_each_poster_in_order(self) -> None:
        """B-075, B-090."""
        posting = Work(3)
        posted: list[list[list[str]]] = [[], [], []]

        def post(number: int, driver: Driver) -> list[str]:
            def work() -> list[str]:
                posted[number] = self.post_all(driver)
                return []

            return posting.of(number, work)

        def consume(driver: Driver) -> list[str]:
            got: list[str] = []
            while True:
                finished = not posting.goes_on
                claim = self.try_claim(2, driver=driver)
                popped = driver.messages.pop(self.queue, 2)
                got += self.ids(claim) + self.ids(popped)
                if finished and not popped and claim is None:
                    return got

        posters: list[Callable[[], list[str]]] = [
            partial(post, number, self.open()) for number in range(3)
        ]
        *_, got = race([*posters, *self.workers(1, consume)])
        assert len(got) == len(set(got)) == 3 * sum(SIZES)
        assert [self.in_order(got, each) for each in posted] == [True] * 3


class TestPagesBesideOthers(Suite):
    """Readers that page by marker while everything changes."""

    def changes(self, old: list[str], work: Work) -> list[Callable[[], list[str]]]:
        """Workers that post, delete, and let messages expire; they return nothing."""

        def post(driver: Driver) -> list[str]:
            for size in SIZES:
                self.post(size, driver=driver, ttl=DAY)
                self.post(1, driver=driver, ttl=5)
            return []

        def delete(driver: Driver) -> list[str]:
            for message in old[::2]:
                driver.messages.delete(self.queue, [Handle(message, force=True)])
                self.advance(1)
            return []

        tasks = (post, post, delete)
        return [
            partial(work.of, number, partial(task, self.open()))
            for number, task in enumerate(tasks)
        ]

    def claims(self, work: Work, number: int) -> Callable[[], list[str]]:
        """A worker that claims, renews and releases."""

        def churn(driver: Driver) -> list[str]:
            for _ in range(10):
                claim = self.try_claim(3, driver=driver)
                if claim is not None:
                    with suppress(NotFound):
                        driver.claims.renew(self.queue, claim.id, ttl=600, grace=0)
                    driver.claims.release(self.queue, claim.id)
            return []

        return partial(work.of, number, partial(churn, self.open()))

    def reader(self, work: Work, *, everything: bool) -> Callable[[], list[str]]:
        """A worker that reads page after page until nothing comes any more."""

        def read(driver: Driver) -> list[str]:
            seen: list[str] = []
            marker = None
            while True:
                finished = not work.goes_on
                page = driver.messages.list(
                    self.queue,
                    marker=marker,
                    limit=5,
                    include_claimed=everything,
                    include_delayed=everything,
                )
                seen += [message.id for message in page.items]
                marker = page.next or marker
                if finished and not page.items:
                    return seen

        return partial(read, self.open())

    def old_messages(self) -> list[str]:
        """Messages that are there before anybody reads; some will expire."""
        return sorted(
            flat(self.post(1, ttl=10 if number % 5 == 0 else DAY) for number in range(40))
        )

    def check(self, seen: list[str], stayed: list[str]) -> None:
        """It saw what stayed, nothing twice, and all in order."""
        assert len(seen) == len(set(seen))
        kept = set(stayed)
        assert [each for each in seen if each in kept] == stayed

    @requires(Capability.FIFO)
    def test_a_reader_sees_once_what_stayed(self) -> None:
        """B-064, B-068, B-078."""
        work = Work(3)
        changes = self.changes(self.old_messages(), work)
        readers = [self.reader(work, everything=False) for _ in range(2)]
        *_, first, second = race([*changes, *readers])
        stayed = self.listed()
        self.check(first, stayed)
        self.check(second, stayed)

    @requires(Capability.FIFO)
    def test_a_reader_of_everything_does_not_notice_claims(self) -> None:
        """B-064, B-066, B-078."""
        work = Work(4)
        changes = self.changes(self.old_messages(), work)
        *_, seen = race([*changes, self.claims(work, 3), self.reader(work, everything=True)])
        self.check(seen, self.everything())

    def test_a_reader_sees_once_what_was_there_before_and_stayed(self) -> None:
        """B-064, B-068."""
        old = self.old_messages()
        work = Work(3)
        *_, seen = race([*self.changes(old, work), self.reader(work, everything=True)])
        assert len(seen) == len(set(seen))
        stayed = set(self.everything())
        assert sorted(set(seen) & stayed & set(old)) == [each for each in old if each in stayed]
