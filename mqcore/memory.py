"""`memory://`: the reference driver. Read it first, then write your own.

Everything is in this process. Each `memory://` is a store of its own; handles opened on the
same `memory://NAME` share one, which lives as long as the last of them.

A queue keeps its messages in places by their state, ordered by their number, and one
timeline of what will happen: a delay is over, a claim ends, a message or a subscription expires.
Each call first lets happen what is due (`_Box.settle`), so that no other line asks for the time.
"""

import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush, merge
from itertools import count, islice
from math import inf
from operator import attrgetter
from typing import Any

from sortedcontainers import SortedDict, SortedSet

from .contract import (
    BadUri,
    Capability,
    Claim,
    ClaimController,
    ClaimNotFound,
    ClaimRequest,
    Clock,
    Closed,
    Driver,
    Handle,
    LocalWaking,
    Mark,
    Message,
    MessageClaimed,
    MessageController,
    MessageNotClaimedBy,
    Metadata,
    MetadataConflict,
    MQError,
    NewMessage,
    NewSubscription,
    Page,
    Queue,
    QueueController,
    QueueEmpty,
    QueueFilter,
    QueueNotFound,
    QueueRef,
    QueueStats,
    Stop,
    StoreUri,
    Subscription,
    SubscriptionController,
    SubscriptionExists,
    SubscriptionNotFound,
    Wake,
    Waking,
)

FREE, DELAYED, UNDELAYED = range(3)
"""Where messages are: those that are free are undelayed, too, and so are those that are claimed."""

CLAIM_ENDS, DELAY_ENDS, EXPIRES = "claim ends", "delay ends", "expires"
"""What happens to a queue; of what is due at the same time, in this order."""

_Event = tuple[float, str, str]
"""When, what, and the id of the message or claim."""

MOVED = 4
"""How many events of an older timeline move with each new one."""


@dataclass(slots=True, eq=False)
class _Row:
    """A message and its state."""

    number: int
    new: NewMessage
    ttl: int
    posted_at: float
    expires_at: float
    visible_at: float
    claim: "_Lease | None" = None
    claim_count: int = 0

    def message(self) -> Message:
        new, claim = self.new, self.claim
        return Message(
            new.id,
            new.body,
            self.ttl,
            self.posted_at,
            claim.id if claim else None,
            self.claim_count,
            new.checksum,
        )


@dataclass(slots=True, eq=False)
class _Lease:
    """A live claim and the messages that it holds, by number."""

    id: str
    ttl: int
    grace: int
    renewed_at: float
    rows: dict[int, _Row] = field(default_factory=dict)

    @property
    def ends_at(self) -> float:
        return self.renewed_at + self.ttl

    def claim(self) -> Claim:
        held = tuple(row.message() for row in self.rows.values())
        return Claim(self.id, self.ttl, self.grace, self.renewed_at, held)


class _Box:
    """What is in one queue."""

    def __init__(self, metadata: Metadata, version: str) -> None:
        self.metadata = metadata
        self.version = version
        self.clear()

    def clear(self) -> None:
        self.by_id: dict[str, _Row] = {}
        self.places: tuple[Any, ...] = (SortedDict(), SortedDict(), SortedDict())
        self.claims: dict[str, _Lease] = {}
        self.timeline: list[_Event] = []
        self.older: list[_Event] = []
        """A timeline of which most is void, until what still counts has moved to the other one."""

    def check_version(self, queue: QueueRef) -> None:
        """Raises MetadataConflict when the reference is to another version."""
        if queue.if_version not in (None, self.version):
            raise MetadataConflict(queue)

    def settle(self, now: float, most: float = inf) -> int:
        """Let happen what is due; return how many messages and claims are gone by it.

        A call settles all of it, each message once, so that no view has to look at the time.
        A store that others wait for does this in bounded steps, as the contract says.
        """
        gone = 0
        while gone < most and (timeline := self._soonest()) and timeline[0][0] <= now:
            event = heappop(timeline)
            if not self._counts(event):
                continue
            _, what, key = event
            if what == CLAIM_ENDS:
                self.end_claim(self.claims[key])
                gone += 1
            elif what == EXPIRES:
                self.remove(self.by_id[key])
                gone += 1
            else:
                self.end_delay(self.by_id[key])
        return gone

    def _soonest(self) -> list[_Event]:
        """The timeline whose first event is next."""
        older, newer = self.older, self.timeline
        return newer if not older or (newer and newer[0] < older[0]) else older

    def _counts(self, event: _Event) -> bool:
        """Whether that is still when the message or the claim has it."""
        at, what, key = event
        if what == CLAIM_ENDS:
            lease = self.claims.get(key)
            return lease is not None and lease.ends_at == at
        row = self.by_id.get(key)
        return row is not None and at == (row.expires_at if what == EXPIRES else row.visible_at)

    def at(self, time: float, what: str, key: str) -> None:
        """Have it happen at that time, if it still counts then.

        So nothing has to be searched for and taken back. What is void goes once it is the most:
        a few with each call, so that no call takes longer than others.
        """
        heappush(self.timeline, (time, what, key))
        valid = len(self.by_id) + len(self.places[DELAYED]) + len(self.claims)
        if not self.older and len(self.timeline) > 2 * valid + 100:
            self.older, self.timeline = self.timeline, []
        for _ in range(min(MOVED, len(self.older))):
            # What is left of a heap without its last is a heap.
            event = self.older.pop()
            if self._counts(event):
                heappush(self.timeline, event)

    def add(self, row: _Row) -> None:
        self.by_id[row.new.id] = row
        for place in (DELAYED,) if row.visible_at else (FREE, UNDELAYED):
            self.places[place][row.number] = row
        self.at(row.expires_at, EXPIRES, row.new.id)
        if row.visible_at:
            self.at(row.visible_at, DELAY_ENDS, row.new.id)

    def remove(self, row: _Row) -> None:
        del self.by_id[row.new.id]
        if row.visible_at:
            del self.places[DELAYED][row.number]
            return
        del self.places[UNDELAYED][row.number]
        if row.claim:
            del row.claim.rows[row.number]
        else:
            del self.places[FREE][row.number]

    def end_delay(self, row: _Row) -> None:
        del self.places[DELAYED][row.number]
        row.visible_at = 0
        self.places[FREE][row.number] = self.places[UNDELAYED][row.number] = row

    def take(self) -> _Row:
        """The oldest free message, which is not free any more: hold it, or let it go."""
        row: _Row = self.places[FREE].popitem(0)[1]
        return row

    def free(self, rows: Iterable[_Row]) -> None:
        """Let go of messages that were taken or held."""
        for row in rows:
            row.claim = None
            self.places[FREE][row.number] = row

    def hold(self, lease: _Lease, rows: Iterable[_Row]) -> None:
        """Put messages that were taken under a new claim."""
        self.claims[lease.id] = lease
        for row in rows:
            row.claim = lease
            row.claim_count += 1
            lease.rows[row.number] = row
        self.extend(lease)

    def extend(self, lease: _Lease) -> None:
        """Keep the claim and its messages until its end (spec 1.4)."""
        ends_at = lease.ends_at
        self.at(ends_at, CLAIM_ENDS, lease.id)
        for row in lease.rows.values():
            if row.expires_at < ends_at:
                row.expires_at = ends_at + lease.grace
                row.ttl = lease.ttl + lease.grace
                self.at(row.expires_at, EXPIRES, row.new.id)

    def end_claim(self, lease: _Lease) -> None:
        del self.claims[lease.id]
        self.free(lease.rows.values())

    def rows(self, *places: int, after: int = 0, newest_first: bool = False) -> Iterator[_Row]:
        """The messages in these places, by number."""
        runs = [
            map(rows.__getitem__, rows.irange(after, None, (False, False), newest_first))
            for rows in map(self.places.__getitem__, places)
        ]
        if len(runs) == 1:
            return runs[0]
        return merge(*runs, key=attrgetter("number"), reverse=newest_first)

    def counts(self) -> tuple[int, int]:
        """How many messages no claim holds, and how many one does."""
        free, delayed, undelayed = map(len, self.places)
        return free + delayed, undelayed - free


class _Store:
    """What the handles of one URI share."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.counter = count(1)
        self.queues: dict[str | None, Any] = {}
        self.subscriptions: dict[QueueRef, Any] = {}
        self.subscribers: dict[tuple[QueueRef, str], str] = {}
        self.endings: Any = SortedSet()

    def boxes(self) -> Iterator[_Box]:
        return (box for boxes in self.queues.values() for box in boxes.values())


class _Controller:
    def __init__(self, handle: "MemoryDriver") -> None:
        self._handle = handle

    @contextmanager
    def _store(self) -> Iterator[tuple[_Store, float]]:
        """The store, locked, and the time."""
        store = self._handle.store
        with store.lock:
            if self._handle.closed:
                raise Closed("this driver is closed; open another one")
            yield store, self._handle.clock()

    @contextmanager
    def _box(self, queue: QueueRef) -> Iterator[tuple[_Box | None, float]]:
        """What is in the queue now, or None when there is no such queue, and the time."""
        with self._store() as (store, now):
            box: _Box | None = store.queues.get(queue.project, {}).get(queue.name)
            if box is not None:
                box.settle(now)
            yield box, now


class _Queues(_Controller, QueueController):
    def create(self, queue: QueueRef, metadata: Metadata) -> bool:
        with self._store() as (store, _):
            boxes = store.queues.setdefault(queue.project, SortedDict())
            if queue.name in boxes:
                return False
            boxes[queue.name] = _Box(dict(metadata), str(next(store.counter)))
            return True

    def get(self, queue: QueueRef) -> Queue:
        with self._box(queue) as (box, _):
            if box is None:
                raise QueueNotFound(queue)
            return Queue(queue.name, box.metadata, box.version)

    def exists(self, queue: QueueRef) -> bool:
        with self._box(queue) as (box, _):
            return box is not None

    def set_metadata(
        self, queue: QueueRef, metadata: Metadata, *, if_version: str | None = None
    ) -> None:
        with self._box(queue) as (box, _):
            if box is None:
                raise QueueNotFound(queue)
            if if_version not in (None, box.version):
                raise MetadataConflict(queue)
            box.metadata = dict(metadata)
            box.version = str(next(self._handle.store.counter))

    def delete(self, queue: QueueRef) -> None:
        with self._store() as (store, _):
            boxes = store.queues.get(queue.project, {})
            boxes.pop(queue.name, None)
            if not boxes:
                store.queues.pop(queue.project, None)
            self._handle.subscriptions.purge(queue)

    def list(
        self,
        project: str | None,
        *,
        marker: str | None = None,
        limit: int = 10,
        detailed: bool = False,
        where: QueueFilter | None = None,
    ) -> Page[Queue]:
        where = where or QueueFilter()
        with self._store() as (store, _):
            boxes = store.queues.get(project, SortedDict())
            names = boxes.irange(marker, None, (False, False))
            matching = (name for name in names if where.matches(name, boxes[name].metadata))
            items = tuple(
                Queue(name, boxes[name].metadata if detailed else None)
                for name in islice(matching, limit)
            )
            return Page(items, items[-1].name if items else None)

    def count(self, project: str | None) -> int:
        with self._store() as (store, _):
            return len(store.queues.get(project, ()))

    def stats(self, queue: QueueRef) -> QueueStats:
        with self._box(queue) as (box, _):
            if box is None:
                raise QueueNotFound(queue)
            free, claimed = box.counts()
            ends = [
                Mark(row.new.id, row.posted_at)
                for newest_first in (False, True)
                for row in islice(box.rows(*ALL, newest_first=newest_first), 1)
            ]
            return QueueStats(free, claimed, *ends)


ALL = (DELAYED, UNDELAYED)


class _Messages(_Controller, MessageController):
    def post(self, queue: QueueRef, messages: Sequence[NewMessage]) -> Sequence[str | MQError]:
        with self._box(queue) as (box, now):
            if box is None:
                raise QueueNotFound(queue)
            box.check_version(queue)
            for new in messages:
                if new.id not in box.by_id:
                    number = next(self._handle.store.counter)
                    visible_at = now + new.delay if new.delay else 0
                    box.add(_Row(number, new, new.ttl, now, now + new.ttl, visible_at))
            self._handle.waking.tell(queue)
            return [new.id for new in messages]

    joins_posts = True
    joins_pages = True

    def get_many(self, queue: QueueRef, ids: Sequence[str]) -> tuple[Message, ...]:
        with self._box(queue) as (box, _):
            if box is None:
                return ()
            return tuple(box.by_id[i].message() for i in dict.fromkeys(ids) if i in box.by_id)

    def list(
        self,
        queue: QueueRef,
        *,
        marker: str | None = None,
        limit: int = 10,
        hide_client: str | None = None,
        include_claimed: bool = False,
        include_delayed: bool = False,
    ) -> Page[Message]:
        places = [UNDELAYED if include_claimed else FREE, *[DELAYED] * include_delayed]
        with self._box(queue) as (box, _):
            if box is None or (marker and not (marker.isascii() and marker.isdigit())):
                return Page((), None)
            shown = (
                row
                for row in box.rows(*places, after=int((marker or "0")[:20]))
                if hide_client is None or row.new.client != hide_client
            )
            rows = list(islice(shown, limit))
            items = tuple(row.message() for row in rows)
            return Page(items, str(rows[-1].number) if rows else None)

    def first(self, queue: QueueRef, sort: int = 1) -> Message:
        if sort not in (1, -1):
            raise ValueError("sort is 1 for the oldest message or -1 for the newest")
        with self._box(queue) as (box, _):
            if box is not None:
                for row in box.rows(*ALL, newest_first=sort == -1):
                    return row.message()
            raise QueueEmpty(queue)

    def delete(
        self, queue: QueueRef, handles: Sequence[Handle], *, all_or_nothing: bool = False
    ) -> Sequence[MQError | None]:
        with self._box(queue) as (box, _):
            if box is None:
                return [None] * len(handles)
            errors = [self._refusal(queue, box, handle) for handle in handles]
            for error in errors:
                if error and all_or_nothing:
                    raise error
            for handle, error in zip(handles, errors, strict=True):
                row = box.by_id.get(handle.id)
                if row and not error:
                    box.remove(row)
            return errors

    def _refusal(self, queue: QueueRef, box: _Box, handle: Handle) -> MQError | None:
        row = box.by_id.get(handle.id)
        if row is None or handle.force:
            return None
        if not handle.claim_ids:
            return MessageClaimed(handle.id) if row.claim else None
        if row.claim and row.claim.id in handle.claim_ids:
            return None
        live = [claim_id for claim_id in handle.claim_ids if claim_id in box.claims]
        if not live:
            return ClaimNotFound(handle.claim_ids[0], queue)
        return MessageNotClaimedBy(handle.id, live[0])

    def pop(self, queue: QueueRef, limit: int) -> tuple[Message, ...]:
        with self._box(queue) as (box, _):
            if box is None:
                return ()
            rows = list(islice(box.rows(FREE), limit))
            for row in rows:
                box.remove(row)
            return tuple(row.message() for row in rows)

    def purge(self, queue: QueueRef) -> None:
        with self._box(queue) as (box, _):
            if box is not None:
                box.clear()


class _Claims(_Controller, ClaimController):
    def claim(
        self, queue: QueueRef, requests: Sequence[ClaimRequest]
    ) -> Sequence[Claim | MQError | None]:
        with self._box(queue) as (box, now):
            if box is None:
                return [None] * len(requests)
            box.check_version(queue)
            return [self._claim(queue, box, now, request) for request in requests]

    def _claim(
        self, queue: QueueRef, box: _Box, now: float, request: ClaimRequest
    ) -> Claim | MQError | None:
        if request.id in box.claims:
            return box.claims[request.id].claim()
        letter = request.dead_letter
        chosen: list[_Row] = []
        doomed: list[_Row] = []
        while box.places[FREE] and len(chosen) < request.limit:
            row = box.take()
            spent = letter is not None and row.claim_count >= letter.max_claims
            (doomed if spent else chosen).append(row)
        if letter and doomed:
            target = QueueRef(queue.project, letter.name)
            with self._box(target) as (dead_letters, _):
                box.free(doomed)
                if dead_letters is None:
                    box.free(chosen)
                    return QueueNotFound(target)
                for row in doomed:
                    box.remove(row)
                    if row.new.id not in dead_letters.by_id:
                        dead_letters.add(self._dead(row, now, letter.ttl))
            self._handle.waking.tell(target)
        if not chosen:
            return None
        lease = _Lease(request.id, request.ttl, request.grace, now)
        box.hold(lease, chosen)
        return lease.claim()

    def _dead(self, row: _Row, now: float, ttl: int | None) -> _Row:
        moved = replace(row, number=next(self._handle.store.counter), claim_count=0)
        if ttl is not None:
            moved.ttl, moved.expires_at = ttl, now + ttl
        return moved

    def get(self, queue: QueueRef, claim_id: str) -> Claim:
        with self._lease(queue, claim_id) as (_, lease, _now):
            return lease.claim()

    def renew(self, queue: QueueRef, claim_id: str, *, ttl: int, grace: int) -> None:
        with self._lease(queue, claim_id) as (box, lease, now):
            lease.ttl, lease.grace, lease.renewed_at = ttl, grace, now
            box.extend(lease)

    def release(self, queue: QueueRef, claim_id: str) -> None:
        with self._box(queue) as (box, _):
            if box is not None and claim_id in box.claims:
                box.end_claim(box.claims[claim_id])
                self._handle.waking.tell(queue)

    @contextmanager
    def _lease(self, queue: QueueRef, claim_id: str) -> Iterator[tuple[_Box, _Lease, float]]:
        with self._box(queue) as (box, now):
            if box is None or claim_id not in box.claims:
                raise ClaimNotFound(claim_id, queue)
            yield box, box.claims[claim_id], now


class _Subscriptions(_Controller, SubscriptionController):
    @contextmanager
    def _settled(self) -> Iterator[tuple[_Store, float]]:
        with self._store() as (store, now):
            self.settle(store, now)
            yield store, now

    def settle(self, store: _Store, now: float) -> int:
        gone = 0
        while store.endings and store.endings[0][0] <= now:
            _, _, _, queue, subscription_id = store.endings[0]
            self._remove(store, queue, store.subscriptions[queue][subscription_id])
            gone += 1
        return gone

    def _ending(self, queue: QueueRef, subscription: Subscription) -> tuple[Any, ...]:
        end = subscription.renewed_at + subscription.ttl
        return (end, queue.project or "", queue.name, queue, subscription.id)

    def _remove(self, store: _Store, queue: QueueRef, subscription: Subscription) -> None:
        del store.subscriptions[queue][subscription.id]
        if not store.subscriptions[queue]:
            del store.subscriptions[queue]
        del store.subscribers[queue, subscription.subscriber]
        store.endings.remove(self._ending(queue, subscription))

    def _add(self, store: _Store, queue: QueueRef, subscription: Subscription) -> None:
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


class MemoryDriver(Driver):
    """A handle on a store in this process."""

    capabilities = (
        Capability.FIFO
        | Capability.DELAY
        | Capability.EXACT_STATS
        | Capability.ATOMIC_BATCH
        | Capability.WAKING
    )
    local = True
    blocking = False
    checks_versions = True

    def __init__(self, store: _Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.closed = False
        self.waking: Waking = LocalWaking(store)
        self.queues = _Queues(self)
        self.messages = _Messages(self)
        self.claims = _Claims(self)
        self.subscriptions: _Subscriptions = _Subscriptions(self)

    def ping(self) -> None:
        self.queues.count(None)

    def volume(self) -> QueueStats:
        self.ping()
        with self.store.lock:
            now = self.clock()
            for box in self.store.boxes():
                box.settle(now)
            counts = [box.counts() for box in self.store.boxes()]
        free, claimed = (sum(column) for column in zip((0, 0), *counts, strict=True))
        return QueueStats(free, claimed)

    def collect(self, limit: int = 1000) -> int:
        self.ping()
        with self.store.lock:
            now = self.clock()
            gone = self.subscriptions.settle(self.store, now)
            for box in self.store.boxes():
                if gone >= limit:
                    break
                gone += box.settle(now, limit - gone)
            return gone

    def watch(self, queue: QueueRef, wake: Wake) -> Stop:
        return self.waking.watch(queue, wake)

    def close(self) -> None:
        self.closed = True
        self.waking.close()


_stores: "weakref.WeakValueDictionary[str, _Store]" = weakref.WeakValueDictionary()
_stores_lock = threading.Lock()


def open_driver(uri: str, *, clock: Clock) -> MemoryDriver:
    """Open `memory://` (a new, empty store) or `memory://NAME` (shared in this process)."""
    parsed = StoreUri(uri)
    parsed.done()
    if parsed.parts.path not in ("", "/"):
        raise BadUri(f"{parsed}: write memory:// or memory://NAME")
    name = parsed.parts.netloc
    if not name:
        return MemoryDriver(_Store(), clock)
    with _stores_lock:
        return MemoryDriver(_stores.setdefault(name, _Store()), clock)
