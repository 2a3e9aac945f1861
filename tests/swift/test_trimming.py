"""Logs stay short, and nothing of what was deleted stays in the container."""

from typing import Any

import pytest
from mqcore_swift.driver import SwiftDriver
from mqcore_swift.names import digest

from mqcore.contract import Handle, QueueRef
from tests.backends import Swift

from .conftest import QUEUE, Handles, claim, post

HOUR = 3600
EVERY = 8


def stored(driver: SwiftDriver) -> list[str]:
    return driver._store.requests.names("")


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mqcore_swift.trim.EVERY", EVERY)


@pytest.fixture
def driver(handles: Handles) -> SwiftDriver:
    made = handles.open()
    made.queues.create(QUEUE, {})
    return made


def churn(driver: SwiftDriver, handles: Handles, times: int) -> None:
    """Post and delete, as time goes by."""
    for _ in range(times):
        ids = post(driver)
        driver.messages.delete(QUEUE, [Handle(each) for each in ids])
        handles.clock.advance(60)


def slept_while_trimmed(driver: SwiftDriver, handles: Handles) -> tuple[SwiftDriver, list[str]]:
    """A handle that knows three messages and nothing later, and the ids of these."""
    sleeper = handles.open()
    kept = post(driver, 3)
    assert len(sleeper.messages.list(QUEUE).items) == 3
    churn(driver, handles, 10)
    return sleeper, kept


def test_a_log_that_is_much_used_stays_short(driver: SwiftDriver, handles: Handles) -> None:
    kept = post(driver, 3)
    churn(driver, handles, 30)
    assert len(stored(driver)) < 4 * EVERY
    assert claim(handles.open()) == kept


def test_a_handle_that_slept_while_the_log_was_trimmed_goes_on(
    driver: SwiftDriver, handles: Handles
) -> None:
    sleeper, kept = slept_while_trimmed(driver, handles)
    assert claim(sleeper) == kept
    assert claim(driver) == []


def test_two_that_write_in_turn_trim_together(driver: SwiftDriver, handles: Handles) -> None:
    other = handles.open()
    kept = post(driver, 3)
    for _ in range(6):
        churn(driver, handles, 2)
        churn(other, handles, 2)
    assert claim(handles.open()) == kept
    assert len(stored(driver)) < 4 * EVERY


@pytest.mark.parametrize("bulk", [True, False])
def test_of_a_deleted_queue_no_body_is_left(bulk: bool) -> None:
    with Swift(bulk=bulk) as server:
        handles = Handles(server.fresh_database())
        driver = handles.open()
        other = QueueRef(QUEUE.project, "other")
        for queue in (QUEUE, other):
            driver.queues.create(queue, {})
        for _ in range(20):
            post(driver, 5, b"of the deleted queue")
        driver.queues.delete(QUEUE)
        assert any(".h" in name for name in stored(driver))
        handles.clock.advance(HOUR)
        assert driver.collect() == 0
        assert [name for name in stored(driver) if ".h" in name] == []
        assert driver.collect() == 0
        assert driver.queues.exists(other)
        handles.close()


def test_bodies_outlive_their_messages_for_those_who_read_them(
    driver: SwiftDriver, handles: Handles
) -> None:
    post(driver)
    driver.messages.purge(QUEUE)
    driver.collect()
    assert any(".h" in name for name in stored(driver))


def test_what_a_displaced_writer_left_is_removed(
    driver: SwiftDriver, handles: Handles, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = handles.open()
    requests = driver._store.requests
    put = requests.put
    left: list[str] = []

    def late(name: str, content: bytes) -> bool:
        if not left and ".h" in name:
            left.append(name)
            for _ in range(3):
                post(other)
        return put(name, content)

    monkeypatch.setattr(requests, "put", late)
    post(driver)
    assert left[0] in stored(driver)
    driver.collect()
    assert left[0] not in stored(driver)
    assert len(claim(driver)) == 4


def test_the_last_entry_stays_so_that_who_slept_sees_that_something_is_gone(
    driver: SwiftDriver, handles: Handles
) -> None:
    sleeper, kept = slept_while_trimmed(driver, handles)
    assert claim(driver) == kept
    handles.clock.advance(HOUR // 2)  # now all that was written is old
    log = driver._store._log(digest(QUEUE.project))
    log._trim.run(handles.clock(), 1000)
    assert claim(sleeper) == []


def test_of_very_many_projects_the_last_are_kept_in_memory(
    driver: SwiftDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mqcore_swift.store.MOST_LOGS", 3)
    kept = post(driver, 2)
    for number in range(5):
        assert driver.queues.count(f"other-{number}") == 0
    assert len(driver._store._logs) == 3
    assert claim(driver) == kept


def test_a_bulk_delete_that_failed_in_part_is_made_again(
    driver: SwiftDriver, handles: Handles, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = driver._store.requests
    call, failures = requests._call, [b'{"Response Status": "502 Bad Gateway"}'] * 2

    def failing(*arguments: Any, **options: Any) -> Any:
        found = call(*arguments, **options)
        bulk = isinstance(found, tuple) and b"Response Status" in found[1]
        return (found[0], failures.pop()) if bulk and failures else found

    churn(driver, handles, 6)
    handles.clock.advance(HOUR)
    monkeypatch.setattr(requests, "_call", failing)
    driver.collect()
    assert not failures
    monkeypatch.undo()
    assert claim(driver) == []
