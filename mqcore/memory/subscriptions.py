"""Subscriptions in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

from sortedcontainers import SortedDict

from ..contract import (
    Metadata,
    NewSubscription,
    Page,
    QueueRef,
    Subscription,
    SubscriptionController,
    SubscriptionExists,
    SubscriptionNotFound,
)
from .store import Controller, Store

__all__ = ["Subscriptions"]


class Subscriptions(Controller, SubscriptionController):
    @contextmanager
    def _settled(self) -> Iterator[tuple[Store, float]]:
        with self._store() as (store, now):
            self.settle(store, now)
            yield store, now

    def settle(self, store: Store, now: float) -> int:
        gone = 0
        while store.endings and store.endings[0][0] <= now:
            _, _, _, queue, subscription_id = store.endings[0]
            self._remove(store, queue, store.subscriptions[queue][subscription_id])
            gone += 1
        return gone

    def _ending(self, queue: QueueRef, subscription: Subscription) -> tuple[Any, ...]:
        end = subscription.renewed_at + subscription.ttl
        return (end, queue.project or "", queue.name, queue, subscription.id)

    def _remove(self, store: Store, queue: QueueRef, subscription: Subscription) -> None:
        del store.subscriptions[queue][subscription.id]
        if not store.subscriptions[queue]:
            del store.subscriptions[queue]
        del store.subscribers[queue, subscription.subscriber]
        store.endings.remove(self._ending(queue, subscription))

    def _add(self, store: Store, queue: QueueRef, subscription: Subscription) -> None:
        store.subscriptions.setdefault(queue, SortedDict())[subscription.id] = subscription
        store.subscribers[queue, subscription.subscriber] = subscription.id
        store.endings.add(self._ending(queue, subscription))

    def create(self, queue: QueueRef, subscription: NewSubscription) -> Subscription | None:
        with self._settled() as (store, now):
            holder = store.subscribers.get((queue, subscription.subscriber))
            if holder is not None:
                mine = holder == subscription.id
                return self.get(queue, holder) if mine else None
            created = Subscription(
                subscription.id,
                queue.name,
                subscription.subscriber,
                subscription.ttl,
                dict(subscription.options),
                created_at=now,
                renewed_at=now,
            )
            self._add(store, queue, created)
            return created

    def get(self, queue: QueueRef, subscription_id: str) -> Subscription:
        with self._settled() as (store, _):
            found: Subscription | None = store.subscriptions.get(queue, {}).get(subscription_id)
            if found is None:
                raise SubscriptionNotFound(subscription_id, queue)
            return found

    def get_by_subscriber(self, queue: QueueRef, subscriber: str) -> Subscription:
        with self._settled() as (store, _):
            if (queue, subscriber) not in store.subscribers:
                raise SubscriptionNotFound(subscriber, queue)
            return self.get(queue, store.subscribers[queue, subscriber])

    def exists(self, queue: QueueRef, subscription_id: str) -> bool:
        with self._settled() as (store, _):
            return subscription_id in store.subscriptions.get(queue, {})

    def list(
        self, queue: QueueRef, *, marker: str | None = None, limit: int = 10
    ) -> Page[Subscription]:
        with self._settled() as (store, _):
            found = store.subscriptions.get(queue, SortedDict())
            ids = islice(found.irange(marker, None, (False, False)), limit)
            items = tuple(found[subscription_id] for subscription_id in ids)
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
        with self._settled() as (store, now):
            old = new = self.get(queue, subscription_id)
            if subscriber is not None:
                holder = store.subscribers.get((queue, subscriber), subscription_id)
                if holder != subscription_id:
                    raise SubscriptionExists(subscriber, queue)
                new = replace(new, subscriber=subscriber)
            if ttl is not None:
                new = replace(new, ttl=ttl, renewed_at=now)
            if options is not None:
                new = replace(new, options=dict(options))
            self._remove(store, queue, old)
            self._add(store, queue, new)

    def confirm(self, queue: QueueRef, subscription_id: str, confirmed: bool) -> None:
        with self._settled() as (store, _):
            found = self.get(queue, subscription_id)
            store.subscriptions[queue][subscription_id] = replace(found, confirmed=confirmed)

    def delete(self, queue: QueueRef, subscription_id: str) -> None:
        with self._settled() as (store, _):
            found = store.subscriptions.get(queue, {}).get(subscription_id)
            if found is not None:
                self._remove(store, queue, found)

    def purge(self, queue: QueueRef) -> None:
        with self._settled() as (store, _):
            for subscription in list(store.subscriptions.get(queue, {}).values()):
                self._remove(store, queue, subscription)
