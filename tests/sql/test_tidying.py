"""What is over leaves the file in the end, and what the tables say stays true meanwhile."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from mqcore_sql import schema, tally
from mqcore_sql.driver import SqlDriver
from mqcore_sql.statements import Database
from sqlalchemy import create_engine

from mqcore.conformance import Clock
from mqcore.contract import (
    Claim,
    ClaimRequest,
    DeadLetter,
    Handle,
    MetadataConflict,
    NewSubscription,
    QueueRef,
    new_id,
)

from .conftest import DAY, QUEUE, claim, new, post


def sizes(path: Path) -> dict[str, int]:
    """How many rows each table has that is not empty."""
    with closing(sqlite3.connect(path)) as connection:
        counted = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in schema.metadata.tables
        }
    return {table: n for table, n in counted.items() if n and table != "counters"}


def fill(driver: SqlDriver) -> None:
    post(driver, 3000)
    post(driver, 50, delay=60)
    for _ in range(300):
        claim(driver, 5, ttl=120)


@pytest.mark.parametrize(
    ("end", "left"),
    [
        (lambda driver: driver.queues.delete(QUEUE), {}),
        (lambda driver: driver.messages.purge(QUEUE), {"queues": 1, "numbers": 1}),
    ],
)
def test_collecting_empties_what_a_deleted_queue_left(
    end: Callable[[SqlDriver], None], left: dict[str, int], driver: SqlDriver, path: Path
) -> None:
    fill(driver)
    end(driver)
    removed: list[int] = []
    while not removed or removed[-1] >= 1000:
        removed.append(driver.collect(1000))
    assert sum(removed) == 3050 + 300
    assert max(removed) <= 1250, "one call stays short"
    assert sizes(path) == left


def test_collecting_empties_what_has_expired(driver: SqlDriver, path: Path, clock: Clock) -> None:
    fill(driver)
    driver.subscriptions.create(QUEUE, NewSubscription(new_id(), "http://a.example", 60, {}))
    clock.advance(2 * DAY)
    assert driver.collect(100_000) == 3050 + 300 + 1
    clock.advance(10 * DAY)
    assert driver.collect(100_000) == 0
    assert set(sizes(path)) <= {"queues", "numbers", "tallies"}


def test_deleted_messages_leave_no_counts_behind(driver: SqlDriver, path: Path) -> None:
    ids = post(driver, 40)
    driver.messages.delete(QUEUE, [Handle(each) for each in ids])
    assert set(sizes(path)) == {"queues", "numbers", "segments"}


def test_collecting_takes_expired_messages_from_between_live_ones(
    driver: SqlDriver, path: Path, clock: Clock
) -> None:
    kept = []
    for _ in range(50):
        kept += post(driver, 1, ttl=2 * DAY)
        post(driver, 40, ttl=60)
    clock.advance(60)
    assert driver.collect(500) >= 500
    assert driver.collect(100_000) < 1500 + 250
    assert sizes(path)["messages"] == sizes(path)["bodies"] == 50
    assert [each.id for each in driver.messages.list(QUEUE, limit=100).items] == kept


def test_very_many_claims_that_end_at_once_come_back_step_by_step(
    driver: SqlDriver, clock: Clock
) -> None:
    posted = post(driver, 2000)
    for _ in range(4):
        claim(driver, 500, ttl=60)
    clock.advance(60)
    found: list[str] = []
    while some := claim(driver, 10):
        found += some
    assert found == posted


def test_very_many_spent_messages_move_step_by_step(driver: SqlDriver) -> None:
    dead = QueueRef(QUEUE.project, "dead")
    driver.queues.create(dead, {})
    posted = post(driver, 2500)
    first = ClaimRequest(new_id(), 2500, 60, 0)
    driver.claims.claim(QUEUE, [first])
    driver.claims.release(QUEUE, first.id)
    last = post(driver, 1)
    letter = DeadLetter(dead.name, 1)
    made: list[object] = []
    while not made or made[-1] is None:
        assert len(made) < 20
        made += driver.claims.claim(QUEUE, [ClaimRequest(new_id(), 1, 60, 0, letter)])
    assert isinstance(made[-1], Claim)
    moved = [each.id for each in driver.messages.list(dead, limit=5000).items]
    assert [each.id for each in made[-1].messages] == last
    assert moved == posted


def test_very_many_expired_delays_do_not_hide_a_live_message(
    driver: SqlDriver, clock: Clock
) -> None:
    """Delayed messages that expired unseen are passed in a bounded number of steps."""
    post(driver, 2000, ttl=60, delay=30)
    (alive,) = post(driver, 1, delay=40)
    clock.advance(100)
    assert claim(driver, 1) == [alive]


@pytest.mark.parametrize("seed", range(3))
def test_counts_are_those_of_a_plain_count(seed: int, tmp_path: Path) -> None:
    """Against a list of ends, over times from seconds to years."""
    random = Random(seed)
    engine = create_engine(f"sqlite:///{tmp_path / 'tally.db'}")
    schema.metadata.create_all(engine)
    now, ends = random.randrange(2**31), list[int]()
    with engine.connect() as connection, connection.begin():
        db = Database(connection.dialect, connection.connection.cursor())
        for _ in range(60):
            counts = tally.Tally()
            for _ in range(20):
                ends.append(now + random.choice([1, 2, 63, 64, 65, 4000, 5000, 300_000, 10**8]))
                counts.add(1, tally.LIVE, ends[-1])
            for _ in range(5):
                gone = random.randrange(len(ends))
                if ends[gone] > now:
                    counts.add(1, tally.LIVE, ends.pop(gone), -1)
            counts.flush(db)
            now += random.choice([0, 1, 7, 64, 4095, 10_000, 300_000])
            alive = sum(end > now for end in ends)
            assert tally.count(db, 1, now) == (alive, 0)
            tally.prune(db, 1, tally.LIVE, now, 10)
            assert tally.count(db, 1, now) == (alive, 0)
    engine.dispose()


def test_markers_and_versions_of_a_deleted_queue_mean_nothing_in_its_successor(
    driver: SqlDriver,
) -> None:
    """The clock stands still, so only what the deleted queue left says where to go on."""
    post(driver, 5)
    for n in range(5):
        driver.queues.set_metadata(QUEUE, {"n": n})
    marker = driver.messages.list(QUEUE).next
    version = driver.queues.get(QUEUE).version
    driver.queues.delete(QUEUE)
    driver.queues.create(QUEUE, {})
    posted = post(driver, 3)
    page = driver.messages.list(QUEUE, marker=marker)
    assert [each.id for each in page.items] == posted
    with pytest.raises(MetadataConflict):
        driver.queues.set_metadata(QUEUE, {}, if_version=version)


def test_no_version_comes_again_when_a_backup_is_restored(
    driver: SqlDriver, path: Path, clock: Clock
) -> None:
    def change() -> str | None:
        clock.advance(1)
        driver.queues.set_metadata(QUEUE, {"at": clock()})
        return driver.queues.get(QUEUE).version

    change()
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        (backup,) = file.execute("SELECT version FROM queues").fetchone()
        remembered = [change(), change()]
        file.execute("UPDATE queues SET version = ?", (backup,))
    assert not {change(), change()} & set(remembered)


def test_a_subscription_stored_without_a_mark_counts_as_confirmed(
    driver: SqlDriver, path: Path
) -> None:
    """B-137."""
    subscription = NewSubscription(new_id(), "http://a.example", 60, {})
    driver.subscriptions.create(QUEUE, subscription)
    assert not driver.subscriptions.get(QUEUE, subscription.id).confirmed
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE subscriptions SET confirmed = NULL")
    assert driver.subscriptions.get(QUEUE, subscription.id).confirmed


def test_text_and_numbers_that_the_database_cannot_hold_name_nothing(driver: SqlDriver) -> None:
    odd = "\ud800"
    post(driver, 1)
    assert driver.messages.get_many(QUEUE, [odd, "a\0b", ""]) == ()
    assert driver.messages.delete(QUEUE, [Handle(odd), Handle("x", (odd,))]) == [None, None]
    assert driver.messages.list(QUEUE, marker="9" * 40).items == ()
    assert len(driver.messages.list(QUEUE, limit=2**62).items) == 1
    assert not driver.subscriptions.exists(QUEUE, odd)
    driver.claims.release(QUEUE, odd)
    held = claim(driver, 1)
    (refused,) = driver.messages.delete(QUEUE, [Handle(held[0], (odd,))])
    assert refused is not None


@pytest.mark.parametrize("n", [1, 2, 3, 10, 11, 499, 500, 501])
def test_lists_of_any_length_name_what_they_hold(n: int, driver: SqlDriver) -> None:
    ids = post(driver, n)
    others = post(driver, 2)
    assert [m.id for m in driver.messages.get_many(QUEUE, ids)] == ids
    driver.messages.delete(QUEUE, [Handle(each) for each in ids])
    assert [m.id for m in driver.messages.list(QUEUE, limit=2 * n + 2).items] == others


def test_a_batch_larger_than_one_statement(driver: SqlDriver) -> None:
    ids = post(driver, 1200)
    request = ClaimRequest(new_id(), 1200, 60, 0)
    driver.claims.claim(QUEUE, [request])
    driver.claims.renew(QUEUE, request.id, ttl=90, grace=0)
    assert [m.id for m in driver.claims.get(QUEUE, request.id).messages] == ids
    assert [m.id for m in driver.messages.get_many(QUEUE, ids)] == ids
    driver.claims.release(QUEUE, request.id)
    assert driver.queues.stats(QUEUE).free == 1200
    assert driver.messages.delete(QUEUE, [Handle(each) for each in ids]) == [None] * 1200
    assert driver.queues.stats(QUEUE).total == 0


def test_volume_counts_all_queues(driver: SqlDriver) -> None:
    other = QueueRef(None, "other")
    driver.queues.create(other, {})
    driver.messages.post(other, new(2))
    post(driver, 5)
    claim(driver, 3)
    volume = driver.volume()
    assert (volume.free, volume.claimed) == (4, 3)
