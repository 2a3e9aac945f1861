"""More faults: those that tests of cost, of hostile data and of random calls must catch, too."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import count, islice
from typing import Any

from mqcore import memory
from mqcore.conformance import Clock
from mqcore.contract import (
    Capability,
    Claim,
    ClaimRequest,
    Handle,
    Limits,
    Message,
    Metadata,
    MQError,
    NewMessage,
    NewSubscription,
    Page,
    QueueRef,
    QueueStats,
    Subscription,
    new_id,
)

__all__ = [
    "CheckThenAct",
    "ClaimScans",
    "DoubleClaim",
    "FilterAfterLimit",
    "FoldsSubscribers",
    "LimitIgnored",
    "NoOrder",
    "NotDurable",
    "NumbersAreFloats",
    "PostDoubles",
    "PurgeWalks",
    "RemembersIds",
    "StatsDrift",
    "StopsFiltering",
    "TenMakeAWalk",
    "TornBatch",
    "TrimsIds",
]


class DoubleClaim(memory.claims.Claims):
    """Forgets that claimed messages are claimed when the next one asks."""

    def claim(
        self, queue: QueueRef, requests: Sequence[ClaimRequest]
    ) -> Sequence[Claim | MQError | None]:
        with self._box(queue) as (box, _):
            for lease in box.claims.values() if box else ():
                box.free(lease.rows.values())  # type: ignore[union-attr]
            return super().claim(queue, requests)


class StopsFiltering(memory.claims.Claims):
    """Looks at the delay of messages up to the first free one, and not behind it."""

    def claim(
        self, queue: QueueRef, requests: Sequence[ClaimRequest]
    ) -> Sequence[Claim | MQError | None]:
        with self._box(queue) as (box, _):
            for first in islice(box.rows(memory.box.FREE), 1) if box else ():
                for row in list(box.rows(memory.box.DELAYED, after=first.number)):  # type: ignore[union-attr]
                    box.end_delay(row)  # type: ignore[union-attr]
            return super().claim(queue, requests)


class CheckThenAct(memory.claims.Claims):
    """Lets go of the lock between looking for messages and taking them."""

    def claim(
        self, queue: QueueRef, requests: Sequence[ClaimRequest]
    ) -> Sequence[Claim | MQError | None]:
        return [self._take(queue, request) for request in requests]

    def _take(self, queue: QueueRef, request: ClaimRequest) -> Claim | None:
        with self._box(queue) as (box, now):
            rows = list(islice(box.rows(memory.box.FREE), request.limit)) if box else []
        if not rows:
            return None
        with self._box(queue) as (box, _):
            assert box is not None
            lease = memory.box.Lease(request.id, request.ttl, request.grace, now)
            for row in rows:
                box.places[memory.box.FREE].pop(row.number, None)
            box.hold(lease, rows)
            return lease.claim()


class ClaimScans(memory.claims.Claims):
    """Walks over every message before it claims some."""

    def claim(
        self, queue: QueueRef, requests: Sequence[ClaimRequest]
    ) -> Sequence[Claim | MQError | None]:
        with self._box(queue) as (box, _):
            for _row in box.rows(*memory.box.ALL) if box else ():
                pass
            return super().claim(queue, requests)


class TenMakeAWalk(memory.messages.Messages):
    """Finds one message by its id, and several by going through the queue."""

    def get_many(self, queue: QueueRef, ids: Sequence[str]) -> tuple[Message, ...]:
        with self._box(queue) as (box, _):
            for _row in box.rows(*memory.box.ALL) if box and len(ids) > 1 else ():
                pass
            return super().get_many(queue, ids)


class PurgeWalks(memory.messages.Messages):
    """Removes the messages one by one while the caller waits."""

    def purge(self, queue: QueueRef) -> None:
        with self._box(queue) as (box, _):
            for row in list(box.rows(*memory.box.ALL)) if box else ():
                box.remove(row)  # type: ignore[union-attr]
            super().purge(queue)


class FilterAfterLimit(memory.messages.Messages):
    """Takes as many messages as a page holds, then leaves out those that do not match."""

    def list(
        self, queue: QueueRef, *, hide_client: str | None = None, **options: Any
    ) -> Page[Message]:
        page = super().list(queue, **options)
        shown = super().list(queue, hide_client=hide_client, **{**options, "limit": 10_000})
        wanted = {message.id for message in shown.items}
        return replace(page, items=tuple(each for each in page.items if each.id in wanted))


class PostDoubles(memory.messages.Messages):
    """Stores a message that it has already once more."""

    def post(self, queue: QueueRef, messages: Sequence[NewMessage]) -> Sequence[str | MQError]:
        known = {message.id for message in self.get_many(queue, [new.id for new in messages])}
        super().post(
            queue, [replace(new, id=new_id()) if new.id in known else new for new in messages]
        )
        return [new.id for new in messages]


class RemembersIds(memory.messages.Messages):
    """Takes a message for one that it has already when it was deleted."""

    def post(self, queue: QueueRef, messages: Sequence[NewMessage]) -> Sequence[str | MQError]:
        with self._box(queue) as (box, _):
            known: set[str] = box.__dict__.setdefault("known", set()) if box else set()
            super().post(queue, [new for new in messages if new.id not in known])
            known.update(new.id for new in messages)
        return [new.id for new in messages]


class TrimsIds(memory.messages.Messages):
    """Does not see a space behind an id."""

    def get_many(self, queue: QueueRef, ids: Sequence[str]) -> tuple[Message, ...]:
        return super().get_many(queue, [each.rstrip(" ") for each in ids])


class FoldsSubscribers(memory.subscriptions.Subscriptions):
    """Takes capitals and small letters for the same."""

    def create(self, queue: QueueRef, subscription: NewSubscription) -> Subscription | None:
        others = {each.subscriber for each in self.list(queue, limit=10_000).items}
        if subscription.subscriber not in others:
            folded = {subscriber.casefold() for subscriber in others}
            if subscription.subscriber.casefold() in folded:
                return None
        return super().create(queue, subscription)


class NumbersAreFloats(memory.queues.Queues):
    """Keeps integers as floats, as some JSON libraries do."""

    def create(self, queue: QueueRef, metadata: Metadata) -> bool:
        return super().create(queue, json.loads(json.dumps(dict(metadata)), parse_int=float))


class _CountingMessages(memory.messages.Messages):
    def delete(
        self, queue: QueueRef, handles: Sequence[Handle], *, all_or_nothing: bool = False
    ) -> Sequence[MQError | None]:
        with self._box(queue) as (box, _):
            before = len(box.by_id) if box else 0
            results = super().delete(queue, handles, all_or_nothing=all_or_nothing)
            if box:
                gone = before - len(box.by_id)
                box.__dict__["drift"] = box.__dict__.get("drift", 0) + results.count(None) - gone
            return results


class _DriftingQueues(memory.queues.Queues):
    def stats(self, queue: QueueRef) -> QueueStats:
        stats = super().stats(queue)
        with self._box(queue) as (box, _):
            drift = box.__dict__.get("drift", 0) if box else 0
        return replace(stats, free=stats.free - drift)


class StatsDrift(memory.MemoryDriver):
    """Subtracts a deleted message as often as somebody deletes it."""

    def __init__(self, store: memory.store.Store, clock: Clock) -> None:
        super().__init__(store, clock)
        self.messages = _CountingMessages(self)
        self.queues = _DriftingQueues(self)


class TornBatch(memory.messages.Messages):
    """Declares that a batch appears at one moment, and stores its messages one after another."""

    def post(self, queue: QueueRef, messages: Sequence[NewMessage]) -> Sequence[str | MQError]:
        return [result for new in messages for result in super(TornBatch, self).post(queue, [new])]


class NoOrder(memory.MemoryDriver):
    """Declares an order, and puts new messages first."""

    def __init__(self, store: memory.store.Store, clock: Clock) -> None:
        super().__init__(store, clock)
        if next(store.counter) < 10**6:
            store.counter = count(10**9, -1)


class NotDurable(memory.MemoryDriver):
    """Declares that everything stays, and keeps it as long as a handle is open."""

    capabilities = memory.MemoryDriver.capabilities | Capability.DURABLE

    def close(self) -> None:
        super().close()
        self.store.queues.clear()


class LimitIgnored(memory.MemoryDriver):
    """Declares limits, and core's gate lets more through."""

    limits = Limits(body=1000, metadata=1000)
