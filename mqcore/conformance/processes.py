"""Several processes on one store; and processes that are killed in the middle of their work."""

import random
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from ..contract import Capability, Claim, ClaimRequest, NewMessage, new_id
from .checker import violations
from .crew import Crew, Place, Station, prepare
from .history import Event, History, RecordedDriver
from .ledger import not_run
from .load import ALL, Load
from .suite import Suite, flat, requires

__all__ = ["TestKilledProcesses", "TestProcesses"]

DAY = 86_400
KILLED = {"post": 5, "claim": 4, "delete": 4, "release": 1, "renew": 1, "look": 1}
"""What processes do until they are killed. A pop has no place here: it may lose messages."""


class ProcessSuite(Suite):
    """Tests that need other processes, and are not run where there can be none."""

    @pytest.fixture(autouse=True)
    def _settle(self, _arrange: None) -> None:
        opener = self.harness.opener()
        if opener is None:
            local = self.driver.local
            not_run(f"{'this store' if local else 'the harness'} has no way for other processes")
        prepare(opener)
        self.place = Place(opener, self.harness.gate, self.queue)

    def join(self, crew: Crew) -> RecordedDriver:
        """Share the clock of the crew, and watch the queue."""
        self.clock = crew.clock
        self.history = History(self.clock)
        return RecordedDriver(self.open(), self.history)

    def check(self, watcher: RecordedDriver, *others: list[Event]) -> None:
        """Judge what all did; then all claims end, and what is left must be claimable.

        Only what a process was at when it was killed may still be posted or deleted meanwhile.
        """
        left = watcher.everything(self.queue)
        self.advance(3600)
        claimed = self.ids(self.try_claim(10_000, driver=watcher))
        durable = Capability.DURABLE in self.driver.capabilities
        events = [*self.history.events(), *flat(others)]
        begun = {e.message for e in events if e.what in ("post", "delete") and not e.answered}
        assert set(claimed) ^ set(left) <= begun
        assert len(claimed) == len(set(claimed))
        assert violations(events, durable=durable) == []


class TestProcesses(ProcessSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def shared_crew(cls) -> Iterator[Crew]:
        """All tests have the same processes."""
        with Crew(3) as crew:
            yield crew

    @pytest.fixture(autouse=True)
    def _join(self, _settle: None, request: pytest.FixtureRequest) -> None:
        self.crew: Crew = request.getfixturevalue("shared_crew")
        self.watcher = self.join(self.crew)

    def test_claimants_in_several_processes_never_share_a_message(self) -> None:
        """B-108."""
        posted = self.post(self.some(90), driver=self.watcher, ttl=DAY)
        self.crew.tell(claim_all, [(self.place,)] * 3)
        histories = self.crew.hear()
        claims = [event for event in flat(histories) if event.what == "claim"]
        assert sorted(sight.message for claim in claims for sight in claim.shown) == posted
        self.check(self.watcher, *histories)

    def test_everything_at_once_in_several_processes_keeps_every_promise(self) -> None:
        """B-074, B-093, B-103, B-104, B-108."""
        self.post(20, driver=self.watcher, ttl=DAY)
        self.crew.tell(do_anything, [(self.place, seed, self.some(60)) for seed in range(3)])
        self.check(self.watcher, *self.crew.hear())

    def test_everything_at_once_in_processes_that_stand_still_keeps_every_promise(self) -> None:
        """B-074, B-093, B-103, B-104, B-108. Between any two steps of a call, others go on."""
        if not hasattr(signal, "SIGSTOP"):
            not_run("this system has no way to stop a process")
        self.post(20, driver=self.watcher, ttl=DAY)
        self.crew.tell(do_anything, [(self.place, seed, self.some(60)) for seed in range(3)])
        with self.crew.stopped_now_and_then():
            histories = self.crew.hear()
        self.check(self.watcher, *histories)

    @requires(Capability.FIFO)
    def test_a_reader_misses_no_post_of_another_process_and_sees_their_order(self) -> None:
        """B-040, B-078."""
        self.crew.tell(post_batches, [(self.place, self.some(6))] * 3)
        seen: list[str] = []
        marker = None
        finished = False
        while not finished:
            finished = all(worker.has_said_something for worker in self.crew.workers)
            while (page := self.driver.messages.list(self.queue, marker=marker, limit=7)).items:
                seen += [message.id for message in page.items]
                marker = page.next
        posted = self.crew.hear()
        assert seen == self.listed()
        for ids in posted:
            mine = set(ids)
            assert [each for each in seen if each in mine] == ids
        assert len(seen) == sum(map(len, posted))


class TestKilledProcesses(ProcessSuite):
    """As `kill -9` does. The harness says how many rounds there are."""

    def test_nothing_acknowledged_is_lost_and_every_promise_holds(self, tmp_path: Path) -> None:
        """B-040, B-050, B-108."""
        for number in range(self.some(self.harness.rounds)):
            with Crew(2) as crew:
                self.kill_in_the_middle(crew, tmp_path, number)

    def kill_in_the_middle(self, crew: Crew, folder: Path, number: int) -> None:
        self.queue = self.other_queue(f"round-{number}")
        watcher = self.join(crew)
        place = Place(self.place.opener, self.place.gate, self.queue)
        files = [folder / f"{number}-{seed}" for seed in range(len(crew.workers))]
        crew.tell(do_until_killed, [(place, seed, file) for seed, file in enumerate(files)])
        for _ in range(random.randint(3, 30)):
            crew.hear()
        for worker in crew.workers:
            worker.kill()
        self.check(watcher, *map(History.read, files))


def claim_all(station: Station, place: Place) -> list[Event]:
    """Claim until nothing is left."""
    history = History(station.clock)
    driver = RecordedDriver(place.open(station.clock), history)
    station.wait()
    for _ in range(1000):
        (claim,) = driver.claims.claim(place.queue, [ClaimRequest(new_id(), 2, 300, 0)])
        if not isinstance(claim, Claim):
            break
    driver.close()
    return history.events()


def do_anything(station: Station, place: Place, seed: int, steps: int) -> list[Event]:
    """Do a bit of everything; one of the processes turns the clock."""
    history = History(station.clock)
    driver = RecordedDriver(place.open(station.clock), history)
    load = Load(driver, place.queue, seed)
    station.wait()
    load.run(steps, ALL, other=(lambda: station.clock.advance(7)) if seed == 0 else None)
    driver.close()
    return history.events()


def post_batches(station: Station, place: Place, times: int) -> list[str]:
    """Post a few batches; return the ids in their order."""
    driver = place.open(station.clock)
    station.wait()
    posted: list[str] = []
    for size in (1, 2, 1, 3) * times:
        batch = [NewMessage(new_id(), b"{}", DAY) for _ in range(size)]
        driver.messages.post(place.queue, batch)
        posted += [message.id for message in batch]
    driver.close()
    return posted


def do_until_killed(station: Station, place: Place, seed: int, file: Path) -> None:
    """Post, claim and delete without end, with the history in a file."""
    driver = RecordedDriver(place.open(station.clock), History(station.clock, file))
    load = Load(driver, place.queue, seed)
    for _ in count():
        load.run(1, KILLED)
        station.report()
