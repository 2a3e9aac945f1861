"""Who may subscribe and what a repeated request means (spec 2.9)."""

import pytest

from mqcore.contract import Invalid, SubscriptionExists, SubscriptionNotFound

from .conftest import Bench

URI = "http://trigger.me"


def test_a_subscription_creates_the_queue(bench: Bench) -> None:
    made = bench.service.subscriptions.create(bench.queue, URI)
    assert (made.subscriber, made.ttl, made.options) == (URI, 3600, {})
    assert made.confirmed is False
    assert bench.service.queues.exists(bench.queue)


def test_a_repeat_gives_the_unconfirmed_one_unchanged_and_conflicts_once_confirmed(
    bench: Bench,
) -> None:
    subscriptions = bench.service.subscriptions
    made = subscriptions.create(bench.queue, URI, ttl=60)
    assert subscriptions.create(bench.queue, URI, ttl=100, options={"a": 1}) == made
    subscriptions.confirm(bench.queue, made.id, True)
    with pytest.raises(SubscriptionExists):
        subscriptions.create(bench.queue, URI)
    bench.clock.advance(60)
    assert subscriptions.create(bench.queue, URI).id != made.id


@pytest.mark.parametrize(
    ("subscriber", "ttl", "options"),
    [
        (None, None, None),
        (5, None, None),
        ("fake", None, None),
        ("ftp://host", None, None),
        ("http://[bad", None, None),
        ("trust+http://host", None, None),
        (URI, 59, None),
        (URI, 0, None),
        (URI, "60", None),
        (URI, True, None),
        (URI, 2**40, None),
        (URI, None, []),
        (URI, None, "text"),
        (URI, None, {"_retry_policy": {"minimum_delay": "x"}}),
    ],
)
def test_a_bad_subscription_is_refused_and_creates_no_queue(
    bench: Bench, subscriber: object, ttl: object, options: object
) -> None:
    with pytest.raises(Invalid):
        bench.service.subscriptions.create(bench.queue, subscriber, ttl=ttl, options=options)
    assert not bench.service.queues.exists(bench.queue)


def test_a_trust_that_the_caller_brings_is_taken(bench: Bench) -> None:
    made = bench.service.subscriptions.create(
        bench.queue, "trust+https://host/x", options={"trust_id": "t"}
    )
    assert made.options == {"trust_id": "t"}


@pytest.mark.parametrize(
    "changes", [None, [], {}, {"unknown": 1}, {"ttl": 0}, {"subscriber": "x"}, {"options": []}]
)
def test_a_bad_update_is_refused_before_the_id_is_looked_up(bench: Bench, changes: object) -> None:
    """B-133."""
    with pytest.raises(Invalid):
        bench.service.subscriptions.update(bench.queue, "unknown", changes)


def test_an_update_ignores_unknown_keys_beside_known_ones(bench: Bench) -> None:
    subscriptions = bench.service.subscriptions
    made = subscriptions.create(bench.queue, URI)
    subscriptions.update(bench.queue, made.id, {"ttl": 99, "unknown": 1})
    assert subscriptions.get(bench.queue, made.id).ttl == 99
    with pytest.raises(SubscriptionNotFound):
        subscriptions.update(bench.queue, "unknown", {"ttl": 99})
