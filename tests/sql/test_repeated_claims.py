"""Claims whose call is repeated: the database refuses the second one of an id."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from mqcore_sql.driver import SqlDriver

from mqcore.conformance import Clock
from mqcore.contract import Claim, ClaimRequest, DeadLetter, Handle, QueueRef, new_id
from mqcore.loader import bare_opener

from .conftest import QUEUE, post


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def driver(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[SqlDriver]:
    uri = f"sqlite:///{tmp_path}/a.db"
    if request.param != "sqlite":
        uri = request.getfixturevalue(request.param).fresh_database()
    driver = bare_opener(uri)(clock)
    assert isinstance(driver, SqlDriver)
    with closing(driver):
        driver.queues.create(QUEUE, {})
        yield driver


def request(limit: int, ttl: int = 60) -> ClaimRequest:
    return ClaimRequest(new_id(), limit, ttl, 60)


def ids(claim: object) -> list[str]:
    assert isinstance(claim, Claim)
    return [message.id for message in claim.messages]


def test_a_repeat_beside_others_gets_its_own_messages_and_they_get_theirs(
    driver: SqlDriver,
) -> None:
    posted = post(driver, 10)
    first = request(3)
    (made,) = driver.claims.claim(QUEUE, [first])
    other, last = request(2), request(9)
    again, second, rest = driver.claims.claim(QUEUE, [first, other, last])
    assert ids(again) == ids(made) == posted[:3]
    assert ids(second) == posted[3:5]
    assert ids(rest) == posted[5:]
    assert driver.claims.claim(QUEUE, [last, first, other]) == [rest, again, second]
    assert driver.queues.stats(QUEUE).claimed == 10
    counts = {each.claim_count for each in driver.messages.get_many(QUEUE, posted)}
    assert counts == {1}


def test_repeats_at_the_same_time_are_one_claim(driver: SqlDriver) -> None:
    # More than all of them can hold for the moment, or the one that is kept could find fewer.
    posted = post(driver, 20 + 8 * 4)
    taken: list[str] = []
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            calls = [[request(4)]] * 8
            answers = pool.map(lambda call: driver.claims.claim(QUEUE, call)[0], calls)
            (held,) = {tuple(ids(claim)) for claim in answers}
            assert len(held) == 4
            taken += held
    assert driver.queues.stats(QUEUE).claimed == 20
    (rest,) = driver.claims.claim(QUEUE, [request(len(posted))])
    assert sorted(taken + ids(rest)) == sorted(posted)


def test_the_id_of_a_claim_that_is_over_can_be_used_again(driver: SqlDriver, clock: Clock) -> None:
    posted = post(driver, 3)
    one = request(2)
    driver.claims.claim(QUEUE, [one])
    clock.advance(61)
    (made,) = driver.claims.claim(QUEUE, [one])
    assert ids(made) == posted[:2]
    assert driver.queues.stats(QUEUE).claimed == 2
    driver.messages.delete(QUEUE, [Handle(each, (one.id,)) for each in posted[:2]])
    assert driver.queues.stats(QUEUE).total == 1


def test_a_repeat_moves_nothing_to_the_dead_letter_queue_twice(
    driver: SqlDriver, clock: Clock
) -> None:
    dead = QueueRef(QUEUE.project, "dead")
    driver.queues.create(dead, {})
    spent = post(driver, 2)
    driver.claims.claim(QUEUE, [request(2)])
    clock.advance(61)
    fresh = post(driver, 2)
    one = ClaimRequest(new_id(), 1, 60, 60, DeadLetter(dead.name, 1))
    (made,) = driver.claims.claim(QUEUE, [one])
    assert ids(made) == fresh[:1]
    for _ in range(2):
        assert driver.claims.claim(QUEUE, [one]) == [made]
    assert [each.id for each in driver.messages.list(dead).items] == spent
    assert driver.queues.stats(QUEUE).total == 2
    gone = DeadLetter("missing", 1)
    clock.advance(61)
    unlucky = ClaimRequest(one.id, 1, 60, 60, gone)
    (refused,) = driver.claims.claim(QUEUE, [unlucky])
    assert not isinstance(refused, Claim)
