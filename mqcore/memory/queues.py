"""Queues in memory."""

from dataclasses import replace
from itertools import islice

from sortedcontainers import SortedDict

from ..contract import (
    Mark,
    Metadata,
    Page,
    Queue,
    QueueController,
    QueueFilter,
    QueueNotFound,
    QueueRef,
    QueueStats,
)
from .box import ALL, Box
from .store import Controller

__all__ = ["Queues"]


class Queues(Controller, QueueController):
    def create(self, queue: QueueRef, metadata: Metadata) -> bool:
        with self._store() as (store, _):
            boxes = store.queues.setdefault(queue.project, SortedDict())
            if queue.name in boxes:
                return False
            boxes[queue.name] = Box(dict(metadata), str(next(store.counter)))
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
            box.check_version(replace(queue, if_version=if_version))
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
