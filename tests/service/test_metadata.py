"""Reserved keys, what is reported and what is refused (spec 1.2, 2.6)."""

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from mqcore.contract import Conflict, Invalid, QueueNotFound, TooLarge
from mqcore.service import ServiceLimits
from mqcore.service.rules import REPORTED

from .conftest import Bench


def test_get_of_a_missing_queue_gives_the_defaults_alone(bench: Bench) -> None:
    """B-005."""
    shown = bench.service.queues.get(bench.queue)
    assert shown == {
        "_max_messages_post_size": 262144,
        "_default_message_ttl": 3600,
        "_default_message_delay": 0,
        "_dead_letter_queue": None,
        "_dead_letter_queue_messages_ttl": None,
        "_max_claim_count": None,
        "_enable_encrypt_messages": False,
    }
    assert tuple(shown) == REPORTED
    assert not bench.service.queues.exists(bench.queue)


def test_defaults_are_reported_but_never_stored(bench: Bench) -> None:
    bench.service.queues.create(bench.queue, {"color": "blue"})
    assert bench.service.queues.get(bench.queue)["_default_message_ttl"] == 3600
    assert bench.driver.queues.get(bench.queue).metadata == {"color": "blue"}


def test_null_in_a_reserved_key_counts_as_absent(bench: Bench) -> None:
    bench.service.queues.create(bench.queue, dict.fromkeys(REPORTED))
    assert bench.service.queues.get(bench.queue)["_default_message_ttl"] == 3600


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("_max_messages_post_size", 0),
        ("_max_messages_post_size", 262145),
        ("_max_messages_post_size", "123"),
        ("_max_messages_post_size", True),
        ("_max_messages_post_size", ""),
        ("_max_messages_post_size", []),
        ("_default_message_ttl", 0),
        ("_default_message_ttl", 59),
        ("_default_message_ttl", 1209601),
        ("_default_message_ttl", 60.0),
        ("_default_message_delay", -1),
        ("_default_message_delay", 901),
        ("_default_message_delay", {}),
        ("_dead_letter_queue", 1),
        ("_dead_letter_queue", ""),
        ("_dead_letter_queue", "no@name"),
        ("_dead_letter_queue", "q"),
        ("_dead_letter_queue_messages_ttl", 0),
        ("_dead_letter_queue_messages_ttl", 1209601),
        ("_max_claim_count", 0),
        ("_max_claim_count", "2"),
        ("_enable_encrypt_messages", "yes"),
        ("_enable_encrypt_messages", True),
        ("_flavor", 3),
        ("_retry_policy", []),
        ("_retry_policy", {"minimum_delay": "5"}),
        ("_retry_policy", {"minimum_delay": -1}),
        ("_retry_policy", {"minimum_delay": 25}),
        ("_retry_policy", {"maximum_delay": 14}),
        ("_retry_policy", {"retry_backoff_function": "random"}),
        ("_retry_policy", {"ignore_subscription_override": 1}),
    ],
)
def test_a_bad_reserved_value_is_refused_and_named(bench: Bench, key: str, value: object) -> None:
    with pytest.raises(Invalid, match=key):
        bench.service.queues.create(bench.queue, {key: value})
    assert not bench.service.queues.exists(bench.queue)


@pytest.mark.parametrize(
    "metadata",
    [
        {"_default_message_ttl": 60, "_default_message_delay": 900, "_max_claim_count": 1},
        {"_retry_policy": {"minimum_delay": 20, "maximum_delay": 30, "unknown": 1}},
        {"_retry_policy": {"retry_backoff_function": "geometric"}},
        {"_ttl": "any", "_x": None, "a.b": {"$c": [1.5]}},
    ],
)
def test_good_metadata_is_kept_as_it_is(bench: Bench, metadata: dict[str, object]) -> None:
    bench.service.queues.create(bench.queue, metadata)
    assert bench.driver.queues.get(bench.queue).metadata == metadata


def test_metadata_is_bounded_in_bytes() -> None:
    bench = Bench(ServiceLimits(max_queue_metadata=20))
    bench.service.queues.create(bench.queue, {"k": "é" * 6})
    with pytest.raises(TooLarge, match="20 bytes"):
        bench.service.queues.update(bench.queue, lambda _: {"k": "é" * 7})


def test_metadata_that_is_no_json_object_is_refused(bench: Bench) -> None:
    bads: list[object] = [[], "text", {"k": {1, 2}}, {"k": b"bytes"}]
    for bad in bads:
        with pytest.raises(Invalid):
            bench.service.queues.create(bench.queue, bad)


def test_update_of_a_missing_queue_is_not_found(bench: Bench) -> None:
    with pytest.raises(QueueNotFound):
        bench.service.queues.update(bench.queue, lambda stored: stored)


def test_an_update_that_fails_changes_nothing(bench: Bench) -> None:
    bench.service.queues.create(bench.queue, {"a": 1})

    def refuse(_: Mapping[str, Any]) -> Mapping[str, Any]:
        raise Conflict("no such key")

    with pytest.raises(Conflict):
        bench.service.queues.update(bench.queue, refuse)
    assert bench.driver.queues.get(bench.queue).metadata == {"a": 1}


def test_no_racing_update_is_lost(bench: Bench) -> None:
    bench.service.queues.create(bench.queue, {"count": 0})

    def add() -> None:
        for _ in range(50):
            bench.service.queues.update(bench.queue, lambda s: {**s, "count": s["count"] + 1})

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.service.queues.get(bench.queue)["count"] == 200


def test_metadata_is_bounded_in_depth(bench: Bench) -> None:
    deep: object = 1
    for _ in range(99):
        deep = [deep]
    bench.service.queues.create(bench.queue, {"k": deep})
    with pytest.raises(Invalid, match="100 levels"):
        bench.service.queues.update(bench.queue, lambda _: {"k": [deep]})
