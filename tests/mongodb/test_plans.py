"""That what traffic asks for is found by an index, without sorting, and carries the shard key."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from mqcore_mongodb.driver import MongoDriver, open_driver
from pymongo.database import Database

from mqcore.conformance import Clock
from mqcore.contract import ClaimRequest, DeadLetter, Handle, NewSubscription, QueueRef, new_id

from .conftest import QUEUE, claim, listed, new_messages, post

Profile = list[dict[str, Any]]

COLLECTED = ("IXSCAN { ends: 1 }", "IXSCAN { over: 1 }")


@contextmanager
def profiled(database: Database[Any]) -> Iterator[Profile]:
    """Have the server write down all that it does; give that when it is done."""
    database.command("profile", 2)
    profile: Profile = []
    yield profile
    database.command("profile", 0)
    profile += database["system.profile"].find({"ns": {"$not": {"$regex": "system"}}})
    database["system.profile"].drop()


def call_all(driver: MongoDriver, clock: Clock) -> None:
    """What traffic does, with something to be found each time."""
    dead = QueueRef(QUEUE.project, "dead")
    driver.queues.create(dead, {})
    posted = post(driver, 40)
    delayed = new_messages(5)
    driver.messages.post(QUEUE, delayed)
    listed(driver)
    marker = driver.messages.list(QUEUE, limit=3).next
    driver.messages.list(QUEUE, marker=marker, hide_client="me")
    driver.messages.get_many(QUEUE, posted[:5])
    driver.messages.first(QUEUE, -1)
    made = claim(driver, 10, ttl=7200)
    assert made is not None
    driver.claims.get(QUEUE, made.id)
    driver.claims.renew(QUEUE, made.id, ttl=7200, grace=0)
    driver.messages.delete(QUEUE, [Handle(made.messages[0].id, (made.id,))])
    driver.messages.delete(QUEUE, [Handle(each, force=True) for each in posted[-3:]])
    driver.claims.release(QUEUE, made.id)
    letter = DeadLetter("dead", 1)
    driver.claims.claim(QUEUE, [ClaimRequest(new_id(), 2, 60, 0, letter)] * 2)
    clock.advance(60)
    claim(driver, 3)
    driver.messages.pop(QUEUE, 2)
    driver.queues.stats(QUEUE)
    subscription = NewSubscription(new_id(), "http://a.example", 60, {})
    driver.subscriptions.create(QUEUE, subscription)
    driver.subscriptions.list(QUEUE)
    driver.subscriptions.get_by_subscriber(QUEUE, "http://a.example")
    driver.queues.list(QUEUE.project, detailed=True)
    clock.advance(7200)
    driver.messages.list(QUEUE)
    while driver.collect(100) == 100:
        pass


def without_index(entry: dict[str, Any]) -> bool:
    return "COLLSCAN" in entry.get("planSummary", "")


def test_nothing_is_scanned_or_sorted_in_memory(
    driver: MongoDriver, clock: Clock, database: Database[Any]
) -> None:
    call_all(driver, clock)
    clock.advance(-8000)
    with profiled(database) as profile:
        call_all(driver, clock)
    assert [entry["command"] for entry in profile if without_index(entry)] == []
    assert [entry["command"] for entry in profile if entry.get("hasSortStage")] == []
    assert {"find", "aggregate", "insert", "update", "remove"} <= {
        key for entry in profile for key in (entry["op"], *entry.get("command", {}))
    }


def keys_of(value: Any) -> Iterator[str]:
    """All names in a document, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


@pytest.mark.parametrize("collection", ["messages", "claims", "runs"])
def test_traffic_names_the_shard_key(
    driver: MongoDriver, clock: Clock, database: Database[Any], collection: str
) -> None:
    """But for `collect`, which looks for what is over wherever it is."""
    with profiled(database) as profile:
        call_all(driver, clock)
    entries = [entry for entry in profile if entry["ns"].endswith(f".{collection}")]
    asked = [entry for entry in entries if entry["op"] != "insert"]
    assert asked
    for entry in asked:
        command = entry["command"]
        (wanted,) = [
            command[each] for each in ("filter", "pipeline", "q", "query") if each in command
        ]
        assert "q" in set(keys_of(wanted)) or entry["planSummary"] in COLLECTED, command


def test_a_claim_finds_its_messages_in_the_index_alone(
    driver: MongoDriver, database: Database[Any]
) -> None:
    post(driver, 200)
    assert claim(driver, 150)
    with profiled(database) as profile:
        assert claim(driver, 10)
    looks = [e for e in profile if "aggregate" in e["command"] and e["ns"].endswith(".messages")]
    candidates = looks[0]
    assert candidates["keysExamined"] <= 25
    assert candidates["docsExamined"] <= 2  # the queue's document, and none of the messages


def test_a_page_that_hides_its_own_poster_does_not_walk_over_its_messages(
    driver: MongoDriver, uri: str, clock: Clock, database: Database[Any]
) -> None:
    """Whole runs of them are left out, whoever posted what else is in a run."""
    with closing(open_driver(uri, clock=clock)) as another:
        driver.messages.post(QUEUE, new_messages(3000, client="me"))
        others = [*new_messages(1, client="you"), *new_messages(1)]
        another.messages.post(QUEUE, others)
        driver.messages.post(QUEUE, new_messages(3000, client="me"))
        others += new_messages(1, client="you")
        another.messages.post(QUEUE, others[2:])
    with profiled(database) as profile:
        page = driver.messages.list(QUEUE, hide_client="me")
    assert [each.id for each in page.items] == [each.id for each in others]
    assert sum(entry.get("docsExamined", 0) for entry in profile) < 1000


def test_a_claim_in_a_crowd_reads_few_messages_to_know_their_counts(
    driver: MongoDriver, database: Database[Any]
) -> None:
    post(driver, 1000)
    driver.queues.create(QueueRef(QUEUE.project, "dead"), {})
    driver.claims._taker._turn(QUEUE).crowd()  # type: ignore[attr-defined]
    letter = DeadLetter("dead", 3)
    with profiled(database) as profile:
        driver.claims.claim(QUEUE, [ClaimRequest(new_id(), 10, 60, 0, letter)])
    assert sum(entry.get("docsExamined", 0) for entry in profile) < 400
