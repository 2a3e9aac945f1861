"""Claims, pops and moves beside others, and those whose caller died in the middle."""

import threading
import time
from typing import Any
from unittest.mock import Mock

import pytest
from mqcore_mongodb.driver import MongoDriver, open_driver
from mqcore_mongodb.leases import Leases
from mqcore_mongodb.posts import Posts
from mqcore_mongodb.server import Deployment
from mqcore_mongodb.turns import Turns
from pymongo.database import Database

from mqcore.conformance import Clock
from mqcore.contract import (
    Claim,
    ClaimRequest,
    DeadLetter,
    Handle,
    NewMessage,
    QueueRef,
    Unavailable,
    new_id,
)

from .conftest import QUEUE, claim, listed, new_messages, post


def test_messages_of_a_claim_that_a_failover_forgot_are_claimed_again(
    driver: MongoDriver, database: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    posted = post(driver, 3)
    claims = type(driver.claims)
    mark = claims._mark  # type: ignore[attr-defined]

    def after_a_failover(self: Any, q: int, made: Any) -> None:
        mark(self, q, made)
        monkeypatch.setattr(claims, "_mark", mark)
        database["claims"].delete_many({"q": q})

    monkeypatch.setattr(claims, "_mark", after_a_failover)
    made = claim(driver, 3)
    assert made is not None
    assert [message.id for message in made.messages] == posted
    assert claim(driver, 3) is None


def test_a_claimer_that_died_before_it_marked_strands_nothing(
    driver: MongoDriver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted = post(driver, 3)
    request = ClaimRequest(new_id(), 2, 60, 0)
    with monkeypatch.context() as patch:
        patch.setattr(type(driver.claims), "_mark", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            driver.claims.claim(QUEUE, [request])
    other = claim(driver, 1, ttl=30)
    assert other is not None
    (made,) = driver.claims.claim(QUEUE, [request])
    assert [message.id for message in other.messages] == posted[2:]
    assert [message.id for message in made.messages] == posted[:2]  # type: ignore[union-attr]
    clock.advance(60)
    everything = claim(driver, 10)
    assert everything is not None
    assert [message.id for message in everything.messages] == posted


def worn_out(driver: MongoDriver, n: int) -> tuple[QueueRef, list[str], ClaimRequest]:
    """Post messages that a claim moves; the dead-letter queue, their ids, and such a claim."""
    dead = QueueRef(QUEUE.project, "dead")
    driver.queues.create(dead, {})
    posted = post(driver, n)
    worn = claim(driver, n)
    assert worn is not None
    driver.claims.release(QUEUE, worn.id)
    return dead, posted, ClaimRequest(new_id(), n, 60, 0, DeadLetter(dead.name, 1))


def test_a_move_that_died_half_way_loses_nothing(
    driver: MongoDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, posted, request = worn_out(driver, 3)
    with monkeypatch.context() as patch:
        patch.setattr(Posts, "end", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            driver.claims.claim(QUEUE, [request])
    driver.messages.post(dead, [NewMessage(new_id(), b"x", 600)])
    moved = [message.id for message in driver.messages.list(dead).items]
    assert moved[:3] == posted
    assert listed(driver) == []


def test_messages_move_one_by_one_where_mongos_answers(
    driver: MongoDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is in the other queue already is removed here. No `mongos` is at hand."""
    monkeypatch.setattr(driver._store, "deployment", Deployment(streams=True, sharded=True))
    dead, posted, request = worn_out(driver, 3)
    driver.messages.post(dead, [NewMessage(posted[1], b"x", 600)])
    assert list(driver.claims.claim(QUEUE, [request])) == [None]
    moved = driver.messages.get_many(dead, posted)
    assert [message.id for message in moved] == posted
    assert [message.body for message in moved] == [b"{}", b"x", b"{}"]
    assert listed(driver) == []


def test_a_claim_that_is_over_before_it_is_made_shows_what_it_took(
    uri: str, driver: MongoDriver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted = post(driver, 2)
    claims = type(driver.claims)
    read = claims._read  # type: ignore[attr-defined]
    other = open_driver(uri, clock=clock)
    theirs: list[Claim | None] = []
    thread = threading.Thread(target=lambda: theirs.append(claim(other, 2)))

    def after_a_while(self: Any, q: int, made: Any) -> Any:
        monkeypatch.setattr(claims, "_read", read)
        clock.advance(10)
        thread.start()
        thread.join(0.2)
        return read(self, q, made)

    monkeypatch.setattr(claims, "_read", after_a_while)
    mine = claim(driver, 2, ttl=10)
    thread.join()
    other.close()
    for made, count in ((mine, 1), (theirs[0], 2)):
        assert made is not None
        assert [message.id for message in made.messages] == posted
        assert {message.claim_count for message in made.messages} == {count}


def test_a_claim_that_was_answered_lives_on_when_all_that_it_held_is_deleted(
    driver: MongoDriver, database: Database[dict[str, Any]]
) -> None:
    """Also when nobody heard that it was made: who claims does not wait for that to arrive."""
    post(driver, 2)
    made = claim(driver, 2)
    assert made
    database["claims"].update_one({"id": made.id}, {"$set": {"open": True}})
    handles = [Handle(message.id, (made.id,)) for message in made.messages]
    assert list(driver.messages.delete(QUEUE, handles)) == [None, None]
    assert driver.claims.get(QUEUE, made.id).messages == ()
    driver.claims.renew(QUEUE, made.id, ttl=300, grace=60)


def test_a_pop_loses_nothing_to_who_collects_meanwhile(
    driver: MongoDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted = post(driver, 3)
    end = Turns.end

    def after_a_collection(self: Turns, seqs: Any) -> None:
        end(self, seqs)
        driver.collect()

    monkeypatch.setattr(Turns, "end", after_a_collection)
    assert [message.id for message in driver.messages.pop(QUEUE, 2)] == posted[:2]
    assert listed(driver) == posted[2:]


def test_an_id_is_free_again_though_nobody_removed_what_was_popped(
    driver: MongoDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    (new,) = new_messages(1)
    driver.messages.post(QUEUE, [new])
    with monkeypatch.context() as patch:
        patch.setitem(driver._store.unheard, "messages", Mock())
        assert [message.id for message in driver.messages.pop(QUEUE, 1)] == [new.id]
    assert listed(driver) == []
    driver.messages.post(QUEUE, [new])
    assert listed(driver) == [new.id]


def test_a_move_that_others_settle_loses_nothing(
    uri: str, driver: MongoDriver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They take the numbers that it has in the dead-letter queue."""
    dead, posted, request = worn_out(driver, 3)
    other = open_driver(uri, clock=clock)
    behind = new_messages(1)
    begin = Posts.begin

    def and_wait(self: Posts, *args: Any, **options: Any) -> Any:
        begun = begin(self, *args, **options)
        monkeypatch.setattr(Posts, "begin", begin)
        other.messages.post(dead, behind)
        assert [message.id for message in other.messages.list(dead).items] == [behind[0].id]
        return begun

    monkeypatch.setattr(Posts, "begin", and_wait)
    assert list(driver.claims.claim(QUEUE, [request])) == [None]
    assert [message.id for message in other.messages.list(dead).items] == [behind[0].id, *posted]
    assert listed(driver) == []
    other.close()


def test_a_claim_that_is_ended_while_it_is_made_strands_nothing(
    uri: str, driver: MongoDriver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its maker marks when another one has freed, but not yet removed the claim."""
    posted = post(driver, 2)
    claims = type(driver.claims)
    mark, read = claims._mark, claims._read  # type: ignore[attr-defined]
    free = Leases.free
    other = open_driver(uri, clock=clock)
    seen: list[Any] = []

    def after_a_while(self: Any, q: int, made: Any) -> bool:
        def and_let_mark(leases: Leases, q: int, ended: Any) -> None:
            monkeypatch.setattr(Leases, "free", free)
            free(leases, q, ended)
            mark(self, q, made)
            seen.append(read(self, q, made))

        monkeypatch.setattr(claims, "_mark", mark)
        monkeypatch.setattr(Leases, "free", and_let_mark)
        clock.advance(10)
        other.collect()
        return True

    def as_seen(self: Any, q: int, made: Any) -> Any:
        monkeypatch.setattr(claims, "_read", read)
        return seen[0]

    monkeypatch.setattr(claims, "_mark", after_a_while)
    monkeypatch.setattr(claims, "_read", as_seen)
    claim(driver, 2, ttl=10)
    clock.advance(10)
    everything = claim(other, 10)
    assert everything is not None
    assert [message.id for message in everything.messages] == posted
    other.close()


def test_what_others_are_about_to_take_is_left_to_them(
    driver: MongoDriver, database: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if another process had begun a claim, and not marked anything yet."""
    posted = post(driver, 4)
    with monkeypatch.context() as patch:
        patch.setattr(type(driver.claims), "_make", lambda _, q, claims: [None] * len(claims))
        patch.setattr("mqcore_mongodb.claims.ATTEMPTS", 1)
        with pytest.raises(Unavailable):
            claim(driver, 2)
    assert database["claims"].count_documents({"open": True}) == 1
    theirs = claim(driver, 2)
    assert theirs is not None
    assert [message.id for message in theirs.messages] == posted[2:]


def test_a_claimer_who_is_alone_again_gets_the_oldest(
    driver: MongoDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    posted = post(driver, 200)
    crowd = driver.claims._taker._turn(QUEUE)  # type: ignore[attr-defined]
    crowd.crowd(lost=True)
    crowd.place = 5
    ours = claim(driver, 3)
    assert ours is not None
    assert ours.messages[0].id != posted[0]
    now += 1
    alone = claim(driver, 3)
    assert alone is not None
    assert [message.id for message in alone.messages] == posted[:3]


def test_claimers_in_a_crowd_get_everything(driver: MongoDriver) -> None:
    posted = post(driver, 50)
    got: list[str] = []
    while made := claim(driver, 3):
        driver.claims._taker._turn(QUEUE).crowd()  # type: ignore[attr-defined]
        got += [message.id for message in made.messages]
    assert sorted(got) == sorted(posted)


def test_who_claims_after_others_have_their_answers_gets_the_oldest(
    uri: str, driver: MongoDriver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in another process, and before anybody heard that their claims are made."""
    other = open_driver(uri, clock=clock)
    other.claims._taker._turns[QUEUE] = Turns()  # type: ignore[attr-defined]
    monkeypatch.setattr(Leases, "close", lambda *_, **__: None)
    posted = post(driver, 60)
    got = [claim(each, 3) for _ in range(10) for each in (driver, other)]
    assert [message.id for made in got if made for message in made.messages] == posted
    other.close()


def test_a_repeat_leaves_alone_a_claim_that_was_answered_and_emptied(
    uri: str, driver: MongoDriver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same request twice at once: one is answered, and its messages deleted, meanwhile."""
    post(driver, 4)
    request = ClaimRequest(new_id(), 2, 60, 0)
    other = open_driver(uri, clock=clock)
    settle = Leases.settle

    def and_wait(leases: Leases, q: int, keys: Any) -> None:
        monkeypatch.setattr(Leases, "settle", settle)
        settle(leases, q, keys)
        (theirs,) = other.claims.claim(QUEUE, [request])
        assert isinstance(theirs, Claim)
        rights = [Handle(message.id, (request.id,)) for message in theirs.messages]
        assert list(other.messages.delete(QUEUE, rights)) == [None, None]

    monkeypatch.setattr(Leases, "settle", and_wait)
    driver.claims.claim(QUEUE, [request])
    assert driver.claims.get(QUEUE, request.id).messages == ()
    assert len(listed(driver)) == 2
    other.close()
