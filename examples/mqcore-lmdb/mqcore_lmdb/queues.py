"""Queues. A record is the queue's number, its version, and as JSON its name and metadata."""

import json

import mqcore.contract as mq

from .box import ALL, Box, digest, ordered
from .store import Store, Transaction, pack, unpack
from .subscriptions import purge as purge_subscriptions


def _key(queue: mq.QueueRef) -> bytes:
    return digest(queue.project) + ordered(queue.name)


def _put(tx: Transaction, queue: mq.QueueRef, number: bytes, metadata: mq.Metadata) -> None:
    version = pack(tx.next_number())
    text = json.dumps([queue.name, dict(metadata)]).encode()
    tx.put("queues", _key(queue), number + version + text)


def _get(tx: Transaction, queue: mq.QueueRef) -> bytes:
    record = tx.get("queues", _key(queue))
    if record is None:
        raise mq.QueueNotFound(queue)
    return record


def _version(record: bytes) -> str:
    return str(unpack(record[8:16]))


def find_box(tx: Transaction, queue: mq.QueueRef) -> Box | None:
    """What is in the queue; None when there is no such queue."""
    record = tx.get("queues", _key(queue))
    return Box(tx, record[:8]) if record else None


def empty(tx: Transaction, queue: mq.QueueRef) -> None:
    """Give the queue a new number and leave what lies under the old one to `collect`."""
    record = tx.get("queues", _key(queue))
    if record:
        old, new = Box(tx, record[:8]), Box(tx, pack(tx.next_number()))
        new.count(numbers=old.counts[0] - 1)  # messages count on, so that old markers stay good
        tx.put("queues", _key(queue), new.key + record[8:])
        tx.put("trash", old.key)


class Queues(mq.QueueController):
    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, queue: mq.QueueRef, metadata: mq.Metadata) -> bool:
        with self._store.begin(write=True) as tx:
            if tx.get("queues", _key(queue)):
                return False
            _put(tx, queue, pack(tx.next_number()), metadata)
            return True

    def get(self, queue: mq.QueueRef) -> mq.Queue:
        with self._store.begin() as tx:
            record = _get(tx, queue)
            name, metadata = json.loads(record[16:])
            return mq.Queue(name, metadata, _version(record))

    def exists(self, queue: mq.QueueRef) -> bool:
        with self._store.begin() as tx:
            return find_box(tx, queue) is not None

    def set_metadata(
        self, queue: mq.QueueRef, metadata: mq.Metadata, *, if_version: str | None = None
    ) -> None:
        with self._store.begin(write=True) as tx:
            record = _get(tx, queue)
            if if_version not in (None, _version(record)):
                raise mq.MetadataConflict(queue)
            _put(tx, queue, record[:8], metadata)

    def delete(self, queue: mq.QueueRef) -> None:
        with self._store.begin(write=True) as tx:
            if box := find_box(tx, queue):
                tx.put("trash", box.key)
                tx.delete("queues", _key(queue))
            purge_subscriptions(tx, queue)

    def list(
        self,
        project: str | None,
        *,
        marker: str | None = None,
        limit: int = 10,
        detailed: bool = False,
        where: mq.QueueFilter | None = None,
    ) -> mq.Page[mq.Queue]:
        where = where or mq.QueueFilter()
        items: list[mq.Queue] = []
        with self._store.begin() as tx:
            for _, record in tx.scan("queues", digest(project), ordered(marker or "")):
                name, metadata = json.loads(record[16:])
                if where.matches(name, metadata):
                    items.append(mq.Queue(name, metadata if detailed else None))
                if len(items) == limit:
                    break
        return mq.Page(tuple(items), items[-1].name if items else None)

    def count(self, project: str | None) -> int:
        with self._store.begin() as tx:
            return sum(1 for _ in tx.scan("queues", digest(project)))

    def stats(self, queue: mq.QueueRef) -> mq.QueueStats:
        with self._store.begin() as tx:
            box = Box(tx, _get(tx, queue)[:8])
            _, messages, claimed = box.counts
            oldest, newest = (
                next((mq.Mark(row.id, row.posted_at) for row in box.rows(*ALL, step=step)), None)
                for step in (1, -1)
            )
            return mq.QueueStats(messages - claimed, claimed, oldest, newest)


def volume(tx: Transaction) -> mq.QueueStats:
    counts = [Box(tx, record[:8]).counts for _, record in tx.scan("queues", b"")]
    claimed = sum(each[2] for each in counts)
    return mq.QueueStats(sum(each[1] for each in counts) - claimed, claimed)
