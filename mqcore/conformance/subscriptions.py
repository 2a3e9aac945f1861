"""Subscriptions: one per subscriber and queue, with a life of their own."""

from collections.abc import Callable
from typing import Any

import pytest

from ..contract import (
    NewSubscription,
    QueueRef,
    Subscription,
    SubscriptionExists,
    SubscriptionNotFound,
    new_id,
)
from .queues import DOCUMENTS, as_json
from .suite import MISSING, Suite

__all__ = ["TestSubscriptionUpdates", "TestSubscriptions"]

UNKNOWN = ["malformed", "'; DROP TABLE subscriptions; --", MISSING]


class SubscriptionSuite(Suite):
    def subscribe(
        self,
        subscriber: str = "http://a.example/hook",
        *,
        queue: QueueRef | None = None,
        ttl: int = 600,
        options: dict[str, Any] | None = None,
    ) -> Subscription:
        new = NewSubscription(new_id(), subscriber, ttl, options or {})
        created = self.driver.subscriptions.create(queue or self.queue, new)
        assert created is not None
        assert created.id == new.id
        return created

    def get(self, subscription: Subscription) -> Subscription:
        """Read it through another handle."""
        return self.open().subscriptions.get(self.queue, subscription.id)


class TestSubscriptions(SubscriptionSuite):
    def test_a_queue_need_not_exist(self) -> None:
        """B-120."""
        missing = QueueRef(self.queue.project, "missing")
        created = self.subscribe(queue=missing)
        assert self.driver.subscriptions.get(missing, created.id) == created
        assert self.driver.queues.exists(missing) is False
        assert self.subscribe(queue=self.queue).id != created.id

    def test_a_subscriber_has_one_subscription_to_a_queue(self) -> None:
        """B-121."""
        created = self.subscribe("http://a.example")
        again = NewSubscription(new_id(), "http://a.example", 60, {"b": 2})
        assert self.open().subscriptions.create(self.queue, again) is None
        assert self.driver.subscriptions.list(self.queue).items == (created,)

    def test_the_same_subscriber_may_subscribe_to_two_queues(self) -> None:
        """B-122."""
        other = self.other_queue()
        here = self.subscribe("http://a.example")
        there = self.subscribe("http://a.example", queue=other)
        by_subscriber = self.driver.subscriptions.get_by_subscriber
        assert by_subscriber(self.queue, "http://a.example").id == here.id
        assert by_subscriber(other, "http://a.example").id == there.id

    def test_a_subscriber_is_found_by_its_exact_name(self) -> None:
        """B-122."""
        created = self.subscribe("http://a.example/Hook")
        for other in ("http://a.example/hook", "http://a.example/Hook ", created.id, "", "%"):
            with pytest.raises(SubscriptionNotFound):
                self.driver.subscriptions.get_by_subscriber(self.queue, other)

    def test_a_subscription_has_all_its_fields(self) -> None:
        """B-123, B-124."""
        start = self.clock()
        created = self.subscribe("mailto:a@b.example", ttl=77, options={"from": "me"})
        assert (created.source, created.subscriber) == (self.queue.name, "mailto:a@b.example")
        assert (created.ttl, created.options) == (77, {"from": "me"})
        assert (created.created_at, created.renewed_at) == (start, start)
        assert created.confirmed is False
        self.advance(5)
        assert self.get(created) == created

    @pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
    def test_options_come_back_as_they_were_given(self, document: dict[str, Any]) -> None:
        """B-123."""
        created = self.subscribe(options=document)
        assert as_json(self.get(created).options) == as_json(document)

    @pytest.mark.parametrize("subscriber", ["mailto:é@😀.example", "'; DROP--", "x:" + "y" * 3000])
    def test_a_subscriber_may_be_any_text(self, subscriber: str) -> None:
        """B-121, B-122."""
        created = self.subscribe(subscriber)
        assert self.driver.subscriptions.get_by_subscriber(self.queue, subscriber) == created
        self.subscribe(subscriber + "z")

    def test_confirmation_can_be_set_and_cleared(self) -> None:
        """B-125."""
        created = self.subscribe()
        self.driver.subscriptions.confirm(self.queue, created.id, True)
        assert self.get(created).confirmed is True
        self.driver.subscriptions.confirm(self.queue, created.id, False)
        assert self.get(created) == created

    @pytest.mark.parametrize("subscription_id", UNKNOWN)
    def test_an_unknown_subscription_is_not_found(self, subscription_id: str) -> None:
        """B-125, B-129, B-134, B-135."""
        created = self.subscribe()
        with pytest.raises(SubscriptionNotFound):
            self.driver.subscriptions.get(self.queue, subscription_id)
        with pytest.raises(SubscriptionNotFound):
            self.driver.subscriptions.update(self.queue, subscription_id, ttl=60)
        with pytest.raises(SubscriptionNotFound):
            self.driver.subscriptions.confirm(self.queue, subscription_id, True)
        assert self.driver.subscriptions.exists(self.queue, subscription_id) is False
        self.driver.subscriptions.delete(self.queue, subscription_id)
        assert self.driver.subscriptions.list(self.queue).items == (created,)

    def test_a_page_has_ten_and_the_next_continues_after_it(self) -> None:
        """B-126."""
        created = [self.subscribe(f"http://{n}.example") for n in range(15)]
        first = self.driver.subscriptions.list(self.queue)
        second = self.open().subscriptions.list(self.queue, marker=first.next)
        assert [*first.items, *second.items] == created
        assert len(first.items) == 10

    def test_the_page_after_the_last_is_empty(self) -> None:
        """B-127."""
        self.subscribe()
        page = self.driver.subscriptions.list(self.queue, limit=1)
        assert len(page.items) == 1
        page = self.driver.subscriptions.list(self.queue, marker=page.next, limit=1)
        assert page.items == ()
        assert page.next is None

    def test_a_queue_without_subscriptions_has_an_empty_page(self) -> None:
        """B-128."""
        for queue in (self.queue, QueueRef(self.queue.project, "missing")):
            page = self.driver.subscriptions.list(queue)
            assert page.items == ()
            assert page.next is None

    def test_the_marker_need_not_exist(self) -> None:
        """B-126."""
        first, second = self.subscribe("http://1.example"), self.subscribe("http://2.example")
        self.driver.subscriptions.delete(self.queue, first.id)
        page = self.driver.subscriptions.list(self.queue, marker=first.id)
        assert page.items == (second,)

    def test_a_deleted_subscription_is_gone(self) -> None:
        """B-134, B-135."""
        created = self.subscribe("http://a.example")
        assert self.driver.subscriptions.exists(self.queue, created.id) is True
        for _ in range(2):
            self.driver.subscriptions.delete(self.queue, created.id)
        assert self.driver.subscriptions.exists(self.queue, created.id) is False
        with pytest.raises(SubscriptionNotFound):
            self.get(created)
        self.subscribe("http://a.example")

    def test_an_expired_subscription_is_as_if_it_had_never_been(self) -> None:
        """B-135, B-136."""
        old = self.subscribe("http://a.example", ttl=60)
        self.advance(59)
        assert self.driver.subscriptions.exists(self.queue, old.id) is True
        self.advance(1)
        assert self.driver.subscriptions.exists(self.queue, old.id) is False
        assert self.driver.subscriptions.list(self.queue).items == ()
        with pytest.raises(SubscriptionNotFound):
            self.get(old)
        with pytest.raises(SubscriptionNotFound):
            self.driver.subscriptions.get_by_subscriber(self.queue, "http://a.example")
        with pytest.raises(SubscriptionNotFound):
            self.driver.subscriptions.update(self.queue, old.id, ttl=600)
        with pytest.raises(SubscriptionNotFound):
            self.driver.subscriptions.confirm(self.queue, old.id, True)
        self.driver.subscriptions.delete(self.queue, old.id)
        new = self.subscribe("http://a.example")
        assert self.driver.subscriptions.list(self.queue).items == (new,)

    def test_an_expired_subscription_does_not_block_the_next_of_its_subscriber(self) -> None:
        """B-136."""
        old = self.subscribe("http://a.example", ttl=60)
        self.advance(60)
        new = self.subscribe("http://a.example")
        assert new.id != old.id
        assert self.driver.subscriptions.list(self.queue).items == (new,)

    @pytest.mark.parametrize("first", ["get", "get_by_subscriber", "update", "confirm"])
    def test_an_expired_subscription_is_not_found_by_the_first_to_ask(self, first: str) -> None:
        """B-129, B-136."""
        created = self.subscribe("http://a.example", ttl=60)
        self.advance(60)
        subscriptions = self.driver.subscriptions
        asked: dict[str, Callable[[], object]] = {
            "get": lambda: subscriptions.get(self.queue, created.id),
            "get_by_subscriber": lambda: subscriptions.get_by_subscriber(
                self.queue, created.subscriber
            ),
            "update": lambda: subscriptions.update(self.queue, created.id, ttl=600),
            "confirm": lambda: subscriptions.confirm(self.queue, created.id, True),
        }
        with pytest.raises(SubscriptionNotFound):
            asked[first]()
        assert subscriptions.list(self.queue).items == ()

    def test_an_expired_subscription_is_not_listed_to_the_first_to_ask(self) -> None:
        """B-136."""
        self.subscribe("http://a.example", ttl=60)
        kept = self.subscribe("http://b.example", ttl=61)
        self.advance(60)
        assert self.driver.subscriptions.list(self.queue, limit=1).items == (kept,)

    def test_purge_removes_those_of_one_queue(self) -> None:
        other = self.other_queue()
        self.subscribe("http://a.example")
        self.subscribe("http://b.example")
        kept = self.subscribe("http://a.example", queue=other)
        self.driver.subscriptions.purge(self.queue)
        assert self.driver.subscriptions.list(self.queue).items == ()
        assert self.driver.subscriptions.list(other).items == (kept,)
        self.subscribe("http://a.example")


class TestSubscriptionUpdates(SubscriptionSuite):
    def test_only_what_is_given_changes(self) -> None:
        """B-131."""
        start = self.clock()
        created = self.subscribe("http://a.example", ttl=600, options={"a": 1})
        self.driver.subscriptions.confirm(self.queue, created.id, True)
        self.advance(10)
        update = self.driver.subscriptions.update
        update(self.queue, created.id, options={"b": 2})
        now = self.get(created)
        assert (now.subscriber, now.ttl, now.options) == ("http://a.example", 600, {"b": 2})
        update(self.queue, created.id, subscriber="http://b.example")
        now = self.get(created)
        assert (now.subscriber, now.ttl, now.options) == ("http://b.example", 600, {"b": 2})
        assert (now.created_at, now.renewed_at, now.confirmed) == (start, start, True)
        update(self.queue, created.id, ttl=60)
        now = self.get(created)
        assert (now.subscriber, now.ttl, now.options) == ("http://b.example", 60, {"b": 2})
        assert (now.created_at, now.renewed_at, now.confirmed) == (start, start + 10, True)

    def test_all_can_change_at_once(self) -> None:
        """B-131."""
        created = self.subscribe("http://a.example")
        self.driver.subscriptions.update(
            self.queue, created.id, subscriber="http://b.example", ttl=60, options={}
        )
        now = self.get(created)
        assert (now.subscriber, now.ttl, now.options) == ("http://b.example", 60, {})

    def test_a_new_ttl_starts_now(self) -> None:
        """B-131."""
        created = self.subscribe(ttl=60)
        self.advance(59)
        self.driver.subscriptions.update(self.queue, created.id, ttl=60)
        self.advance(59)
        assert self.driver.subscriptions.exists(self.queue, created.id) is True
        self.advance(1)
        assert self.driver.subscriptions.exists(self.queue, created.id) is False

    def test_a_subscriber_that_is_taken_is_refused(self) -> None:
        """B-132."""
        first, second = self.subscribe("http://1.example"), self.subscribe("http://2.example")
        with pytest.raises(SubscriptionExists):
            self.driver.subscriptions.update(
                self.queue, second.id, subscriber="http://1.example", ttl=1
            )
        assert self.driver.subscriptions.list(self.queue).items == (first, second)

    def test_a_fresh_subscriber_is_taken_and_the_old_one_is_free(self) -> None:
        """B-132."""
        created = self.subscribe("http://1.example")
        update = self.driver.subscriptions.update
        update(self.queue, created.id, subscriber="http://2.example")
        update(self.queue, created.id, subscriber="http://2.example")
        by_subscriber = self.driver.subscriptions.get_by_subscriber
        assert by_subscriber(self.queue, "http://2.example").id == created.id
        with pytest.raises(SubscriptionNotFound):
            by_subscriber(self.queue, "http://1.example")
        self.subscribe("http://1.example")

    def test_a_subscriber_of_another_queue_or_an_expired_one_is_not_in_the_way(self) -> None:
        """B-132, B-136."""
        self.subscribe("http://1.example", queue=self.other_queue())
        self.subscribe("http://2.example", ttl=60)
        created = self.subscribe("http://3.example")
        self.advance(60)
        for subscriber in ("http://1.example", "http://2.example"):
            self.driver.subscriptions.update(self.queue, created.id, subscriber=subscriber)
            assert self.get(created).subscriber == subscriber

    def test_an_update_of_nothing_is_a_mistake_of_the_caller(self) -> None:
        """B-133."""
        created = self.subscribe()
        with pytest.raises(ValueError, match=r"."):
            self.driver.subscriptions.update(self.queue, created.id)

    def test_the_list_keeps_its_order_through_updates(self) -> None:
        """B-126, B-131."""
        created = [self.subscribe(f"http://{n}.example") for n in range(3)]
        self.driver.subscriptions.update(self.queue, created[0].id, ttl=900, subscriber="http://z")
        listed = self.driver.subscriptions.list(self.queue).items
        assert [each.id for each in listed] == sorted(each.id for each in created)
