"""Posts and counts whose caller died in the middle, as the store then has them."""

from typing import Any

import pytest
from bson import ObjectId
from mqcore_mongodb.driver import MongoDriver, open_driver
from mqcore_mongodb.posts import Posts
from mqcore_mongodb.server import Deployment
from mqcore_mongodb.store import Document, View
from mqcore_mongodb.values import to_document
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from mqcore.conformance import Clock
from mqcore.contract import (
    Handle,
    NewMessage,
    new_id,
)

from .conftest import QUEUE, claim, listed, new_messages, post


class Poster:
    """Takes the steps of a post one by one, and may die after any of them."""

    def __init__(self, driver: MongoDriver) -> None:
        self.store = driver._store
        self.posts = Posts(self.store)
        self.messages = new_messages(3)

    def begin(self) -> tuple[View, Document]:
        return self.posts.begin(QUEUE, len(self.messages), self.store.moment())

    def insert(self, view: View, listed: Document, n: int = 3) -> None:
        numbered = enumerate(self.messages[:n], listed["first"])
        at = self.store.moment()
        documents = [to_document(new, at, view.q, seq, listed["post"]) for seq, new in numbered]
        self.store.safe["messages"].insert_many(documents)

    @property
    def ids(self) -> list[str]:
        return [new.id for new in self.messages]


def test_what_a_dead_poster_did_not_insert_never_comes_and_holds_nobody_up(
    driver: MongoDriver,
) -> None:
    before = post(driver, 2)
    dead = Poster(driver)
    begun = dead.begin()
    behind = post(driver, 2)
    assert listed(driver) == before + behind
    page = driver.messages.list(QUEUE)
    with pytest.raises(BulkWriteError, match="duplicate key"):
        dead.insert(*begun)
    later = post(driver, 1)
    assert [m.id for m in driver.messages.list(QUEUE, marker=page.next).items] == later
    assert driver.messages.get_many(QUEUE, dead.ids) == ()


def test_half_a_post_is_never_shown_and_is_undone(driver: MongoDriver) -> None:
    dead = Poster(driver)
    dead.insert(*dead.begin(), n=2)
    assert driver.messages.get_many(QUEUE, dead.ids) == ()
    assert claim(driver, 10) is None
    behind = post(driver, 1)
    assert listed(driver) == behind
    assert driver.queues.stats(QUEUE).total == 1


def test_a_reader_does_not_pass_by_a_post_under_way(driver: MongoDriver) -> None:
    before = post(driver, 1)
    slow = Poster(driver)
    begun = slow.begin()
    page = driver.messages.list(QUEUE)
    assert [message.id for message in page.items] == before
    slow.insert(*begun)
    assert slow.posts.end(*begun)
    behind = [message.id for message in driver.messages.list(QUEUE, marker=page.next).items]
    assert behind == slow.ids


@pytest.mark.parametrize("look", ["list", "claim", "pop"])
def test_a_post_that_was_inserted_as_a_whole_is_finished_by_others(
    driver: MongoDriver, look: str
) -> None:
    dead = Poster(driver)
    dead.insert(*dead.begin())
    if look == "list":
        assert listed(driver) == dead.ids
    elif look == "pop":
        assert [message.id for message in driver.messages.pop(QUEUE, 10)] == dead.ids
    else:
        made = claim(driver, 10)
        assert made is not None
        assert [message.id for message in made.messages] == dead.ids


def test_a_poster_whose_post_was_finished_by_others_knows_that_it_is_stored(
    driver: MongoDriver,
) -> None:
    slow = Poster(driver)
    begun = slow.begin()
    slow.insert(*begun)
    assert listed(driver) == slow.ids
    assert slow.posts.end(*begun)


def test_a_post_repeated_after_the_death_of_its_poster_is_stored_once(
    driver: MongoDriver,
) -> None:
    for inserted in (0, 1, 2, 3):
        dead = Poster(driver)
        begun = dead.begin()
        if inserted:
            dead.insert(*begun, n=inserted)
        assert list(driver.messages.post(QUEUE, dead.messages)) == dead.ids
        assert listed(driver) == dead.ids
        driver.messages.purge(QUEUE)


def test_a_post_that_a_failover_forgot_half_of_is_made_again(
    driver: MongoDriver, database: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of posts under way is as it was before the post, and its messages are there."""
    end = Posts.end

    def after_a_failover(self: Posts, view: View, listed: Document) -> bool:
        monkeypatch.setattr(Posts, "end", end)
        database["queues"].update_one({"_id": view.key}, {"$set": {"posts": []}})
        return end(self, view, listed)

    monkeypatch.setattr(Posts, "end", after_a_failover)
    posted = post(driver, 3)
    assert listed(driver) == posted


def test_counts_that_a_death_left_wrong_are_right_again(
    driver: MongoDriver, clock: Clock, database: Database[Any]
) -> None:
    post(driver, 20)
    assert claim(driver, 5, ttl=86_400)
    database["counts"].update_many({}, {"$inc": {"messages": 1000, "held": 77}})
    clock.advance(3000)
    for _ in range(20):
        driver.collect()
    stats = driver.queues.stats(QUEUE)
    assert (stats.free, stats.claimed) == (15, 5)


def test_a_count_while_things_change_changes_nothing(
    driver: MongoDriver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mqcore_mongodb.audit.STEP", 7)
    clock.advance(-100)
    for _ in range(10):
        post(driver, 5, ttl=86_400)
        driver.collect()
    for _ in range(40):
        driver.collect()
        clock.advance(600)
    assert driver.queues.stats(QUEUE).free == 50


def test_a_delayed_message_is_found_though_its_queue_was_busy(
    uri: str, driver: MongoDriver, clock: Clock
) -> None:
    """What a queue knows of its delays is brought up to date beside posts of others."""
    for delay in (30, 10, 20):
        driver.messages.post(QUEUE, [NewMessage(new_id(), b"x", 600, delay)])
    other = open_driver(uri, clock=clock)
    for wanted in (1, 2, 3):
        clock.advance(10)
        assert len(other.messages.list(QUEUE).items) == wanted
    other.close()


def test_ids_of_any_kind_name_no_message(driver: MongoDriver) -> None:
    post(driver, 1)
    assert driver.messages.get_many(QUEUE, ["$where", "\0", str(ObjectId()), "x" * 10_000]) == ()


def test_a_dead_post_in_a_busy_queue_is_settled_by_later_posts(
    driver: MongoDriver, clock: Clock, database: Database[Any]
) -> None:
    post(driver, 3)
    dead = Poster(driver)
    dead.insert(*dead.begin(), n=1)
    clock.advance(30)
    post(driver, 1)
    queue = database["queues"].find_one()
    assert queue is not None
    assert queue["posts"] == []


@pytest.mark.parametrize("patience", [0, 0.01])
def test_a_post_that_ended_is_not_undone_by_one_who_saw_it_under_way(
    driver: MongoDriver, patience: float
) -> None:
    """Though some of it was deleted since, as some of what never came is not there."""
    slow = Poster(driver)
    begun = slow.begin()
    seen = driver._store.view(QUEUE)
    assert seen is not None
    slow.insert(*begun)
    assert slow.posts.end(*begun)
    driver.messages.delete(QUEUE, [Handle(slow.ids[0])])
    slow.posts.settle(seen, seen.posts[0], driver._store.moment(), patience=patience)
    assert listed(driver) == slow.ids[1:]


def test_what_a_crash_made_a_post_under_way_again_is_found_and_deleted(
    driver: MongoDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a post is written with less than its messages, and may be forgotten."""
    with monkeypatch.context() as patch:
        patch.setattr(Posts, "end", lambda *_: True)
        posted = post(driver, 3)
    assert [message.id for message in driver.messages.get_many(QUEUE, posted[:1])] == posted[:1]
    with monkeypatch.context() as patch:
        patch.setattr(Posts, "end", lambda *_: True)
        more = post(driver, 3)
    assert list(driver.messages.delete(QUEUE, [Handle(more[1])])) == [None]
    assert listed(driver) == [*posted, more[0], more[2]]


def test_a_run_that_was_forgotten_is_described_as_a_whole_again(
    driver: MongoDriver, clock: Clock
) -> None:
    for client in ("a", "b"):
        driver.messages.post(QUEUE, new_messages(1, ttl=60, client=client))
    clock.advance(100)
    driver.collect()
    driver.messages.post(QUEUE, new_messages(12, client="a"))
    theirs = new_messages(1, client="b")
    driver.messages.post(QUEUE, theirs)
    page = driver.messages.list(QUEUE, hide_client="a")
    assert [message.id for message in page.items] == [theirs[0].id]


def test_every_write_to_a_sharded_cluster_waits_for_a_majority(
    uri: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later one may be to another shard, and says nothing of it. No `mongos` is at hand."""
    monkeypatch.setattr(
        "mqcore_mongodb.server._inspect", lambda *_: Deployment(streams=True, sharded=True)
    )
    sharded = open_driver(uri, clock=clock)
    concerns = {each.write_concern.document["w"] for each in sharded._store.fast.values()}
    assert concerns == {"majority"}
    sharded.close()
