"""Queues in MongoDB."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mqcore.contract import (
    Mark,
    Metadata,
    MetadataConflict,
    Page,
    Queue,
    QueueController,
    QueueFilter,
    QueueNotFound,
    QueueRef,
    QueueStats,
    new_id,
)

from .errors import Duplicate
from .schema import SHOWN
from .store import Document, Store, as_wanted, key_of
from .subscriptions import drop_subscriptions
from .values import to_json
from .walk import Walker

__all__ = ["METADATA", "Queues", "purge", "volume"]

METADATA = 8 * 1024 * 1024
"""The largest metadata as JSON: a document has at most 16 MiB."""
MOST = 500
"""The most queues that are read at once."""


class Queues(QueueController):
    def __init__(self, store: Store, walker: Walker) -> None:
        self._store = store
        self._walker = walker

    def create(self, queue: QueueRef, metadata: Metadata) -> bool:
        return self._store.call(lambda: _create(self._store, queue, to_json(metadata)))

    def get(self, queue: QueueRef) -> Queue:
        found = self._store.call(
            lambda: self._store.fast["queues"].find_one(
                {"_id": key_of(queue)}, {"metadata": 1, "version": 1}
            )
        )
        if found is None:
            raise QueueNotFound(queue)
        return Queue(queue.name, json.loads(found["metadata"]), found["version"])

    def exists(self, queue: QueueRef) -> bool:
        return self._store.call(lambda: self._store.view(queue)) is not None

    def set_metadata(
        self, queue: QueueRef, metadata: Metadata, *, if_version: str | None = None
    ) -> None:
        wanted = as_wanted(replace(queue, if_version=if_version))
        change = {"$set": {"metadata": to_json(metadata), "version": new_id()}}
        done = self._store.call(
            lambda: self._store.safe["queues"].update_one(wanted, change),
            repeat=if_version is None,
        )
        if done.matched_count == 0:
            if if_version is not None and self.exists(queue):
                raise MetadataConflict(queue)
            raise QueueNotFound(queue)

    def delete(self, queue: QueueRef) -> None:
        self._store.call(lambda: _delete(self._store, queue))

    def list(
        self,
        project: str | None,
        *,
        marker: str | None = None,
        limit: int = 10,
        detailed: bool = False,
        where: QueueFilter | None = None,
    ) -> Page[Queue]:
        matches = (where or QueueFilter()).matches
        read = detailed or where is not None

        def page() -> list[Queue]:
            items: list[Queue] = []
            for name, metadata in self._walk(project, marker or "", limit, read=read):
                if matches(name, metadata):
                    items.append(Queue(name, metadata if detailed else None))
                    if len(items) == limit:
                        break
            return items

        items = self._store.call(page)
        return Page(tuple(items), items[-1].name if items else None)

    def count(self, project: str | None) -> int:
        return self._store.call(
            lambda: self._store.fast["queues"].count_documents({"_id.p": project})
        )

    def stats(self, queue: QueueRef) -> QueueStats:
        return self._store.call(lambda: self._stats(queue))

    def _stats(self, queue: QueueRef) -> QueueStats:
        view = self._store.view(queue)
        if view is None:
            raise QueueNotFound(queue)
        at = self._store.moment()
        ends = []
        for backwards in (False, True):
            walk = self._walker.walk(view, at, SHOWN, size=2, backwards=backwards)
            found = next(walk, None)
            ends.append(Mark(found["id"], found["posted"]) if found else None)
        if ends == [None, None]:
            return QueueStats(0, 0)
        found = self._store.fast["counts"].find_one({"_id": view.q}) or {}
        return QueueStats(*_counts(found), *ends)

    def _walk(
        self, project: str | None, after: str, size: int, *, read: bool
    ) -> Iterator[tuple[str, Any]]:
        """The queues by name, with their metadata if it is to be read."""
        fields = {"metadata": 1} if read else {"_id": 1}
        size = min(size, MOST)
        while True:
            here = {"_id.p": project, "_id.n": {"$gt": after}}
            page = self._store.fast["queues"].find(here, fields).sort("_id.n", 1).limit(size)
            found = list(page)
            for each in found:
                yield each["_id"]["n"], json.loads(each["metadata"]) if read else {}
            if len(found) < size:
                return
            after, size = found[-1]["_id"]["n"], min(size * 2, MOST)


def volume(store: Store) -> QueueStats:
    """Count the messages of all queues."""
    sums = {"_id": None, "messages": {"$sum": "$messages"}, "held": {"$sum": "$held"}}
    found = list(store.fast["counts"].aggregate([{"$group": sums}]))
    return QueueStats(*_counts(found[0] if found else {}))


def _counts(found: Document) -> tuple[int, int]:
    """How many are free and how many are held, of counts that may lag."""
    messages = max(found.get("messages", 0), 0)
    held = min(max(found.get("held", 0), 0), messages)
    return messages - held, held


def _create(store: Store, queue: QueueRef, metadata: str) -> bool:
    if store.view(queue) is not None:
        return False
    q = store.next_q()
    store.safe["counts"].insert_one(_no_messages(q))
    new = {"_id": key_of(queue), "u": q, "q": q, "next": 1, "posts": [], "settled": []}
    try:
        store.safe["queues"].insert_one({**new, "metadata": metadata, "version": new_id()})
    except Duplicate:
        store.fast["counts"].delete_one({"_id": q})
        return False
    return True


def _no_messages(q: int) -> Document:
    return {"_id": q, "messages": 0, "held": 0, "changes": 0, "checked": 0}


def _delete(store: Store, queue: QueueRef) -> None:
    found = store.safe["queues"].find_one_and_delete({"_id": key_of(queue)})
    if found is not None:
        _bury(store, found["q"])
    drop_subscriptions(store, queue)


def purge(store: Store, queue: QueueRef) -> None:
    """Leave all that is in the queue behind; its numbers go on, so that markers stay good."""
    q = store.next_q()
    store.safe["counts"].insert_one(_no_messages(q))
    empty = {"$set": {"q": q, "posts": [], "settled": []}, "$unset": {"due": ""}}
    found = store.safe["queues"].find_one_and_update({"_id": key_of(queue)}, empty)
    if found is None:
        store.fast["counts"].delete_one({"_id": q})
    else:
        _bury(store, found["q"])


def _bury(store: Store, q: int) -> None:
    """Have the contents collected. Should this not be reached, they are when they expire."""
    store.fast["counts"].delete_one({"_id": q})
    since = store.moment().second
    store.fast["graves"].update_one({"_id": q}, {"$set": {"since": since}}, upsert=True)
