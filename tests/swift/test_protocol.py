"""Whoever is stopped wherever: no message is in two claims, nothing is lost, and others go on."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier, Event, Thread
from typing import Any

import pytest
from mqcore_swift.commands import Command, Moment, apply
from mqcore_swift.driver import SwiftDriver
from mqcore_swift.errors import translate
from mqcore_swift.names import digest
from mqcore_swift.requests import Requests

from mqcore.contract import Handle, MetadataConflict, NewMessage, QueueRef, Unavailable, new_id
from tests.backends import Swift

from .conftest import QUEUE, Handles, claim, post


@pytest.fixture
def two(handles: Handles) -> tuple[SwiftDriver, SwiftDriver]:
    """Handles of two processes, as it were. The first one may write."""
    one, other = handles.open(), handles.open()
    one.queues.create(QUEUE, {})
    return one, other


def test_a_refused_post_leaves_those_of_its_entry_their_bodies(
    two: tuple[SwiftDriver, SwiftDriver],
) -> None:
    """Three that waited together are one entry; the first was outdated by another process."""
    one, other = two
    second = QueueRef(QUEUE.project, "second")
    one.queues.create(second, {})
    old = replace(QUEUE, if_version=one.queues.get(QUEUE).version)
    other.queues.set_metadata(QUEUE, {"a": 1})
    log = one._store._log(digest(QUEUE.project))
    with ThreadPoolExecutor(3) as pool:
        with log._lock:
            calls = []
            for queue, body in ((old, b"refused"), (second, b"the second"), (QUEUE, b"3")):
                new = NewMessage(new_id(), body, 3600)
                calls.append(pool.submit(one.messages.post, queue, [new]))
                while len(log._waiting) < len(calls):
                    time.sleep(0.001)
        assert isinstance(calls[0].exception(), MetadataConflict)
        assert [len(call.result()) for call in calls[1:]] == [1, 1]
    for driver in (one, other):
        for queue, body in ((second, b"the second"), (QUEUE, b"3")):
            assert [message.body for message in driver.messages.list(queue).items] == [body]


def requests_of(driver: SwiftDriver) -> Requests:
    return driver._store.requests


def is_entry(name: str) -> bool:
    return "/1/" in name


def is_epoch(name: str) -> bool:
    return "/2/" in name


def once(
    driver: SwiftDriver,
    monkeypatch: pytest.MonkeyPatch,
    chosen: Callable[[str], bool],
    *,
    before: Callable[[], object] = lambda: None,
    after: Callable[[], object] = lambda: None,
) -> None:
    """Do something before or after the next put of such a name, in the middle of the call."""
    requests = requests_of(driver)
    put = requests.put

    def stopped(name: str, content: bytes) -> bool:
        if not chosen(name):
            return put(name, content)
        monkeypatch.setattr(requests, "put", put)
        before()
        quick = put(name, content)
        after()
        return quick

    monkeypatch.setattr(requests, "put", stopped)


class StoppedHereError(BaseException):
    """As if the process ended."""


def stop() -> None:
    raise StoppedHereError


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_writer_that_slept_while_others_claimed_claims_something_else(
    two: Any, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    one, other = two
    posted = post(one, 6)
    by_other: list[str] = []
    once(one, monkeypatch, is_entry, **{moment: lambda: by_other.extend(claim(other, 2))})
    by_one = claim(one, 2)
    assert sorted([*by_one, *by_other, *claim(other)]) == posted
    assert (len(by_one), len(by_other)) == (2, 2)


def test_who_slept_when_it_had_just_taken_over_lets_others_go_first(
    two: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    posted = post(one, 6)
    by_one: list[str] = []
    once(other, monkeypatch, is_epoch, after=lambda: by_one.extend(claim(one, 2)))
    by_other = claim(other, 2)
    assert sorted([*by_one, *by_other, *claim(other)]) == posted


@pytest.mark.parametrize("chosen", [is_entry, is_epoch])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_that_ends_holds_nobody_up(
    two: Any, monkeypatch: pytest.MonkeyPatch, chosen: Any, moment: str
) -> None:
    one, other = two
    posted = post(one, 4)
    once(other, monkeypatch, chosen, **{moment: stop})
    mine = new_id()
    with pytest.raises(StoppedHereError):
        claim(other, 2, mine)
    by_one = claim(one, 4)
    # It counts or it does not; and a repetition of the call gets what is left, and all of that.
    again = claim(one, 4, mine)
    assert sorted([*by_one, *again]) == posted


def test_a_pop_whose_first_try_counts_after_all_takes_nothing_else(
    two: Any, monkeypatch: pytest.MonkeyPatch, handles: Handles
) -> None:
    """Its entry is seen by one that takes over, and not by the next, which is displaced."""
    one, other = two
    posted = post(one, 6)
    third = handles.open()
    third.queues.count(QUEUE.project)
    by_others: list[str] = []

    def displace() -> None:
        once(other, monkeypatch, is_entry, before=lambda: by_others.extend(claim(third, 1)))
        by_others.extend(claim(other, 1))

    once(one, monkeypatch, is_entry, after=displace)
    popped = [message.id for message in one.messages.pop(QUEUE, 2)]
    rest = claim(handles.open())
    assert sorted([*popped, *by_others, *rest]) == posted


def test_what_arrives_when_others_have_gone_on_is_ignored(
    two: Any, monkeypatch: pytest.MonkeyPatch, handles: Handles
) -> None:
    one, other = two
    posted = post(one, 3)
    late: list[tuple[str, bytes]] = []
    requests = requests_of(one)
    put = requests.put

    def lose(name: str, content: bytes) -> bool:
        late.append((name, content))
        raise translate(OSError("lost"), "here", "there")

    monkeypatch.setattr(requests, "put", lose)
    with pytest.raises(Unavailable):
        claim(one, 1)
    monkeypatch.setattr(requests, "put", put)
    first = claim(other, 1)
    for name, content in late:
        put(name, content)
    rest = [*claim(one, 1), *claim(handles.open())]
    assert sorted(first + rest) == posted


def test_an_object_that_was_stored_slowly_counts_when_another_follows_it(
    two: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Swift may then have put off telling the container."""
    one, other = two
    requests = requests_of(one)
    put, written = requests.put, []

    def slow(name: str, content: bytes) -> bool:
        written.append(name)
        return put(name, content) and len(written) > 1

    monkeypatch.setattr(requests, "put", slow)
    posted = post(one)
    assert list(map(is_entry, written)) == [True, False, True]
    assert claim(other) == posted


def test_a_store_that_is_always_slow_says_so(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = two
    requests = requests_of(one)
    put = requests.put
    monkeypatch.setattr(requests, "put", lambda *arguments: put(*arguments) and False)
    with pytest.raises(Unavailable, match=r"took more than 10 s.*raise .slow="):
        post(one)


def test_a_listing_that_lacks_what_was_stored_is_not_believed(
    two: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    posted = post(one, 2)
    requests = requests_of(one)
    names = requests.names
    last: list[str] = []

    def stale(prefix: str, marker: str = "", **options: Any) -> list[str]:
        found = names(prefix, marker, **options)
        shown = [name for name in found if name in last or not is_entry(name)]
        last.extend(found)
        return shown

    monkeypatch.setattr(requests, "names", stale)
    by_one = claim(one, 1)
    assert sorted([*by_one, *claim(other)]) == posted


def test_a_group_of_threads_shares_entries(handles: Handles, swift: Swift) -> None:
    driver = handles.open()
    driver.queues.create(QUEUE, {})
    post(driver)
    earlier = swift.work()[0]
    together = Barrier(16)

    def post_with_others(_: int) -> str:
        together.wait(60)  # or a busy machine runs them one after the other
        return post(driver)[0]

    with ThreadPoolExecutor(16) as pool:
        posted = list(pool.map(post_with_others, range(48)))
    assert swift.work()[0] - earlier < 24
    assert len(claim(driver, 100)) == 1 + len(set(posted))


def test_a_message_that_is_deleted_stays_so_when_it_is_posted_again_late(two: Any) -> None:
    """A repeated post is no new message while it is there; later, its id is free again."""
    one, other = two
    new = NewMessage(new_id(), b"{}", 3600)
    for driver in two:
        driver.messages.post(QUEUE, [new])
    assert claim(one) == [new.id]
    assert other.messages.delete(QUEUE, [Handle(new.id, force=True)]) == [None]
    assert one.messages.list(QUEUE, include_claimed=True).items == ()


def test_a_call_that_others_went_past_while_it_took_over_is_not_repeated(
    two: Any, monkeypatch: pytest.MonkeyPatch, handles: Handles
) -> None:
    one, other = two
    posted = post(one, 6)
    monkeypatch.setattr("mqcore_swift.trim.EVERY", 8)
    has_epoch, may_go_on = Event(), Event()

    def go_past() -> None:
        """Adopt the pop, and go on until nothing is left of it but what it did."""
        for _ in range(12):
            (mine,) = post(other)
            other.messages.delete(QUEUE, [Handle(mine)])
            handles.clock.advance(300)

    def wait() -> None:
        has_epoch.set()
        may_go_on.wait()

    def resume() -> None:
        may_go_on.set()
        thread.join()

    def displace() -> None:
        """Now nobody knows whether the pop counts."""
        once(other, monkeypatch, is_entry, before=wait)
        thread.start()
        has_epoch.wait()
        once(one, monkeypatch, is_epoch, before=resume)

    thread = Thread(target=go_past)
    once(one, monkeypatch, is_entry, after=displace)
    with pytest.raises(Unavailable, match="cannot tell what became of the call"):
        one.messages.pop(QUEUE, 2)
    assert claim(handles.open()) == posted[2:]
    assert claim(one) == []


def test_an_entry_whose_reading_was_broken_off_is_read_again(
    two: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    before = post(other, 3)

    def half(at: Moment, command: Command) -> None:
        apply(at, command)
        stop()

    with monkeypatch.context() as patched:
        patched.setattr("mqcore_swift.replica.apply", half)
        with pytest.raises(StoppedHereError):
            one.messages.list(QUEUE)
    after = post(one, 2)
    assert [each.id for each in one.messages.list(QUEUE).items] == [*before, *after]
    assert claim(other) == [*before, *after]
