"""What can be written into the log, and what it does.

A command is a list that JSON can say: its name, then the queue's, then more. `apply` carries it
out; `is_idle` says that it would change nothing now, so that it need not be written.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mqcore.contract import Subscription

from .box import FREE, Box, Lease, Row, moved
from .packs import Body
from .project import Project, Queue

__all__ = [
    "CONFLICT",
    "MISSING",
    "Command",
    "Moment",
    "Seen",
    "Taken",
    "apply",
    "is_idle",
    "see",
    "taken",
]

Command = Sequence[Any]

MISSING = "missing"
"""The answer when there is no such queue."""
CONFLICT = "conflict"
"""The answer when its metadata has another version."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A message as it was at a moment; where its body lies says `name` and `start`."""

    id: str
    ttl: int
    posted_at: float
    claim_id: str | None
    count: int
    checksum: str | None
    pack: str
    body: Body


@dataclass(frozen=True, slots=True)
class Taken:
    """A claim as it was at a moment."""

    id: str
    ttl: int
    grace: int
    renewed_at: float
    messages: tuple[Seen, ...]


def see(box: Box, row: Row) -> Seen:
    claim_id = row.lease.id if row.lease else None
    pack = box.packs.name(row.body.slot)
    return Seen(row.id, row.ttl, row.posted_at, claim_id, row.count, row.checksum, pack, row.body)


def taken(box: Box, lease: Lease) -> Taken:
    messages = tuple(see(box, row) for row in box.held(lease))
    return Taken(lease.id, lease.ttl, lease.grace, lease.renewed_at, messages)


@dataclass(slots=True)
class Moment:
    """When a command is carried out, and by which entry, where its bodies lie in a row."""

    project: Project
    now: float
    slot: int
    start: int

    def body(self, size: int) -> Body:
        body = Body(self.slot, self.start, size)
        self.start += size
        return body


def apply(at: Moment, command: Command) -> Any:
    """Carry it out and return its answer."""
    kind, name, *arguments = command
    if kind != "settle":
        at.project.settle(at.now, sys.maxsize, name)
    return _KINDS[kind][0](at, name, *arguments)


def is_idle(project: Project, now: float, command: Command) -> bool:
    kind, name, *arguments = command
    return not project.is_due(now, name) and _KINDS[kind][1](project, name, *arguments)


def create(at: Moment, name: str, metadata: Any, version: str) -> bool:
    if name in at.project.queues:
        return False
    at.project.queues[name] = Queue(metadata, version, Box(at.project.packs))
    return True


def _is_outdated(queue: Queue | None, if_version: str | None) -> bool:
    return queue is not None and if_version not in (None, queue.version)


def set_metadata(
    at: Moment, name: str, metadata: Any, version: str, if_version: str | None
) -> str | None:
    queue = at.project.queue(name)
    if queue is None:
        return MISSING
    if _is_outdated(queue, if_version):
        return CONFLICT
    queue.metadata, queue.version = metadata, version
    return None


def delete_queue(at: Moment, name: str) -> None:
    purge(at, name)
    at.project.queues.pop(name, None)
    purge_subscriptions(at, name)


def purge(at: Moment, name: str) -> None:
    if queue := at.project.queue(name):
        queue.box.clear()


def post(
    at: Moment, name: str, messages: Sequence[Any], if_version: str | None = None
) -> str | None:
    queue = at.project.queue(name)
    outdated = _is_outdated(queue, if_version)
    for message_id, ttl, delay, client, checksum, size in messages:
        # The bodies are there, wanted or not, and those of the next command lie behind them.
        body = at.body(size)
        if queue is None or outdated or queue.box.find(message_id):
            continue
        due = at.now + delay if delay else 0
        number = at.project.next_number()
        queue.box.add(
            Row(number, message_id, body, client, checksum, ttl, at.now, at.now + ttl, due)
        )
    return MISSING if queue is None else CONFLICT if outdated else None


def delete(at: Moment, name: str, handles: Sequence[Any], whole: bool) -> list[Any]:
    """For each handle None, or why not: "claimed", no claim lives (""), or one that has it not."""
    queue = at.project.queue(name)
    if queue is None:
        return [None] * len(handles)
    refusals = [_refusal(queue.box, *handle) for handle in handles]
    if whole and any(refusal is not None for refusal in refusals):
        return refusals
    for (message_id, *_), refusal in zip(handles, refusals, strict=True):
        row = queue.box.find(message_id)
        if row and refusal is None:
            queue.box.remove(row)
    return refusals


def _refusal(box: Box, message_id: str, claim_ids: Sequence[str], force: bool) -> Any:
    row = box.find(message_id)
    if row is None or force:
        return None
    if not claim_ids:
        return "claimed" if row.lease else None
    if row.lease and row.lease.id in claim_ids:
        return None
    return ["not by", next((each for each in claim_ids if each in box.leases), None)]


def pop(at: Moment, name: str, limit: int) -> list[Seen]:
    queue = at.project.queue(name)
    if queue is None:
        return []
    rows = list(islice(queue.box.in_order(FREE), limit))
    popped = [see(queue.box, row) for row in rows]
    for row in rows:
        queue.box.remove(row)
    return popped


def claim(
    at: Moment, name: str, requests: Sequence[Any], if_version: str | None = None
) -> list[Any] | str:
    """For each request a `Taken`, None, or MISSING when the dead-letter queue is; or CONFLICT."""
    queue = at.project.queue(name)
    if queue is None:
        return [None] * len(requests)
    if _is_outdated(queue, if_version):
        return CONFLICT
    return [_claim(at, queue.box, request) for request in requests]


def _claim(at: Moment, box: Box, request: Sequence[Any]) -> Any:
    claim_id, limit, ttl, grace, letter = request
    if claim_id in box.leases:
        return taken(box, box.leases[claim_id])
    chosen, spent = _choose(box, limit, letter)
    if spent:
        target = at.project.queue(letter[0])
        if target is None:
            return MISSING
        at.project.settle(at.now, sys.maxsize, letter[0])
        for row in spent:
            if not target.box.find(row.id):
                target.box.add(moved(row, at.project.next_number(), at.now, letter[2]))
            box.remove(row)
    if not chosen:
        return None
    for row in chosen:
        row.count += 1
    lease = Lease(claim_id, ttl, grace, at.now)
    box.lease(lease, chosen)
    return taken(box, lease)


def _choose(box: Box, limit: int, letter: Any) -> tuple[list[Row], list[Row]]:
    """The rows to claim, and those before and between them that were claimed too often."""
    chosen: list[Row] = []
    spent: list[Row] = []
    for row in box.in_order(FREE):
        if len(chosen) == limit:
            break
        (spent if letter and row.count >= letter[1] else chosen).append(row)
    return chosen, spent


def renew(at: Moment, name: str, claim_id: str, ttl: int, grace: int) -> bool:
    queue = at.project.queue(name)
    if queue is None or claim_id not in queue.box.leases:
        return False
    queue.box.renew(queue.box.leases[claim_id], ttl, grace, at.now)
    return True


def release(at: Moment, name: str, claim_id: str) -> None:
    queue = at.project.queue(name)
    if queue and claim_id in queue.box.leases:
        queue.box.release(queue.box.leases[claim_id])


def subscribe(at: Moment, name: str, subscription_id: str, *new: Any) -> Subscription | None:
    subscriber, ttl, options = new
    subscribers = at.project.subscribers.setdefault(name, at.project.of(name))
    if existing := subscribers.of(subscriber):
        return existing if existing.id == subscription_id else None
    made = Subscription(subscription_id, name, subscriber, ttl, options, at.now, at.now)
    subscribers.add(made)
    return made


def update_subscription(
    at: Moment, name: str, subscription_id: str, changes: dict[str, Any]
) -> str | None:
    subscribers = at.project.of(name)
    old = subscribers.find(subscription_id)
    if old is None:
        return MISSING
    holder = subscribers.of(changes.get("subscriber", old.subscriber))
    if holder and holder != old:
        return "exists"
    renewed = {"renewed_at": at.now} if "ttl" in changes else {}
    subscribers.change(old, **changes, **renewed)
    return None


def unsubscribe(at: Moment, name: str, subscription_id: str) -> None:
    subscribers = at.project.of(name)
    if found := subscribers.find(subscription_id):
        subscribers.remove(found)


def purge_subscriptions(at: Moment, name: str) -> None:
    at.project.subscribers.pop(name, None)


def settle(at: Moment, name: str | None, most: int) -> int:
    return at.project.settle(at.now, most, name)


def _no_queue(project: Project, name: str, *_: Any) -> bool:
    return name not in project.queues


def _nothing_posted(
    project: Project, name: str, messages: Sequence[Any], if_version: str | None = None
) -> bool:
    queue = project.queue(name)
    if queue is None or _is_outdated(queue, if_version):
        return True
    return all(queue.box.find(message_id) for message_id, *_ in messages)


def _nothing_deleted(project: Project, name: str, handles: Sequence[Any], _: bool) -> bool:
    queue = project.queue(name)
    return queue is None or not any(queue.box.find(message_id) for message_id, *_ in handles)


def _nothing_free(project: Project, name: str, *_: Any) -> bool:
    queue = project.queue(name)
    return queue is None or not any(queue.box.in_order(FREE))


def _nothing_claimed(
    project: Project, name: str, requests: Sequence[Any], if_version: str | None = None
) -> bool:
    queue = project.queue(name)
    if _is_outdated(queue, if_version) or queue is None or _nothing_free(project, name):
        return True
    return all(claim_id in queue.box.leases for claim_id, *_ in requests)


def _no_lease(project: Project, name: str, claim_id: str, *_: Any) -> bool:
    queue = project.queue(name)
    return queue is None or claim_id not in queue.box.leases


def _no_subscription(project: Project, name: str, subscription_id: str, *_: Any) -> bool:
    return project.of(name).find(subscription_id) is None


_KINDS: dict[str, tuple[Callable[..., Any], Callable[..., bool]]] = {
    "create": (create, lambda project, name, *_: name in project.queues),
    "set_metadata": (set_metadata, _no_queue),
    "delete_queue": (
        delete_queue,
        lambda project, name: name not in project.queues and name not in project.subscribers,
    ),
    "purge": (purge, _no_queue),
    "post": (post, _nothing_posted),
    "delete": (delete, _nothing_deleted),
    "pop": (pop, _nothing_free),
    "claim": (claim, _nothing_claimed),
    "renew": (renew, _no_lease),
    "release": (release, _no_lease),
    "subscribe": (subscribe, lambda project, name, _, who, *__: bool(project.of(name).of(who))),
    "update_subscription": (update_subscription, _no_subscription),
    "unsubscribe": (unsubscribe, _no_subscription),
    "purge_subscriptions": (
        purge_subscriptions,
        lambda project, name: name not in project.subscribers,
    ),
    "settle": (settle, lambda *_: True),
}
