"""Defaults and limits of claims, and the dead-letter rule (spec 1.4, 1.5, 2.8)."""

import pytest

from mqcore.contract import ClaimNotFound, Invalid, QueueRef
from mqcore.service import NewClaim

from .conftest import Bench


def test_a_missing_ttl_and_grace_take_the_defaults(bench: Bench) -> None:
    bench.post(ttl=60)
    claim = bench.service.claims.claim(bench.queue, NewClaim())
    assert claim
    assert (claim.ttl, claim.grace) == (300, 60)
    assert claim.messages[0].ttl == 360
    bench.service.claims.renew(bench.queue, claim.id)
    assert bench.service.claims.get(bench.queue, claim.id).ttl == 300


@pytest.mark.parametrize(
    ("ttl", "grace"), [(-1, -1), (59, 60), (60, 59), (60, 43201), (43201, 60), (True, 60)]
)
def test_ranges_are_checked_at_claim_and_renew(bench: Bench, ttl: int, grace: int) -> None:
    bench.post()
    with pytest.raises(Invalid):
        bench.service.claims.claim(bench.queue, NewClaim(10, ttl, grace))
    with pytest.raises(Invalid):
        bench.service.claims.renew(bench.queue, "unknown", ttl=ttl, grace=grace)
    assert bench.service.queues.stats(bench.queue).claimed == 0


@pytest.mark.parametrize("limit", [0, 21, -1])
def test_the_limit_is_bounded(bench: Bench, limit: int) -> None:
    with pytest.raises(Invalid):
        bench.service.claims.claim(bench.queue, NewClaim(limit))


def test_merged_claims_share_nothing_and_fail_alone(bench: Bench) -> None:
    bench.post(*(b"%d" % n for n in range(5)))
    one, bad, two, none = bench.service.claims.claim_many(
        bench.queue, [NewClaim(2), NewClaim(0), NewClaim(10), NewClaim(10)]
    )
    assert [message.body for message in one.messages] == [b"0", b"1"]  # type: ignore[union-attr]
    assert isinstance(bad, Invalid)
    assert [message.body for message in two.messages] == [b"2", b"3", b"4"]  # type: ignore[union-attr]
    assert none is None


def test_a_claim_on_a_missing_queue_gives_nothing_and_creates_nothing(bench: Bench) -> None:
    assert bench.claim() == ()
    assert not bench.service.queues.exists(bench.queue)
    with pytest.raises(ClaimNotFound):
        bench.service.claims.get(bench.queue, "x")


def test_a_message_claimed_too_often_moves_to_the_dead_letter_queue(bench: Bench) -> None:
    """B-107, D-7: it is handed out twice, then it is free in the other queue, created for it."""
    bench.metadata(
        _dead_letter_queue="dead", _max_claim_count=2, _dead_letter_queue_messages_ttl=9999
    )
    (message_id,) = bench.post(b'{"n":1}')
    for count in (1, 2):
        (message,) = bench.claim()
        assert message.claim_count == count
        bench.clock.advance(60)
    assert bench.claim() == ()
    dead = QueueRef("p", "dead")
    (moved,) = bench.service.messages.list(dead).items
    assert (moved.id, moved.body, moved.ttl) == (message_id, b'{"n":1}', 9999)
    assert (moved.claim_id, moved.claim_count) == (None, 0)
    assert bench.service.queues.stats(bench.queue).total == 0


def test_the_claim_is_filled_from_behind_what_was_moved(bench: Bench) -> None:
    bench.metadata(_dead_letter_queue="dead", _max_claim_count=1)
    bench.post(b"1", b"2")
    bench.claim()
    bench.clock.advance(60)
    bench.post(b"3", b"4")
    assert [message.body for message in bench.claim(limit=2)] == [b"3", b"4"]


def test_claims_are_counted_without_a_dead_letter_queue(bench: Bench) -> None:
    """D-12."""
    bench.post()
    for count in (1, 2, 3):
        assert bench.claim()[0].claim_count == count
        bench.clock.advance(60)
