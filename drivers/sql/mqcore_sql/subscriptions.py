"""Subscriptions in SQL."""

import json
from hashlib import sha256
from typing import Any

from sqlalchemy import BigInteger, bindparam, insert, select

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

from .dialect import by_index
from .named import names, storable
from .schema import subscriptions
from .session import Reading, Session, Work
from .statements import Statement
from .store import Store

__all__ = ["Subscriptions"]

_of_queue = (
    subscriptions.c.project == bindparam("in_project"),
    subscriptions.c.queue == bindparam("named"),
)
_with_id = subscriptions.c.id == bindparam("i")
_of_subscriber = subscriptions.c.subscriber_key == bindparam("key")
_live = subscriptions.c.expires_at > bindparam("now")

_GET = Reading(select(subscriptions).where(*_of_queue, _with_id, _live))
_BY_SUBSCRIBER = Statement(
    by_index(
        "subscriptions_by_subscriber",
        select(subscriptions).where(*_of_queue, _of_subscriber, _live),
    )
)
_DROP_EXPIRED = Statement(
    by_index(
        "subscriptions_by_subscriber",
        subscriptions.delete().where(
            *_of_queue, _of_subscriber, subscriptions.c.expires_at <= bindparam("now")
        ),
    )
)
_DROP_EXPIRED_ID = Statement(
    subscriptions.delete().where(
        *_of_queue, _with_id, subscriptions.c.expires_at <= bindparam("now")
    )
)
_INSERT = Statement(insert(subscriptions))
_LIST = Statement(
    select(subscriptions)
    .where(*_of_queue, subscriptions.c.id > bindparam("i"), _live)
    .order_by(subscriptions.c.id)
    .limit(bindparam("limit", type_=BigInteger))
)
_UPDATE = Statement(
    subscriptions.update()
    .where(*_of_queue, _with_id)
    .values(
        subscriber=bindparam("who"),
        subscriber_key=bindparam("key"),
        ttl=bindparam("new_ttl"),
        options=bindparam("new_options"),
        renewed_at=bindparam("renewed"),
        expires_at=bindparam("end"),
    )
)
_CONFIRM = Statement(
    subscriptions.update().where(*_of_queue, _with_id, _live).values(confirmed=bindparam("yes"))
)
_DELETE = Statement(subscriptions.delete().where(*_of_queue, _with_id))
_PURGE = Statement(subscriptions.delete().where(*_of_queue))


class Subscriptions(SubscriptionController):
    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, queue: QueueRef, subscription: NewSubscription) -> Subscription | None:
        return self._store.write(lambda work: _create(work, queue, subscription))

    def get(self, queue: QueueRef, subscription_id: str) -> Subscription:
        with self._store.reading() as session:
            return _to_subscription(session, _get(session, queue, subscription_id))

    def get_by_subscriber(self, queue: QueueRef, subscriber: str) -> Subscription:
        with self._store.reading() as session:
            found = _by_subscriber(session, queue, subscriber)
            if found is None:
                raise SubscriptionNotFound(subscriber, queue)
            return _to_subscription(session, found)

    def exists(self, queue: QueueRef, subscription_id: str) -> bool:
        try:
            self.get(queue, subscription_id)
        except SubscriptionNotFound:
            return False
        return True

    def list(
        self, queue: QueueRef, *, marker: str | None = None, limit: int = 10
    ) -> Page[Subscription]:
        with self._store.reading() as session:
            if not _storable(session, queue, marker or ""):
                return Page((), None)
            wanted = {
                **names(queue),
                "i": marker or "",
                "now": session.second,
                "limit": min(limit, 2**31),
            }
            found = session.db.all(_LIST, wanted)
        items = tuple(_to_subscription(session, row) for row in found)
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
        text = None if options is None else _to_json(options)
        self._store.write(
            lambda work: _update(
                work, queue, subscription_id, subscriber=subscriber, ttl=ttl, options=text
            )
        )

    def confirm(self, queue: QueueRef, subscription_id: str, confirmed: bool) -> None:
        def job(work: Work) -> None:
            found = _get(work, queue, subscription_id)
            change = {**names(queue), "i": found.id, "now": work.second, "yes": confirmed}
            work.db.run(_CONFIRM, change)

        self._store.write(job)

    def delete(self, queue: QueueRef, subscription_id: str) -> None:
        def job(work: Work) -> None:
            if _storable(work, queue, subscription_id):
                work.db.run(_DELETE, {**names(queue), "i": subscription_id})

        self._store.write(job)

    def purge(self, queue: QueueRef) -> None:
        def job(work: Work) -> None:
            if storable(work.db, queue):
                work.db.run(_PURGE, names(queue))

        self._store.write(job)


def _key(subscriber: str) -> str:
    return sha256(subscriber.encode()).hexdigest()


def _to_json(options: Metadata) -> str:
    return json.dumps(dict(options), separators=(",", ":"))


def _to_subscription(session: Session, row: Any) -> Subscription:
    return Subscription(
        row.id,
        row.queue,
        session.db.unpacked(row.subscriber),
        row.ttl,
        json.loads(row.options),
        row.created_at,
        row.renewed_at,
        row.confirmed is None or bool(row.confirmed),
    )


def _storable(session: Session, queue: QueueRef, text: str) -> bool:
    return storable(session.db, queue) and session.db.storable(text)


def _get(session: Session, queue: QueueRef, subscription_id: str) -> Any:
    if _storable(session, queue, subscription_id):
        wanted = {**names(queue), "i": subscription_id, "now": session.second}
        found = session.db.first(_GET.within(session), wanted)
        if found is not None:
            return found
    raise SubscriptionNotFound(subscription_id, queue)


def _by_subscriber(session: Session, queue: QueueRef, subscriber: str) -> Any | None:
    if not _storable(session, queue, session.db.packed(subscriber)):
        return None
    wanted = {**names(queue), "key": _key(subscriber), "now": session.second}
    return session.db.first(_BY_SUBSCRIBER, wanted)


def _create(work: Work, queue: QueueRef, new: NewSubscription) -> Subscription | None:
    found = _by_subscriber(work, queue, new.subscriber)
    if found is not None:
        return _to_subscription(work, found) if found.id == new.id else None
    _drop_expired(work, queue, new.subscriber)
    work.db.run(_DROP_EXPIRED_ID, {**names(queue), "i": new.id, "now": work.second})
    values = {
        "project": queue.project or "",
        "queue": queue.name,
        "id": new.id,
        "subscriber": work.db.packed(new.subscriber),
        "subscriber_key": _key(new.subscriber),
        "ttl": new.ttl,
        "options": _to_json(new.options),
        "created_at": work.now,
        "renewed_at": work.now,
        "expires_at": work.end(new.ttl),
        "confirmed": False,
    }
    work.db.run(_INSERT, values)
    return _to_subscription(work, _get(work, queue, new.id))


def _drop_expired(work: Work, queue: QueueRef, subscriber: str) -> None:
    expired = {**names(queue), "key": _key(subscriber), "now": work.second}
    work.db.run(_DROP_EXPIRED, expired)


def _update(
    work: Work,
    queue: QueueRef,
    subscription_id: str,
    *,
    subscriber: str | None,
    ttl: int | None,
    options: str | None,
) -> None:
    old = _get(work, queue, subscription_id)
    before = work.db.unpacked(old.subscriber)
    if subscriber is not None and subscriber != before:
        if _by_subscriber(work, queue, subscriber) is not None:
            raise SubscriptionExists(subscriber, queue)
        _drop_expired(work, queue, subscriber)
    who = before if subscriber is None else subscriber
    change = {
        **names(queue),
        "i": old.id,
        "who": work.db.packed(who),
        "key": _key(who),
        "new_ttl": old.ttl if ttl is None else ttl,
        "new_options": old.options if options is None else options,
        "renewed": old.renewed_at if ttl is None else work.now,
        "end": old.expires_at if ttl is None else work.end(ttl),
    }
    work.db.run(_UPDATE, change)
