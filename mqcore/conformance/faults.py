"""A store that dies in the middle of calls, and replies that are lost."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import pytest

from ..contract import (
    Capability,
    Claim,
    ClaimRequest,
    Driver,
    Handle,
    NewSubscription,
    NotFound,
    Unavailable,
    new_id,
)
from .calls import CALLS
from .checker import violations
from .harness import Harness
from .history import History, RecordedDriver
from .load import ALL, Load
from .suite import Suite, new_messages

__all__ = ["TestLostReplies", "TestStoreThatDies"]

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds that a worker has to notice that the store is gone, or back."""


class Workers:
    """Threads that call again and again while the store comes and goes.

    Each call answers or raises `Unavailable` with its cause, and nothing else.
    """

    def __init__(self, calls: list[Callable[[], object]]) -> None:
        self._calls = calls
        self._stopped = threading.Event()
        self._outcomes: SimpleQueue[tuple[int, bool | Exception]] = SimpleQueue()
        self._pool = ThreadPoolExecutor(len(calls))

    def __enter__(self) -> "Workers":
        for number, call in enumerate(self._calls):
            self._pool.submit(self._run, number, call)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._pool.shutdown()

    def _run(self, number: int, call: Callable[[], object]) -> None:
        while not self._stopped.is_set():
            outcome: bool | Exception = True
            try:
                call()
            except Unavailable as error:
                outcome = False if error.__cause__ else error
            except Exception as error:
                outcome = error
            self._outcomes.put((number, outcome))
            if isinstance(outcome, Exception):
                return

    def wait_for(self, answered: bool) -> None:
        """Wait until each of them had an answer; or until each was told `Unavailable`."""
        waiting = set(range(len(self._calls)))
        while waiting:
            try:
                number, outcome = self._outcomes.get(timeout=PATIENCE)
            except Empty:
                raise AssertionError(f"no call came to an end in {PATIENCE:g} s") from None
            if isinstance(outcome, Exception):
                raise outcome
            if outcome == answered:
                waiting.discard(number)


class TestStoreThatDies(Suite):
    """The store is broken while calls are under way, several times; then it works again."""

    @pytest.fixture(autouse=True)
    def _repair(self, _arrange: None) -> Iterator[None]:
        if type(self.harness).break_backend is Harness.break_backend:
            self.harness.break_backend()  # which says why it cannot
        yield
        self.harness.repair_backend()

    def come_and_go(self, calls: list[Callable[[], object]], times: int) -> None:
        with Workers(calls) as workers:
            for _ in range(times):
                workers.wait_for(answered=True)
                self.harness.break_backend()
                try:
                    workers.wait_for(answered=False)
                finally:
                    self.harness.repair_backend()
            # The same handles find the store again, by themselves.
            workers.wait_for(answered=True)
        self.find_again()

    def find_again(self) -> None:
        """A handle that slept meanwhile may notice only now that its connection is gone."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.driver.ping()
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
            else:
                return

    @pytest.mark.parametrize("name", CALLS)
    def test_every_method_answers_or_raises_unavailable_and_recovers(self, name: str) -> None:
        self.post(3)

        def call(driver: Driver) -> None:
            try:
                CALLS[name](driver, self.queue)
            except NotFound:
                return

        self.come_and_go([partial(call, self.open()) for _ in range(2)], times=2)
        assert self.driver.queues.exists(self.queue) or name == "queues.delete"

    def test_nothing_acknowledged_is_lost_and_every_promise_holds(self) -> None:
        """B-040, B-050, B-108."""
        history = History(self.clock)
        watcher = RecordedDriver(self.driver, history)
        self.post(20, driver=watcher, ttl=86_400)
        kinds = {kind: weight for kind, weight in ALL.items() if kind != "pop"}

        def load(seed: int) -> Callable[[], object]:
            worker = Load(RecordedDriver(self.open(), history), self.queue, seed)
            return partial(worker.run, 1, kinds)

        self.come_and_go([load(seed) for seed in range(3)], times=5)
        left = watcher.everything(self.queue)
        self.advance(3600)
        assert sorted(self.ids(self.try_claim(10_000, driver=watcher))) == sorted(left)
        durable = Capability.DURABLE in self.driver.capabilities
        assert violations(history.events(), durable=durable) == []


class TestLostReplies(Suite):
    """The store acts and its reply is lost, at every request of a call in turn.

    The caller repeats what was `Unavailable`, with the same ids.
    """

    def lose_each(self, test: Callable[[Callable[[Callable[[], T]], T]], None]) -> None:
        """Run the test once for each request that its call sends; the call is given to `repeat`."""
        for skip in range(50):
            happened: list[bool] = []

            def repeat(call: Callable[[], T], skip: int = skip, found: Any = happened) -> T:
                self.driver.ping()  # what belongs to connecting is over
                is_lost = self.harness.lose_reply(skip)
                try:
                    return call()
                except Unavailable:
                    return call()
                finally:
                    found.append(is_lost())
                    self.harness.repair_backend()

            test(repeat)
            if not any(happened):
                assert skip > 0, "the harness lost no reply"
                return
        raise AssertionError("a call sends more than 50 requests")

    def test_a_post_is_stored_once(self) -> None:
        """B-040."""

        def test(repeat: Any) -> None:
            new = new_messages(3)
            ids = [message.id for message in new]
            assert list(repeat(lambda: self.driver.messages.post(self.queue, new))) == ids
            assert sorted(self.everything()) == ids
            self.driver.messages.purge(self.queue)

        self.lose_each(test)

    def test_a_claim_is_made_once(self) -> None:
        """B-090, B-108."""

        def test(repeat: Any) -> None:
            posted = self.post(4)
            request = ClaimRequest(new_id(), 2, 300, 0)
            (claim,) = repeat(lambda: self.driver.claims.claim(self.queue, [request]))
            assert isinstance(claim, Claim)
            assert {message.claim_count for message in claim.messages} == {1}
            rest = self.claim(4)
            assert sorted(m.id for c in (claim, rest) for m in c.messages) == posted
            self.driver.messages.purge(self.queue)

        self.lose_each(test)

    def test_a_renewal_and_a_release_take_effect(self) -> None:
        """B-093, B-103."""

        def test(repeat: Any) -> None:
            posted = self.post(2)
            claim = self.claim(2, ttl=60)
            repeat(lambda: self.driver.claims.renew(self.queue, claim.id, ttl=90, grace=0))
            assert self.driver.claims.get(self.queue, claim.id).ttl == 90
            repeat(lambda: self.driver.claims.release(self.queue, claim.id))
            assert self.ids(self.claim(2)) == posted
            self.driver.messages.purge(self.queue)

        self.lose_each(test)

    def test_a_delete_by_claim_takes_effect(self) -> None:
        """B-050, B-052."""

        def test(repeat: Any) -> None:
            posted = self.post(2)
            claim = self.claim(2)
            handles = [Handle(posted[0], (claim.id,))]
            assert list(repeat(lambda: self.driver.messages.delete(self.queue, handles))) == [None]
            assert self.everything() == posted[1:]
            self.driver.messages.purge(self.queue)

        self.lose_each(test)

    def test_a_pop_is_not_repeated_behind_the_callers_back(self) -> None:
        """B-074."""

        def test(repeat: Any) -> None:
            posted = self.post(4)
            told = repeat(partial(self.pop_or_nothing, 2))
            left = self.everything()
            assert len(left) >= 2
            if told:
                assert sorted([*told, *left]) == posted
            self.driver.messages.purge(self.queue)

        self.lose_each(test)

    def pop_or_nothing(self, limit: int) -> list[str]:
        try:
            return self.ids(self.driver.messages.pop(self.queue, limit))
        except Unavailable:
            return []

    def test_a_subscription_is_made_once(self) -> None:
        """B-121."""

        def test(repeat: Any) -> None:
            new = NewSubscription(new_id(), "http://a.example", 600, {})
            created = repeat(lambda: self.driver.subscriptions.create(self.queue, new))
            assert created is not None
            assert self.driver.subscriptions.list(self.queue).items == (created,)
            self.driver.subscriptions.purge(self.queue)

        self.lose_each(test)

    def test_a_queue_is_made_with_its_metadata_and_deleted(self) -> None:
        """B-001, B-007, B-016."""
        queue = self.other_queue()

        def test(repeat: Any) -> None:
            repeat(lambda: self.driver.queues.delete(queue))
            assert not self.driver.queues.exists(queue)
            repeat(lambda: self.driver.queues.create(queue, {"a": 1}))
            assert self.driver.queues.get(queue).metadata == {"a": 1}
            repeat(lambda: self.driver.queues.set_metadata(queue, {"b": 2}))
            assert self.driver.queues.get(queue).metadata == {"b": 2}

        self.lose_each(test)
