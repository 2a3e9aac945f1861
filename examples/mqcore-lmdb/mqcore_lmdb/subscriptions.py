"""Subscriptions. They are kept by the name of their queue, which need not exist."""

from dataclasses import replace

import mqcore.contract as mq

from .box import digest, ordered
from .store import Store, Transaction


def _where(queue: mq.QueueRef) -> bytes:
    return digest(queue.project, queue.name)


def _key(queue: mq.QueueRef, subscription_id: str) -> bytes:
    return _where(queue) + ordered(subscription_id)


def _find(tx: Transaction, queue: mq.QueueRef, subscription_id: str) -> mq.Subscription:
    found = tx.load(mq.Subscription, _key(queue, subscription_id))
    if found is None:
        raise mq.SubscriptionNotFound(subscription_id, queue)
    return found


def _holder(tx: Transaction, queue: mq.QueueRef, subscriber: str) -> mq.Subscription | None:
    """The queue's subscription of this subscriber."""
    key = tx.get("subscribers", _where(queue) + digest(subscriber))
    return tx.load(mq.Subscription, key) if key else None


def _put(tx: Transaction, queue: mq.QueueRef, new: mq.Subscription) -> None:
    """Store it in place of what was there under its id."""
    key = _key(queue, new.id)
    remove(tx, key)
    tx.save(key, new, new.renewed_at + new.ttl)
    tx.put("subscribers", _where(queue) + digest(new.subscriber), key)


def remove(tx: Transaction, key: bytes) -> None:
    old = tx.load(mq.Subscription, key, over=True)
    if old:
        tx.drop(mq.Subscription, key)
        # When the old one was over, its subscriber may have another one by now.
        subscriber = key[:16] + digest(old.subscriber)
        if tx.get("subscribers", subscriber) == key:
            tx.delete("subscribers", subscriber)


def purge(tx: Transaction, queue: mq.QueueRef) -> None:
    for key, _ in list(tx.scan("Subscription", _where(queue))):
        remove(tx, key)


class Subscriptions(mq.SubscriptionController):
    def __init__(self, store: Store) -> None:
        self._store = store

    def create(
        self, queue: mq.QueueRef, subscription: mq.NewSubscription
    ) -> mq.Subscription | None:
        with self._store.begin(write=True) as tx:
            new = subscription
            if holder := _holder(tx, queue, new.subscriber):
                return holder if holder.id == new.id else None
            created = mq.Subscription(
                new.id, queue.name, new.subscriber, new.ttl, dict(new.options), tx.now, tx.now
            )
            _put(tx, queue, created)
            return created

    def get(self, queue: mq.QueueRef, subscription_id: str) -> mq.Subscription:
        with self._store.begin() as tx:
            return _find(tx, queue, subscription_id)

    def get_by_subscriber(self, queue: mq.QueueRef, subscriber: str) -> mq.Subscription:
        with self._store.begin() as tx:
            if holder := _holder(tx, queue, subscriber):
                return holder
            raise mq.SubscriptionNotFound(subscriber, queue)

    def exists(self, queue: mq.QueueRef, subscription_id: str) -> bool:
        with self._store.begin() as tx:
            return tx.load(mq.Subscription, _key(queue, subscription_id)) is not None

    def list(
        self, queue: mq.QueueRef, *, marker: str | None = None, limit: int = 10
    ) -> mq.Page[mq.Subscription]:
        items: list[mq.Subscription] = []
        with self._store.begin() as tx:
            for key, _ in tx.scan("Subscription", _where(queue), ordered(marker or "")):
                if found := tx.load(mq.Subscription, key):
                    items.append(found)
                if len(items) == limit:
                    break
        return mq.Page(tuple(items), items[-1].id if items else None)

    def update(
        self,
        queue: mq.QueueRef,
        subscription_id: str,
        *,
        subscriber: str | None = None,
        ttl: int | None = None,
        options: mq.Metadata | None = None,
    ) -> None:
        if subscriber is None and ttl is None and options is None:
            raise ValueError("give at least one of subscriber, ttl and options")
        with self._store.begin(write=True) as tx:
            new = _find(tx, queue, subscription_id)
            if subscriber is not None:
                holder = _holder(tx, queue, subscriber)
                if holder and holder.id != subscription_id:
                    raise mq.SubscriptionExists(subscriber, queue)
                new = replace(new, subscriber=subscriber)
            if ttl is not None:
                new = replace(new, ttl=ttl, renewed_at=tx.now)
            if options is not None:
                new = replace(new, options=dict(options))
            _put(tx, queue, new)

    def confirm(self, queue: mq.QueueRef, subscription_id: str, confirmed: bool) -> None:
        with self._store.begin(write=True) as tx:
            found = _find(tx, queue, subscription_id)
            _put(tx, queue, replace(found, confirmed=confirmed))

    def delete(self, queue: mq.QueueRef, subscription_id: str) -> None:
        with self._store.begin(write=True) as tx:
            remove(tx, _key(queue, subscription_id))

    def purge(self, queue: mq.QueueRef) -> None:
        with self._store.begin(write=True) as tx:
            purge(tx, queue)
