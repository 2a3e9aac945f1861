"""Defaults, limits, lazy creation and merged posts (spec 1.3, 1.7, 2.7)."""

import pytest

from mqcore.contract import (
    ClaimNotFound,
    Handle,
    Invalid,
    MessageClaimed,
    MessageNotClaimedBy,
    MQError,
    PageRequest,
    QueueRef,
    TooLarge,
)
from mqcore.service import NewClaim, Post, Posting, ServiceLimits

from .conftest import Bench


def test_a_post_creates_the_queue(bench: Bench) -> None:
    bench.post()
    assert bench.service.queues.exists(bench.queue)


@pytest.mark.parametrize(
    "posting",
    [
        Posting(b"1", ttl=-1),
        Posting(b"1", ttl=59),
        Posting(b"1", ttl=1209601),
        Posting(b"1", delay=-1),
        Posting(b"1", delay=901),
    ],
)
def test_a_bad_post_stores_nothing_and_creates_no_queue(bench: Bench, posting: Posting) -> None:
    with pytest.raises(Invalid):
        bench.service.messages.post(bench.queue, Post([Posting(b"1"), posting]))
    assert not bench.service.queues.exists(bench.queue)


def test_an_empty_post_is_refused(bench: Bench) -> None:
    with pytest.raises(Invalid):
        bench.service.messages.post(bench.queue, Post([]))


def test_ttl_comes_from_the_message_then_the_queue_then_the_configuration(bench: Bench) -> None:
    bench.post()
    bench.metadata(_default_message_ttl=77)
    bench.post()
    bench.post(ttl=88)
    listed = bench.service.messages.list(bench.queue).items
    assert [message.ttl for message in listed] == [3600, 77, 88]


def test_delay_is_honoured_with_and_without_a_default(bench: Bench) -> None:
    """D-14, B-105, B-106."""
    bench.post(b"1", delay=2)
    assert bench.claim() == ()
    bench.clock.advance(2)
    assert len(bench.claim()) == 1
    bench.metadata(_default_message_delay=3)
    bench.post(b"2")
    bench.post(b"3", delay=0)
    assert [message.body for message in bench.claim()] == [b"3"]
    bench.clock.advance(3)
    assert [message.body for message in bench.claim()] == [b"2"]
    bench.metadata()
    bench.post(b"4")
    assert [message.body for message in bench.claim()] == [b"4"]


def test_the_size_of_a_post_is_bounded_by_the_queue_and_the_configuration(bench: Bench) -> None:
    bench.metadata(_max_messages_post_size=10)
    bench.service.messages.post(bench.queue, Post([Posting(b"1")], size=10))
    with pytest.raises(TooLarge, match="10 bytes"):
        bench.service.messages.post(bench.queue, Post([Posting(b"1")], size=11))
    with pytest.raises(TooLarge):
        bench.post(b'"123456789"')


def test_merged_posts_fail_alone_and_keep_their_order(bench: Bench) -> None:
    posts = [
        Post([Posting(b"1"), Posting(b"2")], client="a"),
        Post([Posting(b"3", ttl=1)]),
        Post([]),
        Post([Posting(b"4")], client="b"),
    ]
    results = bench.service.messages.post_many(bench.queue, posts)
    assert [isinstance(result, MQError) for result in results] == [False, True, True, False]
    listed = bench.service.messages.list(bench.queue).items
    assert [message.body for message in listed] == [b"1", b"2", b"4"]
    ids = [i for result in results if not isinstance(result, MQError) for i in result]
    assert ids == [message.id for message in listed]
    shown = bench.service.messages.list(bench.queue, PageRequest(hide_client="a")).items
    assert [message.body for message in shown] == [b"4"]


def test_requests_for_several_queues_are_served_each_by_its_rules(bench: Bench) -> None:
    other = QueueRef("p", "other")
    bench.service.queues.create(other, {"_default_message_ttl": 100, "_max_messages_post_size": 10})
    first, second = bench.service.messages.post_to_several(
        [
            (bench.queue, [Post([Posting(b"1")]), Post([])]),
            (other, [Post([Posting(b"2")]), Post([Posting(b'"123456789"')])]),
        ]
    )
    assert not isinstance(first, MQError)
    assert not isinstance(second, MQError)
    assert [isinstance(each, MQError) for each in (*first, *second)] == [False, True, False, True]
    for queue, body, ttl in ((bench.queue, b"1", 3600), (other, b"2", 100)):
        (stored,) = bench.service.messages.list(queue).items
        assert (stored.body, stored.ttl) == (body, ttl)


def test_the_notifier_hears_of_what_was_stored_only(bench: Bench) -> None:
    bench.service.messages.post_many(
        bench.queue, [Post([Posting(b"1")]), Post([Posting(b"2", ttl=1)])]
    )
    ((queue, messages),) = bench.notified.calls
    assert queue == bench.queue
    assert [(message.body, message.ttl) for message in messages] == [(b"1", 3600)]


@pytest.mark.parametrize(
    ("body", "checksum"),
    [
        (b"1", "MD5:c4ca4238a0b923820dcc509a6f75849b"),
        (b'{"a":1}', "MD5:42b7b4f2921788ea14dac5566e6f06d0"),
        (b'{ "a" : 1 }', "MD5:42b7b4f2921788ea14dac5566e6f06d0"),
        (b"null", None),
    ],
)
def test_checksums_are_those_of_the_canonical_body(body: bytes, checksum: str | None) -> None:
    """B-044."""
    bench = Bench(ServiceLimits(enable_checksum=True))
    (message_id,) = bench.post(body)
    assert bench.service.messages.get(bench.queue, message_id).checksum == checksum


def test_single_delete_says_why_not(bench: Bench) -> None:
    messages = bench.service.messages
    first, second = bench.post(b"1", b"2")
    claim = bench.service.claims.claim(bench.queue, NewClaim(1))
    other = bench.service.claims.claim(bench.queue, NewClaim(1))
    assert claim
    assert other
    with pytest.raises(MessageClaimed):
        messages.delete(bench.queue, first)
    with pytest.raises(ClaimNotFound):
        messages.delete(bench.queue, first, "invalid")
    with pytest.raises(MessageNotClaimedBy):
        messages.delete(bench.queue, first, other.id)
    messages.delete(bench.queue, first, claim.id)
    messages.delete(bench.queue, first, claim.id)
    bench.service.claims.release(bench.queue, other.id)
    with pytest.raises(ClaimNotFound):
        messages.delete(bench.queue, second, other.id)
    messages.delete(bench.queue, second)
    messages.delete(QueueRef("p", "missing"), second, "any")


def test_merged_deletes_have_their_own_results(bench: Bench) -> None:
    first, second = bench.post(b"1", b"2")
    bench.claim(limit=1)
    results = bench.service.messages.delete_many(bench.queue, [Handle(first), Handle(second)])
    assert isinstance(results[0], MessageClaimed)
    assert results[1] is None


def test_bulk_delete_takes_claimed_messages_unless_configured_otherwise(bench: Bench) -> None:
    ids = bench.post(b"1", b"2")
    bench.claim(limit=1)
    bench.service.messages.bulk_delete(bench.queue, ids, ["ignored"])
    assert bench.service.queues.stats(bench.queue).total == 0


def test_bulk_delete_by_claim_is_all_or_nothing() -> None:
    bench = Bench(ServiceLimits(message_delete_with_claim_id=True))
    ids = bench.post(b"1", b"2", b"3")
    claimed = bench.claim(limit=2)
    with pytest.raises(Invalid, match="claim_ids"):
        bench.service.messages.bulk_delete(bench.queue, ids)
    claim_ids = [str(claimed[0].claim_id)]
    with pytest.raises(MessageNotClaimedBy):
        bench.service.messages.bulk_delete(bench.queue, ids, claim_ids)
    assert bench.service.queues.stats(bench.queue).total == 3
    bench.service.messages.bulk_delete(bench.queue, ids[:2], claim_ids)
    assert bench.service.queues.stats(bench.queue).total == 1


def test_counts_of_ids_and_pops_are_bounded(bench: Bench) -> None:
    messages = bench.service.messages
    for bad in (0, 21, -1):
        with pytest.raises(Invalid):
            messages.pop(bench.queue, bad)
        with pytest.raises(Invalid):
            messages.list(bench.queue, PageRequest(limit=bad))
    with pytest.raises(Invalid):
        messages.get_many(bench.queue, ["x"] * 21)
    with pytest.raises(Invalid):
        messages.bulk_delete(bench.queue, [])
