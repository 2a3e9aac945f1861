"""The checker of histories: it finds each kind of wrong, and accuses nobody wrongly."""

import math
from pathlib import Path

import pytest

from mqcore.conformance import Clock
from mqcore.conformance.checker import violations
from mqcore.conformance.history import Event, History, RecordedDriver, Sight
from mqcore.contract import (
    ClaimNotFound,
    ClaimRequest,
    Handle,
    NewMessage,
    QueueNotFound,
    QueueRef,
    Unavailable,
)
from mqcore.memory import open_driver

LOST = math.inf
"""The end of a call without an answer."""


def event(what: str, began: float, ended: float, now: float, **fields: object) -> Event:
    until = math.inf if ended == LOST else now
    fields = {"since": now, "until": until, **fields}
    return Event(what, began, ended, **fields)  # type: ignore[arg-type]


def post(
    began: float, ended: float, message: str = "m", now: float = 0, ttl: float = 1000
) -> Event:
    return event("post", began, ended, now, message=message, ttl=ttl)


def claim(
    began: float,
    ended: float,
    name: str = "c",
    count: int = 1,
    now: float = 0,
    *,
    ttl: float = 60,
    message: str = "m",
    **fields: float,
) -> Event:
    shown = () if ended == LOST else (Sight(message, name, count),)
    return event("claim", began, ended, now, claim=name, ttl=ttl, shown=shown, **fields)


def renew(
    began: float,
    ended: float,
    name: str = "c",
    now: float = 0,
    *,
    ttl: float = 60,
    refused: str = "",
) -> Event:
    return event("renew", began, ended, now, claim=name, ttl=ttl, refused=refused)


def release(began: float, ended: float, name: str = "c", now: float = 0) -> Event:
    return event("release", began, ended, now, claim=name)


def delete(
    began: float, ended: float, *rights: str, now: float = 0, refused: str = "", force: bool = False
) -> Event:
    return event(
        "delete", began, ended, now, message="m", rights=rights, refused=refused, force=force
    )


def pop(began: float, ended: float, now: float = 0, limit: int = 1) -> Event:
    shown = () if ended == LOST else (Sight("m", None, 0),)
    return event("pop", began, ended, now, limit=limit, shown=shown)


def see(
    began: float, ended: float, held_by: str | None = None, count: int = 0, now: float = 0
) -> Event:
    return event("see", began, ended, now, shown=(Sight("m", held_by, count),))


def everything(began: float, *messages: str, now: float = 0) -> Event:
    shown = tuple(Sight(message) for message in messages)
    return event("all", began, began + 1, now, shown=shown)


P = post(1, 2)

BAD = {
    "two claims at once": ([P, claim(3, 4, "a"), claim(5, 6, "b", 2)], "in two live claims"),
    "two claims that overlap": ([P, claim(3, 6, "a"), claim(4, 5, "b", 2)], "in two live claims"),
    "two claims, and the first is released later": (
        [P, claim(3, 4, "a"), claim(5, 6, "b", 2), release(7, 8, "a")],
        "in two live claims",
    ),
    "two claims, and the first was renewed": (
        [P, claim(3, 4, "a"), renew(5, 6, "a", now=59), claim(7, 8, "b", 2, now=60)],
        "in two live claims",
    ),
    "two claims, and the release was of a third": (
        [P, claim(3, 4, "a"), release(5, 6, "c"), claim(7, 8, "b", 2)],
        "in two live claims",
    ),
    "two claims a moment before the end": (
        [P, claim(3, 4, "a"), claim(7, 8, "b", 2, now=59.9)],
        "in two live claims",
    ),
    "a delete may not explain a second claim": (
        [P, claim(3, 4, "a"), delete(5, LOST, "a"), claim(7, 8, "b", 2)],
        "in two live claims",
    ),
    "popped twice": ([P, pop(3, 6), pop(4, 5)], "popped 2 times"),
    "popped while claimed": ([P, claim(3, 4), pop(5, 6)], "popped while claim c held it"),
    "deleted without the claim": ([P, claim(3, 4), delete(5, 6)], "deleted by no claim while c"),
    "deleted without the claim, overlapping": (
        [P, claim(3, 6), delete(4, 5)],
        "deleted by no claim while c",
    ),
    "deleted under an ended claim": (
        [P, claim(3, 4, "a"), claim(5, 6, "b", 2, now=60), delete(7, 8, "a", now=60)],
        "deleted by claims a while b held it",
    ),
    "deleted under an ended claim that nobody followed": (
        [P, claim(3, 4, "a"), delete(7, 8, "a", now=60)],
        "which did not hold it",
    ),
    "deleted under a claim of something else": (
        [P, claim(3, 4, "a", message="n"), post(0, 1, "n"), delete(7, 8, "a")],
        "which did not hold it",
    ),
    "claimed after the delete": ([P, delete(3, 4), claim(5, 6)], "came back after delete"),
    "listed after the pop": ([P, pop(3, 4), see(5, 6)], "came back after pop"),
    "listed after the purge": ([P, event("purge", 3, 4, 0), see(5, 6)], "came back after purge"),
    "listed after its end": ([P, see(3, 4, now=1000)], "had expired"),
    "claimed after its extended end": (
        [post(1, 2, ttl=10), claim(3, 4, grace=5), see(5, 6, None, 1, now=65)],
        "had expired",
    ),
    "the same count twice": (
        [P, claim(3, 4, "a"), release(5, 6, "a"), claim(7, 8, "b", 1)],
        "have the count 1",
    ),
    "a count that falls": ([P, claim(3, 4), see(5, 6, "c", 0)], "fell from 1 to 0"),
    "a count too many": ([P, claim(3, 4, count=2)], "claimed less than 2 times"),
    "shown as free while claimed": ([P, claim(3, 4), see(5, 6, None, 1)], "shown under None"),
    "shown under a claim that was released": (
        [P, claim(3, 4), release(5, 6), see(7, 8, "c", 1)],
        "which was over",
    ),
    "shown and never posted": ([see(3, 4)], "nobody posted it"),
    "shown before it was posted": ([see(1, 2), post(3, 4)], "nobody posted it"),
    "a live claim that is not renewed": (
        [P, claim(3, 4), renew(5, 6, now=59, refused="claim_not_found")],
        "c was live, but renew",
    ),
    "a live claim that does not delete": (
        [P, claim(3, 4), delete(5, 6, "c", refused="message_not_claimed_by")],
        "claim c holds m",
    ),
    "an ended claim that is renewed": (
        [P, claim(3, 4), renew(5, 6, now=60)],
        "c was over, but renew",
    ),
    "a released claim that is renewed": (
        [P, claim(3, 4), release(5, 6), renew(7, 8)],
        "c was over, but renew",
    ),
    "gone without a reason": ([P, everything(5)], "1 messages vanished"),
    "gone, and its delete was refused": (
        [P, delete(3, 4, refused="message_claimed"), everything(5)],
        "1 messages vanished",
    ),
    "more gone than a lost pop may have taken": (
        [P, post(1, 2, "n"), pop(3, LOST, limit=1), everything(5)],
        "2 messages vanished",
    ),
}

GOOD = {
    "one after another": [
        P,
        claim(3, 4, "a"),
        release(5, 6, "a"),
        claim(7, 8, "b", 2),
        delete(9, 10, "b"),
        everything(11),
    ],
    "released while the next claims": [
        P,
        claim(3, 4, "a"),
        release(5, 8, "a"),
        claim(6, 7, "b", 2),
    ],
    "released by a call that began before its claim was answered": [
        P,
        claim(3, 6, "a"),
        release(4, 5, "a"),
        claim(5.2, 5.5, "b", 2),
    ],
    "a release whose answer was lost": [
        P,
        claim(3, 4, "a"),
        release(5, LOST, "a"),
        claim(7, 8, "b", 2),
    ],
    "claimed again at the end": [P, claim(3, 4, "a"), claim(5, 6, "b", 2, now=60)],
    "claimed again when the clock moved during the call": [
        P,
        claim(3, 4, "a"),
        event("claim", 5, 6, 0, until=60, claim="b", ttl=60, shown=(Sight("m", "b", 2),)),
    ],
    "shortened by a renewal": [
        P,
        claim(3, 4, "a"),
        renew(5, 6, "a", now=10, ttl=5),
        claim(7, 8, "b", 2, now=15),
    ],
    "a renewal that came too late or not at all": [
        P,
        claim(3, 4, "a"),
        renew(5, LOST, "a", now=50, ttl=5),
        claim(7, 8, "b", 2, now=55),
    ],
    "released before it is answered, and made again": [
        P,
        post(1, 2, "n"),
        claim(3, 8, "a", message="n"),
        release(4, 5, "a"),
        claim(6, 9, "b", 2),
    ],
    "over before it is answered, and made again": [
        P,
        post(1, 2, "n"),
        event("claim", 3, 8, 0, until=60, claim="a", ttl=60, shown=(Sight("n", "a", 1),)),
        see(6, 9, None, 1, now=60),
    ],
    "deleted by the claim before it is answered": [
        P,
        post(1, 2, "n"),
        claim(3, 8, "a", message="n"),
        see(4, 5, "a", 1),
        delete(6, 7, "a"),
    ],
    "a claim that was asked for twice": [
        P,
        claim(3, LOST, "a"),
        claim(5, 6, "a"),
        see(7, 8, "a", 1),
        delete(9, 10, "a"),
    ],
    "a delete beside a claim that ends": [
        P,
        claim(3, 4, "a"),
        release(5, 8, "a"),
        delete(6, 7),
        everything(9),
    ],
    "a second delete, which finds nothing": [P, claim(3, 4), delete(5, 6, "c"), delete(7, 8)],
    "a delete beside the one that does it": [P, claim(3, 4), delete(5, 8, "c"), delete(6, 7)],
    "a delete beside the post": [post(1, 4), delete(2, 3), claim(5, 6)],
    "a forced delete": [P, claim(3, 4), delete(5, 6, force=True), everything(7)],
    "a delete of a message that has expired": [P, claim(3, 4), delete(5, 6, now=1000)],
    "deleted and posted again": [P, delete(3, 4), post(5, 6), claim(7, 8), everything(9, "m")],
    "a post whose answer was lost": [post(1, LOST), see(3, 4), everything(5, "m")],
    "a post that was lost": [post(1, LOST), everything(5)],
    "a refused post": [event("post", 1, 2, 0, message="m", refused="x"), everything(5)],
    "a pop whose answer was lost": [P, pop(3, LOST), everything(5)],
    "expired": [P, everything(5, now=1000)],
    "extended by a claim": [
        post(1, 2, ttl=10),
        claim(3, 4, grace=5),
        see(5, 6, None, 1, now=64),
    ],
    "listed while the claim begins and ends": [
        P,
        see(3, 10, None, 0),
        see(3, 10, "c", 1),
        claim(4, 5),
        release(6, 7),
    ],
    "a renewal and a read beside the release": [
        P,
        claim(3, 4),
        release(5, 8),
        renew(6, 7),
        renew(6, 7, refused="claim_not_found"),
        see(6, 7, "c", 1),
    ],
}


@pytest.mark.parametrize("name", BAD)
def test_a_broken_promise_is_found(name: str) -> None:
    events, sentence = BAD[name]
    assert any(sentence in each for each in violations(events)), violations(events)
    assert any(sentence in each for each in violations(events[::-1]))


@pytest.mark.parametrize("name", GOOD)
def test_what_may_have_been_right_is_no_violation(name: str) -> None:
    assert violations(GOOD[name]) == []


def test_what_is_not_durable_may_be_lost() -> None:
    events, _ = BAD["gone without a reason"]
    assert violations(events, durable=False) == []


@pytest.fixture
def clock() -> Clock:
    return Clock(100.0)


QUEUE = QueueRef(None, "q")


def test_every_call_is_recorded_with_its_answer(clock: Clock) -> None:
    history = History(clock)
    driver = RecordedDriver(open_driver("memory://", clock=clock), history)
    driver.queues.create(QUEUE, {})
    driver.messages.post(QUEUE, [NewMessage(each, b"1", 60) for each in "ab"])
    driver.claims.claim(QUEUE, [ClaimRequest("c", 1, 30, 5)])
    clock.advance(1)
    driver.messages.delete(QUEUE, [Handle("a"), Handle("b")])
    with pytest.raises(ClaimNotFound):
        driver.claims.get(QUEUE, "d")
    assert driver.everything(QUEUE) == ["a"]
    posted, _, claimed, refused, deleted, unknown, last = history.events()
    assert (posted.what, posted.message, posted.ttl, posted.answered) == ("post", "a", 60, True)
    assert (claimed.claim, claimed.limit, claimed.ttl, claimed.grace) == ("c", 1, 30, 5)
    assert claimed.shown == (Sight("a", "c", 1),)
    assert (refused.refused, deleted.refused) == ("message_claimed", "")
    assert (deleted.since, deleted.until) == (101, 101)
    assert unknown.refused == "claim_not_found"
    assert (last.what, last.shown) == ("all", (Sight("a", "c", 1),))
    ticks = [tick for each in (posted, claimed, deleted, last) for tick in (each.began, each.ended)]
    assert ticks == sorted(ticks)


def test_a_call_without_an_answer_may_have_any_effect(clock: Clock) -> None:
    history = History(clock)

    def fail() -> None:
        raise Unavailable("gone")

    with pytest.raises(Unavailable):
        history.record([Event("pop", limit=1)], fail)
    (event_,) = history.events()
    assert (event_.answered, event_.until, event_.refused) == (False, math.inf, "")


def test_a_file_has_what_was_begun_and_what_was_answered(clock: Clock, tmp_path: Path) -> None:
    history = History(clock, tmp_path / "events")
    driver = RecordedDriver(open_driver("memory://", clock=clock), history)
    driver.queues.create(QUEUE, {})
    driver.messages.post(QUEUE, [NewMessage("a", b"1", 60)])
    driver.claims.claim(QUEUE, [ClaimRequest("c", 1, 30, 5)])
    with pytest.raises(QueueNotFound):
        driver.messages.post(QueueRef(None, "missing"), [NewMessage("b", b"1", 60)])
    assert History.read(tmp_path / "events") == history.events()
    lines = (tmp_path / "events").read_bytes().splitlines(keepends=True)
    (tmp_path / "torn").write_bytes(b"".join(lines[:3]) + lines[3][:20])
    posted, claimed = History.read(tmp_path / "torn")
    assert (posted.answered, claimed.answered) == (True, False)
