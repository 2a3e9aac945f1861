"""Hints: who watches a queue is woken when another handle or another process posts to it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from ..contract import (
    Capability,
    Closed,
    DeadLetter,
    Driver,
    Handle,
    NewMessage,
    QueueRef,
    Unavailable,
    new_id,
)
from .crew import Crew, Place, Station
from .harness import Harness
from .processes import ProcessSuite
from .suite import Suite, requires, without

__all__ = ["TestNotWaking", "TestWaking", "TestWakingAcrossProcesses", "TestWakingAgain"]

ROUNDS = 5
"""Hints in a row: what comes soon after one must have another."""


class Watch:
    """What counts hints and can wait for one."""

    def __init__(self, driver: Driver, queue: QueueRef, patience: float) -> None:
        self.hints = 0
        self._patience = patience
        self._told = threading.Event()
        self.stop = driver.watch(queue, self._wake)

    def _wake(self) -> None:
        self.hints += 1
        self._told.set()

    def follows(self, call: Callable[[], object]) -> None:
        """Make the call, after which a hint must come."""
        self._told.clear()
        call()
        self.expect()

    def expect(self) -> None:
        assert self._told.wait(self._patience), f"no hint came within {self._patience:g} s"
        self._told.clear()


class WakingSuite(Suite):
    def watch(self, driver: Driver | None = None, queue: QueueRef | None = None) -> Watch:
        """Watch the queue on the handle, or on one that does nothing else."""
        return Watch(driver or self.open(), queue or self.queue, self.harness.patience)

    @contextmanager
    def watching(self, queue: QueueRef | None = None) -> Iterator[Watch]:
        watch = self.watch(queue=queue)
        try:
            yield watch
        finally:
            watch.stop()


class TestWaking(WakingSuite):
    @requires(Capability.WAKING)
    def test_a_post_of_another_handle_is_followed_by_a_hint(self) -> None:
        with self.watching() as watch:
            for _ in range(ROUNDS):
                watch.follows(self.post)

    @requires(Capability.WAKING)
    def test_posts_to_several_queues_are_followed_by_hints(self) -> None:
        other = self.other_queue()
        with self.watching() as first, self.watching(other) as second:
            for _ in range(ROUNDS):
                posts = [(q, [NewMessage(new_id(), b"{}", 60)]) for q in (self.queue, other)]
                first.follows(lambda posts=posts: self.driver.messages.post_to_several(posts))  # type: ignore[misc]
                second.expect()

    @requires(Capability.WAKING)
    def test_a_handle_hears_of_its_own_posts(self) -> None:
        watch = self.watch(self.driver)
        for _ in range(ROUNDS):
            watch.follows(self.post)
        watch.stop()

    @requires(Capability.WAKING)
    def test_a_released_claim_is_followed_by_a_hint(self) -> None:
        """B-103."""
        self.post()
        with self.watching() as watch:
            for _ in range(ROUNDS):
                claim = self.claim()
                watch.follows(lambda claim=claim: self.release(claim))  # type: ignore[misc]

    @requires(Capability.WAKING)
    def test_a_dead_letter_is_followed_by_a_hint_in_its_new_queue(self) -> None:
        """B-107."""
        dead = self.other_queue("dead")
        rule = DeadLetter("dead", max_claims=1)
        with self.watching(dead) as watch:
            for _ in range(ROUNDS):
                self.post()
                self.release(self.claim())
                watch.follows(lambda: self.try_claim(dead_letter=rule))

    @requires(Capability.WAKING)
    def test_a_queue_can_be_watched_before_it_exists(self) -> None:
        queue = QueueRef(self.queue.project, "later")
        with self.watching(queue) as watch:
            self.driver.queues.create(queue, {})
            for _ in range(ROUNDS):
                watch.follows(lambda: self.post(queue=queue))

    @requires(Capability.WAKING)
    @pytest.mark.parametrize(
        "name", ["x" * 10_000, "caf\u00e9 \u6587 \U0001f980", "a'b\"c;--\\", "two  words\n"]
    )
    def test_any_name_can_be_watched(self, name: str) -> None:
        queue = QueueRef(self.queue.project, name)
        with self.watching(queue) as watch:
            if len(name) < 100:
                self.driver.queues.create(queue, {})
                for _ in range(ROUNDS):
                    watch.follows(lambda: self.post(queue=queue))

    @requires(Capability.WAKING)
    def test_a_burst_of_posts_has_few_hints_and_one_after_its_end(self) -> None:
        with self.watching() as watch:
            watch.follows(self.post)
            before, start = watch.hints, time.monotonic()
            for _ in range(300):
                self.post()
            watch.follows(self.post)
            most = 5 + (time.monotonic() - start) / 0.01
            assert watch.hints - before <= most, "more than a hint every 10 ms"

    @requires(Capability.WAKING)
    def test_each_of_many_watched_queues_has_its_hints(self) -> None:
        queues = [QueueRef(self.queue.project, f"queue-{number}") for number in range(40)]
        watches = [self.watch(self.driver, queue) for queue in queues for _ in range(3)]
        for queue in queues:
            self.driver.queues.create(queue, {})
        for _ in range(2):
            for queue in queues:
                self.post(queue=queue)
            for watch in watches:
                watch.expect()
        for watch in watches:
            watch.stop()

    @requires(Capability.WAKING)
    def test_a_watch_that_was_stopped_is_not_woken(self) -> None:
        with self.watching() as other:
            handle = self.open()
            stopped, left = self.watch(handle), self.watch(handle)
            for watch in (stopped, left, other):
                watch.follows(self.post)
            stopped.stop()
            stopped.stop()
            left.follows(self.post)
            hints = stopped.hints
            for _ in range(2):
                left.follows(self.post)
            other.expect()
            assert stopped.hints == hints

    @requires(Capability.WAKING)
    def test_a_watch_can_be_stopped_from_within(self) -> None:
        stops: list[Callable[[], None]] = []
        handle = self.open()
        with self.watching() as watch:
            stops.append(handle.watch(self.queue, partial(_call_all, stops)))
            beside = self.watch(handle)
            for _ in range(ROUNDS):
                beside.follows(self.post)
            watch.expect()

    @requires(Capability.WAKING)
    def test_a_closed_handle_wakes_nobody_and_the_others_go_on(self) -> None:
        handle = self.open()
        gone = self.watch(handle)
        with self.watching() as watch:
            gone.follows(self.post)
            handle.close()
            hints = gone.hints
            for _ in range(ROUNDS):
                watch.follows(self.post)
            assert gone.hints == hints
        gone.stop()
        with pytest.raises(Closed):
            handle.watch(self.queue, lambda: None)

    @requires(Capability.WAKING)
    def test_one_who_dawdles_or_fails_when_woken_holds_up_no_call(self) -> None:
        go, gave_up = threading.Event(), threading.Event()
        handle = self.open()

        def dawdle() -> None:
            if not go.wait(self.harness.patience):
                gave_up.set()
            raise RuntimeError("this watcher fails when it is woken")

        stop = handle.watch(self.queue, dawdle)
        beside = self.watch(handle)
        posted = [self.post(driver=handle)[0] for _ in range(2)]
        claim = self.claim(driver=handle)
        assert sorted(m.id for m in claim.messages) == posted
        handles = [Handle(each, (claim.id,)) for each in posted]
        assert list(handle.messages.delete(self.queue, handles)) == [None, None]
        assert not gave_up.is_set(), "the calls waited for who was woken"
        go.set()
        for _ in range(2):
            beside.follows(self.post)
        stop()


def _call_all(calls: list[Callable[[], None]]) -> None:
    for call in calls:
        call()


class TestNotWaking(Suite):
    @without(Capability.WAKING)
    def test_watching_does_no_harm(self) -> None:
        stop = self.driver.watch(self.queue, lambda: None)
        posted = self.post()
        assert self.listed() == posted
        stop()
        stop()


class TestWakingAcrossProcesses(WakingSuite, ProcessSuite):
    @requires(Capability.WAKING)
    def test_a_post_of_another_process_is_followed_by_a_hint(self) -> None:
        watch = self.watch()
        with Crew(1) as crew:
            (worker,) = crew.workers

            def post_there() -> None:
                worker.tell(post_one, self.place)
                worker.hear()

            for _ in range(ROUNDS):
                watch.follows(post_there)
        watch.stop()


def post_one(station: Station, place: Place) -> None:
    """Post and be gone, as a script does."""
    driver = place.open(station.clock)
    driver.messages.post(place.queue, [NewMessage(new_id(), b"{}", 60)])
    driver.close()


class TestWakingAgain(WakingSuite):
    @pytest.fixture(autouse=True)
    def _repair(self, _arrange: None) -> Iterator[None]:
        yield
        if type(self.harness).break_backend is not Harness.break_backend:
            self.harness.repair_backend()

    @requires(Capability.WAKING)
    def test_everybody_is_woken_when_the_store_is_back(self) -> None:
        watch = self.watch()
        silent = self.other_queue("silent")
        elsewhere = self.watch(self.driver, silent)
        for _ in range(2):
            watch.follows(self.post)
            elsewhere.follows(lambda: self.post(queue=silent))
        for _ in range(2):
            self.harness.break_backend()
            with pytest.raises(Unavailable):
                self.driver.ping()
            elsewhere.follows(self.harness.repair_backend)
        self.driver.ping()
        for _ in range(ROUNDS):
            watch.follows(self.post)
        watch.stop()
        elsewhere.stop()
