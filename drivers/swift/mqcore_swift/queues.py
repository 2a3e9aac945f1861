"""Queues in Swift."""

from itertools import islice

from mqcore.contract import (
    Metadata,
    Page,
    Queue,
    QueueController,
    QueueFilter,
    QueueNotFound,
    QueueRef,
    QueueStats,
    new_id,
)

from .project import Project
from .store import Store, check_answer

__all__ = ["Queues"]


class Queues(QueueController):
    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, queue: QueueRef, metadata: Metadata) -> bool:
        return bool(self._store.write(queue, "create", dict(metadata), new_id()))

    def get(self, queue: QueueRef) -> Queue:
        found = self._store.read(queue.project, lambda project: project.queue(queue.name))
        if found is None:
            raise QueueNotFound(queue)
        return Queue(queue.name, found.metadata, found.version)

    def set_metadata(
        self, queue: QueueRef, metadata: Metadata, *, if_version: str | None = None
    ) -> None:
        change = (dict(metadata), new_id(), if_version)
        check_answer(queue, self._store.write(queue, "set_metadata", *change))

    def delete(self, queue: QueueRef) -> None:
        self._store.write(queue, "delete_queue")

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

        def look(found: Project) -> tuple[Queue, ...]:
            names = found.queues.irange(marker, None, (False, False))
            queues = ((name, found.queues[name].metadata) for name in names)
            matching = (
                Queue(name, metadata if detailed else None)
                for name, metadata in queues
                if matches(name, metadata)
            )
            return tuple(islice(matching, limit))

        items = self._store.read(project, look)
        return Page(items, items[-1].name if items else None)

    def count(self, project: str | None) -> int:
        return self._store.read(project, lambda found: len(found.queues))

    def stats(self, queue: QueueRef) -> QueueStats:
        def look(project: Project) -> QueueStats | None:
            found = project.queue(queue.name)
            return found.box.stats() if found else None

        stats = self._store.read(queue.project, look, queue.name)
        if stats is None:
            raise QueueNotFound(queue)
        return stats
