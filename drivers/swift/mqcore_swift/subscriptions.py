"""Subscriptions in Swift."""

from collections.abc import Callable
from typing import Any, TypeVar

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

from .commands import MISSING
from .store import Store
from .subscribers import Subscribers

__all__ = ["Subscriptions"]

T = TypeVar("T")


class Subscriptions(SubscriptionController):
    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, queue: QueueRef, subscription: NewSubscription) -> Subscription | None:
        new = (subscription.subscriber, subscription.ttl, dict(subscription.options))
        created: Subscription | None = self._store.write(queue, "subscribe", subscription.id, *new)
        return created

    def get(self, queue: QueueRef, subscription_id: str) -> Subscription:
        return self._one(queue, subscription_id, lambda some: some.find(subscription_id))

    def get_by_subscriber(self, queue: QueueRef, subscriber: str) -> Subscription:
        return self._one(queue, subscriber, lambda some: some.of(subscriber))

    def list(
        self, queue: QueueRef, *, marker: str | None = None, limit: int = 10
    ) -> Page[Subscription]:
        items = tuple(self._read(queue, lambda some: some.page(marker, limit)))
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
        changes: dict[str, Any] = {"subscriber": subscriber, "ttl": ttl, "options": options}
        changes = {name: value for name, value in changes.items() if value is not None}
        if not changes:
            raise ValueError("give at least one of subscriber, ttl and options")
        if self._change(queue, subscription_id, changes) == "exists":
            raise SubscriptionExists(str(subscriber), queue)

    def confirm(self, queue: QueueRef, subscription_id: str, confirmed: bool) -> None:
        self._change(queue, subscription_id, {"confirmed": confirmed})

    def delete(self, queue: QueueRef, subscription_id: str) -> None:
        self._store.write(queue, "unsubscribe", subscription_id)

    def purge(self, queue: QueueRef) -> None:
        self._store.write(queue, "purge_subscriptions")

    def _change(self, queue: QueueRef, subscription_id: str, changes: dict[str, Any]) -> Any:
        refusal = self._store.write(queue, "update_subscription", subscription_id, changes)
        if refusal == MISSING:
            raise SubscriptionNotFound(subscription_id, queue)
        return refusal

    def _one(
        self, queue: QueueRef, sought: str, look: Callable[[Subscribers], Subscription | None]
    ) -> Subscription:
        found = self._read(queue, look)
        if found is None:
            raise SubscriptionNotFound(sought, queue)
        return found

    def _read(self, queue: QueueRef, look: Callable[[Subscribers], T]) -> T:
        return self._store.read(
            queue.project, lambda project: look(project.of(queue.name)), queue.name
        )
