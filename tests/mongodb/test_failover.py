"""A primary that is killed or steps down in the middle of load, alone or with two others."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from mqcore_mongodb.driver import MongoDriver, open_driver

from mqcore.conformance import Clock
from mqcore.conformance.checker import violations
from mqcore.conformance.history import History, RecordedDriver
from mqcore.conformance.load import ALL, Load
from mqcore.contract import Claim, ClaimRequest, Unavailable, new_id

from ..backends import MongoDB, MongoSet
from .conftest import QUEUE, new_messages

PATIENCE = 60
KINDS = {kind: weight for kind, weight in ALL.items() if kind != "pop"}


class Traffic:
    """Workers that post, claim, renew, release and delete, whatever happens to the store."""

    def __init__(self, uri: str, workers: int = 3) -> None:
        self.clock = Clock()
        self.history = History(self.clock)
        self.watcher = RecordedDriver(open_driver(uri, clock=self.clock), self.history)
        self.watcher.queues.create(QUEUE, {})
        self._drivers = [open_driver(uri, clock=self.clock) for _ in range(workers)]
        self._answered = [0] * workers
        self._errors: list[BaseException] = []
        self._stopped = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [
            threading.Thread(target=self._work, args=(number,))
            for number in range(len(self._drivers))
        ]
        for thread in threads:
            thread.start()
        try:
            self.go_on()
            yield
            self.go_on()
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join(PATIENCE)
        assert self._errors == []

    def _work(self, number: int) -> None:
        driver = RecordedDriver(self._drivers[number], self.history)
        load = Load(driver, QUEUE, number)
        while not self._stopped.is_set():
            try:
                load.run(1, KINDS)
                self._answered[number] += 1
            except Unavailable:
                continue
            except BaseException as error:
                self._errors.append(error)
                return

    def go_on(self) -> None:
        """Return when each worker had some more answers, from the handle that it always had."""
        before = list(self._answered)
        deadline = time.monotonic() + PATIENCE
        while any(now < then + 10 for now, then in zip(self._answered, before, strict=True)):
            assert self._errors == []
            assert time.monotonic() < deadline, "the workers do not get on"
            time.sleep(0.02)

    def check(self) -> None:
        """What was acknowledged is there, no message is in two claims, and all can be claimed."""
        left = self.watcher.everything(QUEUE)
        assert left
        self.clock.advance(3600)
        request = ClaimRequest(new_id(), 5000, 60, 0)
        (claim,) = self.watcher.claims.claim(QUEUE, [request])
        assert isinstance(claim, Claim)
        assert [message.id for message in claim.messages] == left
        assert violations(self.history.events()) == []
        for driver in (self.watcher, *self._drivers):
            driver.close()


def kill(servers: MongoSet, traffic: Traffic) -> None:
    primary = servers.primary
    primary.kill()
    traffic.go_on()
    servers.restart(primary)


def step_down(servers: MongoSet, traffic: Traffic) -> None:
    servers.step_down()
    traffic.go_on()
    servers.wait()


@pytest.mark.parametrize("end", [kill, step_down])
def test_nothing_acknowledged_is_lost_when_the_primary_goes(
    mongo_set: MongoSet, end: Callable[[MongoSet, Traffic], None]
) -> None:
    traffic = Traffic(mongo_set.fresh_database())
    with traffic.running():
        for _ in range(2):
            end(mongo_set, traffic)
    traffic.check()


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "stepped down"])
def test_hints_go_on_after_the_primary_went(mongo_set: MongoSet, killed: bool) -> None:
    uri = mongo_set.fresh_database()
    told = threading.Event()
    with (
        closing(open_driver(uri, clock=time.time)) as poster,
        closing(open_driver(uri, clock=time.time)) as waiter,
    ):
        poster.queues.create(QUEUE, {})
        waiter.watch(QUEUE, told.set)
        assert told.wait(PATIENCE), "nobody was woken at the begin"
        for _ in range(2):
            told.clear()
            poster.messages.post(QUEUE, new_messages(1))
            assert told.wait(PATIENCE)
            primary = mongo_set.primary
            if killed:
                primary.kill()
            else:
                mongo_set.step_down()
            _post_at_last(poster)
            told.clear()
            poster.messages.post(QUEUE, new_messages(1))
            assert told.wait(PATIENCE), "no hint came after another member became primary"
            if killed:
                mongo_set.restart(primary)
            else:
                mongo_set.wait()


def _post_at_last(poster: MongoDriver) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            poster.messages.post(QUEUE, new_messages(1))
        except Unavailable:
            assert time.monotonic() < deadline
        else:
            return


@pytest.mark.parametrize("replica_set", [True, False], ids=["set", "standalone"])
def test_nothing_acknowledged_is_lost_when_the_only_server_is_killed(replica_set: bool) -> None:
    with MongoDB(replica_set=replica_set) as server:
        traffic = Traffic(f"{server.uri}{'&' if replica_set else '?'}primary_timeout=2")
        with traffic.running():
            for _ in range(3):
                server.kill()
                server.start()
                traffic.go_on()
        traffic.check()
