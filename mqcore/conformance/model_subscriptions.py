"""The subscriptions of the model: a list, of which every call first drops what is over."""

from collections.abc import Callable
from dataclasses import dataclass, replace

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

__all__ = ["Subscriptions"]


@dataclass(eq=False)
class _Entry:
    queue: QueueRef
    subscription: Subscription


class Subscriptions(SubscriptionController):
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._all: list[_Entry] = []

    def _of(self, queue: QueueRef) -> list[_Entry]:
        """The queue's subscriptions that are not over, by id."""
        now = self._clock()
        self._all = [
            entry
            for entry in self._all
            if now < entry.subscription.renewed_at + entry.subscription.ttl
        ]
        found = [entry for entry in self._all if entry.queue == queue]
        return sorted(found, key=lambda entry: entry.subscription.id)

    def _find(self, queue: QueueRef, subscription_id: str) -> _Entry:
        for entry in self._of(queue):
            if entry.subscription.id == subscription_id:
                return entry
        raise SubscriptionNotFound(subscription_id, queue)

    def create(self, queue: QueueRef, subscription: NewSubscription) -> Subscription | None:
        for entry in self._of(queue):
            if entry.subscription.subscriber == subscription.subscriber:
                same = entry.subscription.id == subscription.id
                return entry.subscription if same else None
        now = self._clock()
        created = Subscription(
            subscription.id,
            queue.name,
            subscription.subscriber,
            subscription.ttl,
            subscription.options,
            created_at=now,
            renewed_at=now,
        )
        self._all.append(_Entry(queue, created))
        return created

    def get(self, queue: QueueRef, subscription_id: str) -> Subscription:
        return self._find(queue, subscription_id).subscription

    def get_by_subscriber(self, queue: QueueRef, subscriber: str) -> Subscription:
        for entry in self._of(queue):
            if entry.subscription.subscriber == subscriber:
                return entry.subscription
        raise SubscriptionNotFound(subscriber, queue)

    def exists(self, queue: QueueRef, subscription_id: str) -> bool:
        return any(entry.subscription.id == subscription_id for entry in self._of(queue))

    def list(
        self, queue: QueueRef, *, marker: str | None = None, limit: int = 10
    ) -> Page[Subscription]:
        found = [entry.subscription for entry in self._of(queue)]
        items = tuple(each for each in found if marker is None or each.id > marker)[:limit]
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
            raise ValueError("nothing is given")
        entry = self._find(queue, subscription_id)
        changed = entry.subscription
        if subscriber is not None:
            for other in self._of(queue):
                if other is not entry and other.subscription.subscriber == subscriber:
                    raise SubscriptionExists(subscriber, queue)
            changed = replace(changed, subscriber=subscriber)
        if ttl is not None:
            changed = replace(changed, ttl=ttl, renewed_at=self._clock())
        if options is not None:
            changed = replace(changed, options=options)
        entry.subscription = changed

    def confirm(self, queue: QueueRef, subscription_id: str, confirmed: bool) -> None:
        entry = self._find(queue, subscription_id)
        entry.subscription = replace(entry.subscription, confirmed=confirmed)

    def delete(self, queue: QueueRef, subscription_id: str) -> None:
        self._all = [
            entry
            for entry in self._all
            if not (entry.queue == queue and entry.subscription.id == subscription_id)
        ]

    def purge(self, queue: QueueRef) -> None:
        self._all = [entry for entry in self._all if entry.queue != queue]
