"""Drivers with one fault each, made from the reference driver. The suite must catch every one."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from mqcore import memory
from mqcore.conformance import Clock, Harness
from mqcore.contract import (
    Capability,
    Claim,
    ClaimRequest,
    Driver,
    Handle,
    Message,
    MQError,
    NewMessage,
    Page,
    PageRequest,
    QueueNotFound,
    QueueRef,
    Subscription,
)

from .faults import *  # noqa: F403
from .meters import python_calls
from .raced import *  # noqa: F403
from .sleepers import *  # noqa: F403


class OwnLock:
    """The store, with a lock that only one handle knows."""

    def __init__(self, store: memory.store.Store) -> None:
        self._store = store
        self.lock = threading.RLock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class LockInTheHandle(memory.MemoryDriver):
    def __init__(self, store: memory.store.Store, clock: Clock) -> None:
        super().__init__(OwnLock(store), clock)  # type: ignore[arg-type]


class LockOfItsOwn(LockInTheHandle):
    """The same, for the test that does everything at once."""


class ReleaseFreesAll(memory.claims.Claims):
    def release(self, queue: QueueRef, claim_id: str) -> None:
        with self._box(queue) as (box, _):
            for lease in list(box.claims.values()) if box and claim_id in box.claims else []:
                box.end_claim(lease)  # type: ignore[union-attr]


class RenewForgetsTheEnd(memory.claims.Claims):
    def renew(self, queue: QueueRef, claim_id: str, *, ttl: int, grace: int) -> None:
        super().renew(queue, claim_id, ttl=ttl, grace=grace)
        with self._box(queue) as (box, _):
            assert box is not None
            lease = box.claims[claim_id]
            box.timeline.remove((lease.ends_at, memory.box.CLAIM_ENDS, lease.id))


class RenewsByItsOwnClock(memory.claims.Claims):
    """Keeps the end of a claim with the claim, and does not ask who has seen it pass."""

    ends: dict[str, float] = {}  # noqa: RUF012 - of all handles

    def claim(
        self, queue: QueueRef, requests: Sequence[ClaimRequest]
    ) -> Sequence[Claim | MQError | None]:
        now = self._handle.clock()
        self.ends.update({request.id: now + request.ttl for request in requests})
        return super().claim(queue, requests)

    def renew(self, queue: QueueRef, claim_id: str, *, ttl: int, grace: int) -> None:
        if self.ends.get(claim_id, 0) <= self._handle.clock():
            super().renew(queue, claim_id, ttl=ttl, grace=grace)


class EarlyDelay(memory.messages.Messages):
    """Declares that it delays messages, and does not."""

    def post(self, queue: QueueRef, messages: Sequence[NewMessage]) -> Sequence[str | MQError]:
        return super().post(queue, [replace(message, delay=0) for message in messages])


class DelayIgnored(EarlyDelay):
    """Does not declare it, and core's gate lets it through."""


class TenantLeak(memory.messages.Messages):
    def get_many(self, queue: QueueRef, ids: Sequence[str]) -> tuple[Message, ...]:
        with self._store() as (store, _):
            boxes = [box for some in store.queues.values() for box in some.values()]
            rows = (box.by_id.get(each) for each in ids for box in boxes)
            return tuple(row.message() for row in rows if row)


class MarkerSkips(memory.messages.Messages):
    def list(self, queue: QueueRef, **options: Any) -> Page[Message]:
        page = super().list(queue, **options)
        return replace(page, next=str(int(page.next) + 1)) if page.next else page


class EarlyNumber(memory.messages.Messages):
    """Takes the place in the queue first and the lock then."""

    def post(self, queue: QueueRef, messages: Sequence[NewMessage]) -> Sequence[str | MQError]:
        numbers = [next(self._handle.store.counter) for _ in messages]
        time.sleep(random.uniform(0, 0.005))  # the store is a round trip away
        with self._box(queue) as (box, now):
            if box is None:
                raise QueueNotFound(queue)
            for number, new in zip(numbers, messages, strict=True):
                visible_at = now + new.delay if new.delay else 0
                box.add(memory.box.Row(number, new, new.ttl, now, now + new.ttl, visible_at))
        return [new.id for new in messages]


Posts = Sequence[tuple[QueueRef, Sequence[NewMessage]]]
Posted = Sequence[Sequence[str | MQError] | MQError]


class OneFailsAll(memory.messages.Messages):
    """Posts to several queues are all refused where one is missing."""

    def post_to_several(self, posts: Posts) -> Posted:
        results = super().post_to_several(posts)
        errors = [result for result in results if isinstance(result, MQError)]
        return errors[:1] * len(posts) if errors else results


class AnyVersion(memory.messages.Messages):
    """Declares that it checks versions, and does not."""

    def post(self, queue: QueueRef, messages: Sequence[NewMessage]) -> Sequence[str | MQError]:
        return super().post(replace(queue, if_version=None), messages)


class NewestPostFirst(memory.messages.Messages):
    """Posts to several queues are made in no order."""

    def post_to_several(self, posts: Posts) -> Posted:
        return super().post_to_several(posts[::-1])[::-1]


class PagesOfOneClient(memory.messages.Messages):
    """Pages that are read together all leave out what one of them does."""

    def list_several(
        self, queue: QueueRef, requests: Sequence[PageRequest]
    ) -> Sequence[Page[Message] | MQError | None]:
        hidden = next((one.hide_client for one in requests if one.hide_client), None)
        return super().list_several(queue, [replace(one, hide_client=hidden) for one in requests])


class AnyClaimDeletes(memory.messages.Messages):
    def _refusal(self, queue: QueueRef, box: memory.box.Box, handle: Handle) -> MQError | None:
        return None if handle.claim_ids else super()._refusal(queue, box, handle)


class PostTwice(memory.messages.Messages):
    def post(self, queue: QueueRef, messages: Sequence[NewMessage]) -> Sequence[str | MQError]:
        with self._box(queue) as (box, _):
            for message in messages if box else []:
                if message.id in box.by_id:  # type: ignore[union-attr]
                    box.remove(box.by_id[message.id])  # type: ignore[union-attr]
        return super().post(queue, messages)


class ExpiredBlocks(memory.subscriptions.Subscriptions):
    def create(self, queue: QueueRef, subscription: Any) -> Subscription | None:
        with self._store() as (store, _):
            if (queue, subscription.subscriber) in store.subscribers:
                return None
        return super().create(queue, subscription)


class BrokenHarness(Harness):
    patience = 3.0

    def __init__(self, name: str) -> None:
        self.name = name
        self.store = memory.store.Store()
        if name in ("DelayIgnored", "LimitIgnored"):
            self.gate = lambda driver: driver

    def open(self, clock: Clock) -> Driver:
        fault: Any = globals().get(self.name)
        if fault and issubclass(fault, memory.MemoryDriver):
            broken: Driver = fault(self.store, clock)
            return broken
        driver = memory.MemoryDriver(self.store, clock)
        for place, base in (
            ("queues", memory.queues.Queues),
            ("messages", memory.messages.Messages),
            ("claims", memory.claims.Claims),
            ("subscriptions", memory.subscriptions.Subscriptions),
        ):
            if fault and issubclass(fault, base):
                setattr(driver, place, fault(driver))
        if self.name == "DelayIgnored":
            driver.capabilities &= ~Capability.DELAY
        return driver

    def work(self, call: Callable[[], object]) -> int:
        return python_calls(call)


FAULTS = {
    "LockInTheHandle": "TestRaces::test_racing_claimants_never_share_a_message",
    "ReleaseFreesAll": "TestOrder::test_release_of_one_claim_never_exposes_another",
    "RenewForgetsTheEnd": "TestLeases::test_renewing_restarts_the_lease_and_keeps_its_messages",
    "RenewsByItsOwnClock": (
        "TestClocks::test_what_a_node_saw_end_is_not_renewed_by_one_whose_clock_is_behind"
    ),
    "EarlyDelay": "TestDelay::test_a_delayed_message_is_not_claimable_before_its_time",
    "DelayIgnored": "TestGate::test_a_delay_is_refused_not_ignored",
    "TenantLeak": "TestIsolation::test_a_message_cannot_be_read_or_deleted_from_elsewhere",
    "MarkerSkips": "TestListing::test_the_next_page_continues_after_the_marker",
    "EarlyNumber": "TestRaces::test_a_reader_that_pages_misses_no_racing_post",
    "OneFailsAll": "TestPosting::test_several_posts_are_made_each_by_itself",
    "AnyVersion": "TestVersions::test_by_an_outdated_reference_nothing_is_posted",
    "NewestPostFirst": "TestPosting::test_several_posts_to_a_queue_are_accepted_in_order",
    "PagesOfOneClient": "TestListing::test_pages_that_are_read_together_are_those_read_alone",
    "AnyClaimDeletes": (
        "TestDeleting::test_an_expired_claim_deletes_nothing_and_the_new_holder_keeps_the_message"
    ),
    "PostTwice": "TestRepeats::test_a_repeated_post_leaves_a_claimed_message_alone",
    "ExpiredBlocks": (
        "TestSubscriptions::test_an_expired_subscription_does_not_block_the_next_of_its_subscriber"
    ),
    "CheckThenAct": "TestRaces::test_racing_claimants_never_share_a_message",
    "ClaimScans": "TestCost::test_no_call_costs_more_when_more_messages_lie_there",
    "DoubleClaim": "TestClaiming::test_successive_claims_are_disjoint",
    "FilterAfterLimit": "TestListing::test_a_page_is_filled_with_messages_that_match",
    "FoldsSubscribers": "TestLookalikes::test_subscribers_that_look_alike_are_different",
    "LimitIgnored": "TestGate::test_a_body_over_the_limit_is_refused",
    "NoOrder": "TestOrder::test_claims_pops_and_pages_are_oldest_first",
    "NotDurable": "TestDurability::test_everything_is_there_after_all_handles_were_closed",
    "NumbersAreFloats": "TestHostileMetadata::test_metadata_comes_back_however_hostile",
    "PostDoubles": "TestRepeats::test_a_repeated_post_stores_nothing_again",
    "PurgeWalks": "TestCost::test_no_call_costs_more_when_more_messages_lie_there",
    "RemembersIds": "TestStateMachine::test_messages_and_claims_answer_as_the_model_does",
    "StatsDrift": "TestRepeats::test_repeats_are_counted_once",
    "StopsFiltering": "TestOrder::test_a_delayed_message_behind_a_free_one_stays_hidden",
    "TenMakeAWalk": "TestCost::test_no_call_costs_more_when_more_messages_lie_there",
    "TornBatch": "TestRaces::test_a_batch_appears_at_one_moment",
    "BatchInPieces": "TestOrderBesideOthers::test_nothing_comes_between_the_messages_of_a_batch",
    "DeleteLooksFirst": (
        "TestExclusivity::test_a_delete_beside_the_end_of_its_claim_takes_nothing_from_the_next"
    ),
    "LockOfItsOwn": "TestExclusivity::test_everything_at_once_keeps_every_promise",
    "MarkerCounts": "TestPagesBesideOthers::test_a_reader_sees_once_what_stayed",
    "RenewLooksFirst": (
        "TestExclusivity::test_a_renewal_beside_the_end_of_its_claim_takes_nothing_from_the_next"
    ),
    "TrimsIds": "TestNearlyIds::test_what_is_nearly_the_id_of_a_message_does_not_exist",
    "BlocksPosts": "TestWaking::test_one_who_dawdles_or_fails_when_woken_holds_up_no_call",
    "HintsAlways": "TestWaking::test_a_burst_of_posts_has_few_hints_and_one_after_its_end",
    "HintsAtFirstOnly": "TestWaking::test_a_post_of_another_handle_is_followed_by_a_hint",
    "HintsNever": "TestWaking::test_a_post_of_another_handle_is_followed_by_a_hint",
    "HintsOnItself": "TestWaking::test_a_post_of_another_handle_is_followed_by_a_hint",
    "StopsNothing": "TestWaking::test_a_watch_that_was_stopped_is_not_woken",
}
"""Each fault, and the test that must catch it."""


@pytest.fixture(scope="module", params=["honest", *FAULTS])
def harness(request: pytest.FixtureRequest) -> Harness:
    return BrokenHarness(request.param)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run every test on the honest driver, and on each broken one the test that must catch it."""

    def wanted(item: pytest.Function) -> bool:
        fault = str(item.callspec.params["harness"])
        test = item.nodeid.partition("::")[2].partition("[")[0]
        return fault == "honest" or FAULTS[fault] == test

    functions = [item for item in items if isinstance(item, pytest.Function)]
    config.hook.pytest_deselected(items=[item for item in functions if not wanted(item)])
    items[:] = [item for item in functions if wanted(item)]
