"""Queues, and subscriptions to their names.

All subscriptions to one name are one record, read and written as a whole: they are few.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, replace

import mqcore.contract as mq

from .box import ALL, DIGITS, Controller, digest, queue_key
from .store import Transaction

Found = dict[str, mq.Subscription]


class Queues(Controller, mq.QueueController):
    def create(self, queue: mq.QueueRef, metadata: mq.Metadata) -> bool:
        with self._box(queue, write=True) as box:
            if not box.exists:
                _put(box.tx, queue, box.tx.next_number(), metadata)
            return not box.exists

    def get(self, queue: mq.QueueRef) -> mq.Queue:
        with self._box(queue, must=True) as box:
            return _queue(queue.name, box.record)

    def set_metadata(
        self, queue: mq.QueueRef, metadata: mq.Metadata, *, if_version: str | None = None
    ) -> None:
        with self._box(queue, write=True, must=True) as box:
            if if_version not in (None, _queue(queue.name, box.record).version):
                raise mq.MetadataConflict(queue)
            _put(box.tx, queue, box.key, metadata)

    def delete(self, queue: mq.QueueRef) -> None:
        with self._box(queue, write=True) as box:
            box.tx.save(b"trash/" + box.key, [], box.now)
            box.tx.delete(queue_key(queue))
            box.tx.save(_key(queue), None)

    def list(
        self,
        project: str | None,
        *,
        marker: str | None = None,
        limit: int = 10,
        detailed: bool = False,
        where: mq.QueueFilter | None = None,
    ) -> mq.Page[mq.Queue]:
        items: list[mq.Queue] = []
        # LMDB refuses keys of more than 511 bytes, and no name is as long as the rest of a marker.
        after = (marker or "").encode()[:400]
        with self._store.begin() as tx:
            for name, record in tx.scan(b"queue/" + digest(project), after):
                found = _queue(name.decode(), record[DIGITS:])
                if where is None or where.matches(found.name, found.metadata or {}):
                    items.append(found if detailed else mq.Queue(found.name, None))
                if len(items) == limit:
                    break
        return mq.Page(tuple(items), items[-1].name if items else None)

    def count(self, project: str | None) -> int:
        with self._store.begin() as tx:
            return sum(1 for _ in tx.scan(b"queue/" + digest(project)))

    def stats(self, queue: mq.QueueRef) -> mq.QueueStats:
        with self._box(queue, must=True) as box:
            ends = (next(box.rows(ALL, step=step), None) for step in (1, -1))
            marks = (row and mq.Mark(row.id, row.posted_at) for row in ends)
            return mq.QueueStats(*box.counts(), *marks)


def _put(tx: Transaction, queue: mq.QueueRef, number: bytes, metadata: mq.Metadata) -> None:
    text = json.dumps(dict(metadata)).encode()
    tx.put(queue_key(queue), number + tx.next_number() + text)


def _queue(name: str, record: bytes) -> mq.Queue:
    return mq.Queue(name, json.loads(record[DIGITS:]), record[:DIGITS].decode())


def _key(queue: mq.QueueRef) -> bytes:
    return b"subscriptions/" + digest(queue.project, queue.name)


def _end(subscription: mq.Subscription) -> float:
    return subscription.renewed_at + subscription.ttl


@contextmanager
def opened(tx: Transaction, key: bytes, *, write: bool) -> Iterator[Found]:
    """The subscriptions that are not over, by id. With `write`, what they are then is stored."""
    stored = (mq.Subscription(*each) for each in tx.load(key, over=True) or ())
    found = {each.id: each for each in stored if _end(each) > tx.now}
    yield found
    if write:
        first_end = min(map(_end, found.values()), default=0)
        tx.save(key, [astuple(each) for each in found.values()] or None, first_end)


def tidy(tx: Transaction, key: bytes) -> int:
    """Drop the subscriptions that are over; return how many."""
    before = len(tx.load(key, over=True))
    with opened(tx, key, write=True) as found:
        return before - len(found)


def _one(found: Found, queue: mq.QueueRef, subscription_id: str) -> mq.Subscription:
    if subscription_id not in found:
        raise mq.SubscriptionNotFound(subscription_id, queue)
    return found[subscription_id]


def _of(found: Found, subscriber: str) -> mq.Subscription | None:
    return next((each for each in found.values() if each.subscriber == subscriber), None)


class Subscriptions(Controller, mq.SubscriptionController):
    @contextmanager
    def _found(self, queue: mq.QueueRef, *, write: bool = False) -> Iterator[tuple[Found, float]]:
        with self._store.begin(write=write) as tx, opened(tx, _key(queue), write=write) as found:
            yield found, tx.now

    def create(
        self, queue: mq.QueueRef, subscription: mq.NewSubscription
    ) -> mq.Subscription | None:
        new, options = subscription, dict(subscription.options)
        with self._found(queue, write=True) as (found, now):
            if holder := _of(found, new.subscriber):
                return holder if holder.id == new.id else None
            made = mq.Subscription(new.id, queue.name, new.subscriber, new.ttl, options, now, now)
            return found.setdefault(made.id, made)

    def get(self, queue: mq.QueueRef, subscription_id: str) -> mq.Subscription:
        with self._found(queue) as (found, _):
            return _one(found, queue, subscription_id)

    def get_by_subscriber(self, queue: mq.QueueRef, subscriber: str) -> mq.Subscription:
        with self._found(queue) as (found, _):
            if holder := _of(found, subscriber):
                return holder
            raise mq.SubscriptionNotFound(subscriber, queue)

    def list(
        self, queue: mq.QueueRef, *, marker: str | None = None, limit: int = 10
    ) -> mq.Page[mq.Subscription]:
        with self._found(queue) as (found, _):
            ids = sorted(each for each in found if marker is None or each > marker)[:limit]
            return mq.Page(tuple(found[each] for each in ids), ids[-1] if ids else None)

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
        with self._found(queue, write=True) as (found, now):
            new = _one(found, queue, subscription_id)
            if subscriber is not None:
                holder = _of(found, subscriber)
                if holder and holder.id != new.id:
                    raise mq.SubscriptionExists(subscriber, queue)
                new = replace(new, subscriber=subscriber)
            if ttl is not None:
                new = replace(new, ttl=ttl, renewed_at=now)
            if options is not None:
                new = replace(new, options=dict(options))
            found[new.id] = new

    def confirm(self, queue: mq.QueueRef, subscription_id: str, confirmed: bool) -> None:
        with self._found(queue, write=True) as (found, _):
            old = _one(found, queue, subscription_id)
            found[old.id] = replace(old, confirmed=confirmed)

    def delete(self, queue: mq.QueueRef, subscription_id: str) -> None:
        with self._found(queue, write=True) as (found, _):
            found.pop(subscription_id, None)

    def purge(self, queue: mq.QueueRef) -> None:
        with self._found(queue, write=True) as (found, _):
            found.clear()
