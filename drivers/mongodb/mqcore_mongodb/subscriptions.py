"""Subscriptions in MongoDB."""

import json

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

from .errors import Duplicate
from .store import Document, Store
from .values import to_json

__all__ = ["Subscriptions", "drop_subscriptions"]


class Subscriptions(SubscriptionController):
    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, queue: QueueRef, subscription: NewSubscription) -> Subscription | None:
        return self._store.call(lambda: self._create(queue, subscription))

    def get(self, queue: QueueRef, subscription_id: str) -> Subscription:
        return self._get(queue, {"id": subscription_id}, subscription_id)

    def get_by_subscriber(self, queue: QueueRef, subscriber: str) -> Subscription:
        return self._get(queue, {"subscriber": subscriber}, subscriber)

    def list(
        self, queue: QueueRef, *, marker: str | None = None, limit: int = 10
    ) -> Page[Subscription]:
        wanted = self._live(queue, {"id": {"$gt": marker or ""}})
        found = self._store.call(
            lambda: list(self._store.fast["subscriptions"].find(wanted).sort("id", 1).limit(limit))
        )
        items = tuple(_to_subscription(each) for each in found)
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
        change: Document = {}
        if subscriber is not None:
            change["subscriber"] = subscriber
        if ttl is not None:
            change |= {"ttl": ttl, "renewed": at.now, "ends": at.end(ttl)}
        if options is not None:
            change["options"] = to_json(options)
        self._store.call(lambda: self._change(queue, subscription_id, change))

    def confirm(self, queue: QueueRef, subscription_id: str, confirmed: bool) -> None:
        change = {"confirmed": confirmed}
        self._store.call(lambda: self._change(queue, subscription_id, change))

    def delete(self, queue: QueueRef, subscription_id: str) -> None:
        here = {**_place(queue), "id": subscription_id}
        self._store.call(lambda: self._store.safe["subscriptions"].delete_one(here))

    def purge(self, queue: QueueRef) -> None:
        self._store.call(lambda: drop_subscriptions(self._store, queue))

    def _live(self, queue: QueueRef, wanted: Document) -> Document:
        return {**_place(queue), **wanted, "ends": {"$gt": self._store.moment().second}}

    def _get(self, queue: QueueRef, wanted: Document, said: str) -> Subscription:
        found = self._store.call(
            lambda: self._store.fast["subscriptions"].find_one(self._live(queue, wanted))
        )
        if found is None:
            raise SubscriptionNotFound(said, queue)
        return _to_subscription(found)

    def _change(self, queue: QueueRef, subscription_id: str, change: Document) -> None:
        subscriptions = self._store.safe["subscriptions"]
        here = self._live(queue, {"id": subscription_id})
        for _ in range(2):
            try:
                if subscriptions.update_one(here, {"$set": change}).matched_count:
                    return
                break
            except Duplicate:
                self._drop_ended(queue, {"subscriber": change["subscriber"]})
        else:
            raise SubscriptionExists(change["subscriber"], queue)
        raise SubscriptionNotFound(subscription_id, queue)

    def _create(self, queue: QueueRef, new: NewSubscription) -> Subscription | None:
        at = self._store.moment()
        document = {
            **_place(queue),
            "id": new.id,
            "subscriber": new.subscriber,
            "ttl": new.ttl,
            "options": to_json(new.options),
            "created": at.now,
            "renewed": at.now,
            "ends": at.end(new.ttl),
            "confirmed": False,
        }
        subscriptions = self._store.safe["subscriptions"]
        while True:
            try:
                subscriptions.insert_one(dict(document))
            except Duplicate:
                either = {"$or": [{"subscriber": new.subscriber}, {"id": new.id}]}
                found = subscriptions.find_one(self._live(queue, either))
                if found is not None:
                    return _to_subscription(found) if found["id"] == new.id else None
                self._drop_ended(queue, either)
            else:
                return _to_subscription(document)

    def _drop_ended(self, queue: QueueRef, which: Document) -> None:
        over = {"ends": {"$lte": self._store.moment().second}}
        self._store.safe["subscriptions"].delete_many({**_place(queue), **which, **over})


def drop_subscriptions(store: Store, queue: QueueRef) -> None:
    store.safe["subscriptions"].delete_many(_place(queue))


def _place(queue: QueueRef) -> Document:
    return {"p": queue.project, "n": queue.name}


def _to_subscription(found: Document) -> Subscription:
    return Subscription(
        found["id"],
        found["n"],
        found["subscriber"],
        found["ttl"],
        json.loads(found["options"]),
        found["created"],
        found["renewed"],
        found["confirmed"],
    )
