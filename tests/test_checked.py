"""Core's gate: refuses what a driver did not declare, and passes everything else on."""

import pytest

from mqcore.checked import CheckedDriver
from mqcore.contract import (
    Capability,
    ClaimRequest,
    Closed,
    Limits,
    NewMessage,
    NotSupported,
    QueueRef,
    TooLarge,
    new_id,
)
from mqcore.memory import MemoryDriver, open_driver

QUEUE = QueueRef("project", "queue")


@pytest.fixture
def inner() -> MemoryDriver:
    """A driver that stores everything, but declares limits and no delay."""
    driver = open_driver("memory://", clock=lambda: 1_700_000_000.0)
    driver.capabilities &= ~Capability.DELAY
    driver.limits = Limits(body=10, metadata=20)
    driver.queues.create(QUEUE, {})
    return driver


@pytest.fixture
def checked(inner: MemoryDriver) -> CheckedDriver:
    return CheckedDriver(inner)


def message(body: bytes = b"{}", delay: int = 0) -> NewMessage:
    return NewMessage(new_id(), body, 600, delay)


def test_a_delay_without_the_capability_is_refused(checked: CheckedDriver) -> None:
    with pytest.raises(NotSupported, match="without a delay"):
        checked.messages.post(QUEUE, [message(), message(delay=1)])
    assert checked.queues.stats(QUEUE).total == 0


def test_a_declared_delay_passes() -> None:
    checked = CheckedDriver(open_driver("memory://", clock=lambda: 0.0))
    checked.queues.create(QUEUE, {})
    checked.messages.post(QUEUE, [message(delay=1)])
    assert checked.messages.list(QUEUE).items == ()
    assert checked.queues.stats(QUEUE).total == 1


def test_a_body_over_the_limit_is_refused_with_its_whole_batch(checked: CheckedDriver) -> None:
    checked.messages.post(QUEUE, [message(b"x" * 10)])
    with pytest.raises(TooLarge, match="11 bytes; this store takes at most 10"):
        checked.messages.post(QUEUE, [message(), message(b"x" * 11)])
    assert checked.queues.stats(QUEUE).total == 1


def test_of_several_posts_those_that_go_too_far_are_refused(checked: CheckedDriver) -> None:
    good = message()
    large, delayed, stored = checked.messages.post_to_several(
        [(QUEUE, [message(b"x" * 11)]), (QUEUE, [message(delay=1)]), (QUEUE, [good])]
    )
    assert isinstance(large, TooLarge)
    assert isinstance(delayed, NotSupported)
    assert stored == [good.id]
    assert checked.queues.stats(QUEUE).total == 1


@pytest.mark.parametrize("metadata", [{"k": "x" * 13}, {"k": "é" * 6 + "x", "": 0}])
def test_metadata_over_the_limit_is_refused(
    checked: CheckedDriver, metadata: dict[str, object]
) -> None:
    other = QueueRef("project", "other")
    with pytest.raises(TooLarge, match="takes at most 20"):
        checked.queues.create(other, metadata)
    with pytest.raises(TooLarge):
        checked.queues.set_metadata(QUEUE, metadata)
    assert not checked.queues.exists(other)
    assert checked.queues.get(QUEUE).metadata == {}


@pytest.mark.parametrize("metadata", [{"k": "x" * 12}, {"k": "é" * 6}, {"a": 1, "b": [2, 3]}])
def test_the_limit_counts_the_bytes_of_compact_json(
    checked: CheckedDriver, metadata: dict[str, object]
) -> None:
    checked.queues.set_metadata(QUEUE, metadata)
    assert checked.queues.get(QUEUE).metadata == metadata


def test_everything_else_is_the_wrapped_driver(checked: CheckedDriver, inner: MemoryDriver) -> None:
    assert checked.capabilities == inner.capabilities
    assert checked.limits == inner.limits
    assert checked.local is True
    assert checked.messages.joins_posts is True
    new = message()
    assert checked.messages.post(QUEUE, [new]) == [new.id]
    assert checked.messages.get(QUEUE, new.id) == inner.messages.get(QUEUE, new.id)
    (claim,) = checked.claims.claim(QUEUE, [ClaimRequest(new_id(), 1, 60, 60)])
    assert claim is not None
    assert checked.queues.stats(QUEUE).claimed == 1
    assert checked.volume() == inner.volume()
    assert checked.collect() == 0
    checked.ping()
    checked.close()
    with pytest.raises(Closed):
        checked.messages.list(QUEUE)
    with pytest.raises(Closed):
        inner.ping()


def test_where_calls_may_be_made_is_what_the_driver_says(inner: MemoryDriver) -> None:
    assert CheckedDriver(inner).local
    assert not CheckedDriver(inner).blocking
    assert not CheckedDriver(inner).cooperative
    inner.local, inner.blocking, inner.cooperative = False, True, True  # type: ignore[misc]
    assert not CheckedDriver(inner).local
    assert CheckedDriver(inner).blocking
    assert CheckedDriver(inner).cooperative
