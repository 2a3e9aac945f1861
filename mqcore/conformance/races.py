"""Several handles at once: whatever the interleaving, these hold."""

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from ..contract import (
    Capability,
    ClaimNotFound,
    DeadLetter,
    Driver,
    Handle,
    MessageClaimed,
    MetadataConflict,
    MQError,
    NewSubscription,
    NotFound,
    QueueNotFound,
    QueueRef,
    SubscriptionExists,
    new_id,
)
from .calls import CALLS
from .suite import Suite, flat, new_messages, race, requires

__all__ = ["TestRaces"]


class TestRaces(Suite):
    """Every worker has a handle of its own."""

    def claim_all(self, driver: Driver, dead_letter: DeadLetter | None = None) -> list[str]:
        """Claim in small steps until nothing is left."""
        ids: list[str] = []
        while claim := self.try_claim(3, driver=driver, dead_letter=dead_letter):
            ids += [message.id for message in claim.messages]
            assert len(ids) <= 1000, "claims have no end"
        return ids

    def pop_all(self, driver: Driver) -> list[str]:
        """Pop in small steps until nothing is left."""
        ids: list[str] = []
        while popped := driver.messages.pop(self.queue, 3):
            ids += [message.id for message in popped]
            assert len(ids) <= 1000, "pops have no end"
        return ids

    def test_racing_claimants_never_share_a_message(self) -> None:
        """B-108."""
        posted = self.post(self.some(200))
        taken = race(self.workers(8, self.claim_all))
        assert sorted(flat(taken)) == posted

    def test_posts_to_several_queues_in_any_order_do_not_block_each_other(self) -> None:
        """B-040."""
        queues = [QueueRef(self.queue.project, f"queue-{n}") for n in range(4)]
        for queue in queues:
            self.driver.queues.create(queue, {})

        def post(driver: Driver) -> dict[QueueRef, list[str]]:
            stored: dict[QueueRef, list[str]] = {queue: [] for queue in queues}
            for _ in range(self.some(10)):
                posts = [(queue, new_messages(2)) for queue in random.sample(queues, 3)]
                for (queue, _), ids in zip(
                    posts, driver.messages.post_to_several(posts), strict=True
                ):
                    assert not isinstance(ids, MQError)
                    stored[queue] += ids  # type: ignore[arg-type]
            return stored

        stored = race(self.workers(4, post))
        for queue in queues:
            assert sorted(self.everything(queue)) == sorted(flat(one[queue] for one in stored))

    def test_racing_pops_never_share_a_message(self) -> None:
        """B-074."""
        posted = self.post(self.some(100))
        taken = race(self.workers(6, self.pop_all))
        assert sorted(flat(taken)) == posted

    def test_who_collects_takes_nothing_from_those_who_pop(self) -> None:
        """B-074."""
        over = threading.Event()

        def pop(driver: Driver) -> list[str]:
            try:
                return self.pop_all(driver)
            finally:
                over.set()

        def collect(driver: Driver) -> list[str]:
            while not over.is_set():
                driver.collect()
            return []

        posted = self.post(self.some(100))
        taken = race([*self.workers(2, pop), *self.workers(2, collect)])
        assert sorted(flat(taken)) == posted
        assert self.everything() == []

    def test_pops_and_claims_never_share_a_message(self) -> None:
        """B-075, B-108."""
        posted = self.post(self.some(120))
        poppers, claimants = self.workers(3, self.pop_all), self.workers(3, self.claim_all)
        taken = race([*poppers, *claimants])
        assert sorted(flat(taken)) == posted
        assert sorted(self.everything()) == sorted(flat(taken[3:]))

    def test_claims_race_for_messages_that_come_back(self) -> None:
        """B-104, B-108."""
        posted = self.post(10 * self.some(6))
        for _ in range(self.some(6)):
            self.claim(10, ttl=60)
        self.advance(60)
        taken = race(self.workers(6, self.claim_all))
        assert sorted(flat(taken)) == posted

    def test_racing_releases_and_claims_leave_no_message_in_two_claims(self) -> None:
        """B-103, B-108."""
        posted = self.post(12)

        def churn(driver: Driver) -> list[str]:
            for _ in range(self.some(8)):
                claim = self.try_claim(2, driver=driver)
                if claim is not None:
                    driver.claims.release(self.queue, claim.id)
            last = self.try_claim(2, driver=driver)
            return [message.id for message in last.messages] if last else []

        kept = flat(race(self.workers(6, churn)))
        assert len(kept) == len(set(kept))
        rest = self.ids(self.claim(12)) if len(kept) < 12 else []
        assert sorted([*kept, *rest]) == posted

    def test_a_message_is_deleted_or_claimed_but_not_both(self) -> None:
        """B-051, B-108."""
        posted = self.post(self.some(60))

        def delete_all(driver: Driver) -> list[str]:
            deleted = []
            for message_id in posted:
                (error,) = driver.messages.delete(self.queue, [Handle(message_id)])
                assert error is None or isinstance(error, MessageClaimed)
                deleted += [message_id] if error is None else []
            return deleted

        deleted, *claimed = race([*self.workers(1, delete_all), *self.workers(4, self.claim_all)])
        assert sorted([*deleted, *flat(claimed)]) == posted

    def test_an_expired_claim_is_never_renewed_by_winning_a_race(self) -> None:
        """B-097, B-110."""
        for _ in range(self.some(5)):
            (posted,) = self.post()
            old = self.claim(ttl=60)
            self.advance(60)

            def renew(driver: Driver, claim_id: str = old.id) -> bool:
                try:
                    driver.claims.renew(self.queue, claim_id, ttl=600, grace=0)
                except ClaimNotFound:
                    return False
                return True

            def delete(driver: Driver, message_id: str = posted, claim_id: str = old.id) -> bool:
                handle = Handle(message_id, (claim_id,))
                return list(driver.messages.delete(self.queue, [handle])) == [None]

            def claim(driver: Driver) -> bool:
                return self.try_claim(ttl=600, driver=driver) is not None

            results = race(
                [*self.workers(1, renew), *self.workers(1, delete), *self.workers(3, claim)]
            )
            assert results[:2] == [False, False]
            assert results[2:].count(True) == 1

    @requires(Capability.FIFO)
    def test_a_reader_that_pages_misses_no_racing_post(self) -> None:
        """B-078."""
        writing = [True] * 4

        def write(number: int, driver: Driver) -> list[str]:
            try:
                return flat(self.post(size, driver=driver) for size in (1, 1, 2, 3) * self.some(4))
            finally:
                writing[number] = False

        def read(driver: Driver) -> list[str]:
            seen: list[str] = []
            marker = None
            while True:
                finished = not any(writing)
                page = driver.messages.list(self.queue, marker=marker, limit=50)
                seen += [message.id for message in page.items]
                marker = page.next or marker
                if finished and not page.items:
                    return seen

        writers: list[Callable[[], list[str]]] = [
            partial(write, number, self.open()) for number in range(4)
        ]
        *written, first, second = race([*writers, *self.workers(2, read)])
        listed = self.listed()
        assert first == listed
        assert second == listed
        for ids in written:
            assert [each for each in listed if each in ids] == ids

    @requires(Capability.ATOMIC_BATCH)
    def test_a_batch_appears_at_one_moment(self) -> None:
        """B-040."""
        batches = [new_messages(20) for _ in range(6)]
        writing = [True]

        def write(driver: Driver) -> set[int]:
            try:
                for batch in batches:
                    driver.messages.post(self.queue, batch)
            finally:
                writing.clear()
            return set()

        def read(driver: Driver) -> set[int]:
            sizes = set()
            while True:
                finished = not writing
                sizes.add(len(driver.messages.list(self.queue, limit=1000).items))
                if finished:
                    return sizes

        seen = race([*self.workers(1, write), *self.workers(2, read)])
        assert {size % 20 for sizes in seen for size in sizes} == {0}

    @requires(Capability.ATOMIC_BATCH)
    def test_a_batch_is_not_torn_by_the_deletion_of_its_queue(self) -> None:
        """B-016, B-040."""

        def write(driver: Driver) -> None:
            for _ in range(self.some(8)):
                try:
                    driver.messages.post(self.queue, new_messages(20))
                except QueueNotFound:
                    continue

        def delete(driver: Driver) -> None:
            for _ in range(self.some(8)):
                driver.queues.delete(self.queue)
                driver.queues.create(self.queue, {})

        race([*self.workers(3, write), *self.workers(1, delete)])
        assert len(self.everything()) % 20 == 0

    def test_dead_letters_move_once(self) -> None:
        """B-107, B-108."""
        dead = self.other_queue("dead")
        worn = self.post(30)
        self.release(self.claim(30))
        fresh = self.post(30)
        letter = DeadLetter("dead", 1)
        work = partial(self.claim_all, dead_letter=letter)
        claimed = flat(race(self.workers(6, work)))
        assert sorted(claimed) == fresh
        assert sorted(self.everything(dead)) == worn
        assert self.everything() == fresh

    def test_queues_that_are_each_others_dead_letter_queue_do_not_block(self) -> None:
        """B-107, B-108."""
        other = self.other_queue()
        posted = self.post(20) + self.post(20, queue=other)
        self.release(self.claim(20))
        self.driver.claims.release(other, self.claim(20, queue=other).id)

        def move(here: QueueRef, there: QueueRef, driver: Driver) -> None:
            for _ in range(4):
                self.try_claim(3, driver=driver, queue=here, dead_letter=DeadLetter(there.name, 1))

        both = [partial(move, self.queue, other), partial(move, other, self.queue)]
        race([worker for work in both for worker in self.workers(2, work)])
        assert sorted(self.everything() + self.everything(other)) == posted

    def test_racing_calls_of_every_kind_raise_only_what_the_contract_names(self) -> None:
        """B-108."""

        def call_all(driver: Driver) -> None:
            for call in CALLS.values():
                with suppress(NotFound):
                    call(driver, self.queue)
                driver.queues.create(self.queue, {})

        race(self.workers(4, call_all))
        self.driver.messages.purge(self.queue)
        (posted,) = self.post()
        assert self.ids(self.claim()) == [posted]

    def test_one_of_racing_creates_is_the_first(self) -> None:
        """B-001, B-002."""
        for round_ in range(self.some(4)):
            queue = QueueRef(self.queue.project, f"raced-{round_}")
            results = race([partial(self.open().queues.create, queue, {"of": n}) for n in range(4)])
            assert results.count(True) == 1
            wanted = {"of": results.index(True)}
            assert self.driver.queues.get(queue).metadata == wanted

    def test_one_of_racing_metadata_writes_on_a_version_wins(self) -> None:
        """B-007."""
        for _ in range(self.some(6)):
            version = self.driver.queues.get(self.queue).version

            def write(driver: Driver, version: str | None = version) -> bool:
                try:
                    driver.queues.set_metadata(self.queue, {"a": 1}, if_version=version)
                except MetadataConflict:
                    return False
                return True

            assert race(self.workers(4, write)).count(True) == 1

    def test_one_of_racing_subscriptions_of_a_subscriber_wins(self) -> None:
        """B-121."""
        for round_ in range(self.some(4)):
            subscriber = f"http://{round_}.example"

            def subscribe(driver: Driver, subscriber: str = subscriber) -> str | None:
                new = NewSubscription(new_id(), subscriber, 600, {})
                created = driver.subscriptions.create(self.queue, new)
                return created.id if created else None

            results = race(self.workers(4, subscribe))
            (winner,) = [result for result in results if result is not None]
            found = self.driver.subscriptions.get_by_subscriber(self.queue, subscriber)
            assert found.id == winner
        assert len(self.driver.subscriptions.list(self.queue, limit=100).items) == self.some(4)

    def test_one_of_racing_updates_gets_a_subscriber(self) -> None:
        """B-132."""
        ids = [new_id() for _ in range(4)]
        for number, each in enumerate(ids):
            new = NewSubscription(each, f"http://{number}.example", 600, {})
            self.driver.subscriptions.create(self.queue, new)

        def take(subscription_id: str, driver: Driver) -> bool:
            try:
                driver.subscriptions.update(self.queue, subscription_id, subscriber="http://z")
            except SubscriptionExists:
                return False
            return True

        results = race([partial(take, each, self.open()) for each in ids])
        assert results.count(True) == 1
        found = self.driver.subscriptions.get_by_subscriber(self.queue, "http://z")
        assert found.id == ids[results.index(True)]
