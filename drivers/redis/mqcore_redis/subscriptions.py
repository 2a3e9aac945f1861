"""Subscriptions in Redis."""

import json
from collections.abc import Sequence
from typing import Any

from mqcore.contract import (
    Metadata,
    NewSubscription,
    Page,
    QueueRef,
    Subscription,
    SubscriptionController,
    SubscriptionExists,
    SubscriptionNotFound,
)

from .scripts import script
from .store import Store
from .values import to_json, to_text

__all__ = ["Subscriptions"]

_CREATE = script("subscriptions", "kinds", "subscribe")
_GET = script("subscriptions", "get_subscription")
_LIST = script("subscriptions", "list_subscriptions")
_UPDATE = script("subscriptions", "update_subscription")
_CONFIRM = script("subscriptions", "confirm_subscription")
_DELETE = script("subscriptions", "delete_subscription")
_PURGE = script("subscriptions", "delete_subscriptions")


class Subscriptions(SubscriptionController):
    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, queue: QueueRef, subscription: NewSubscription) -> Subscription | None:
        at = self._store.moment()
        new = subscription
        record = (new.id, new.subscriber, new.ttl, to_json(new.options), str(at), str(at), 0)
        end = at.end(new.ttl)
        found = self._store.on_subscriptions(_CREATE, queue, end, *record, at=at)
        made = _to_subscription(queue, found)
        return made if made.id == new.id else None

    def get(self, queue: QueueRef, subscription_id: str) -> Subscription:
        return self._get(queue, to_text(subscription_id), b"", subscription_id)

    def get_by_subscriber(self, queue: QueueRef, subscriber: str) -> Subscription:
        return self._get(queue, b"", subscriber.encode(), subscriber)

    def list(
        self, queue: QueueRef, *, marker: str | None = None, limit: int = 10
    ) -> Page[Subscription]:
        after = f"({marker}" if marker else "-"
        found = self._store.on_subscriptions(_LIST, queue, after, limit)
        items = tuple(_to_subscription(queue, record) for record in found)
        return Page(items, items[-1].id if items else None)

    def update(
        self,
        queue: QueueRef,
        subscription_id: str,
        *,
        subscriber: str | None = None,
        ttl: int | None = None,
        options: Metadata | None = None,
    ) -> None:
        if subscriber is None and ttl is None and options is None:
            raise ValueError("give at least one of subscriber, ttl and options")
        at = self._store.moment()
        answer = self._store.on_subscriptions(
            *(_UPDATE, queue, subscription_id, to_text(subscriber)),
            *(("", "") if ttl is None else (ttl, at.end(ttl))),
            "" if options is None else to_json(options),
            str(at),
            at=at,
        )
        if answer == 0:
            raise SubscriptionNotFound(subscription_id, queue)
        if answer < 0:
            raise SubscriptionExists(subscriber or "", queue)

    def confirm(self, queue: QueueRef, subscription_id: str, confirmed: bool) -> None:
        if not self._store.on_subscriptions(_CONFIRM, queue, subscription_id, int(confirmed)):
            raise SubscriptionNotFound(subscription_id, queue)

    def delete(self, queue: QueueRef, subscription_id: str) -> None:
        self._store.on_subscriptions(_DELETE, queue, subscription_id)

    def purge(self, queue: QueueRef) -> None:
        self._store.on_subscriptions(_PURGE, queue)

    def _get(self, queue: QueueRef, by_id: bytes, by_subscriber: bytes, said: str) -> Subscription:
        found = self._store.on_subscriptions(_GET, queue, by_id, by_subscriber)
        if found is None:
            raise SubscriptionNotFound(said, queue)
        return _to_subscription(queue, found)


def _to_subscription(queue: QueueRef, record: Sequence[Any]) -> Subscription:
    subscription_id, subscriber, ttl, options, created_at, renewed_at, confirmed = record
    return Subscription(
        subscription_id.decode(),
        queue.name,
        subscriber.decode(),
        int(ttl),
        json.loads(options),
        float(created_at),
        float(renewed_at),
        confirmed == b"1",
    )
