"""Queues in Redis."""

import json
from collections.abc import Iterator
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

from .scripts import Script, script
from .store import Store
from .values import from_id, posted_at, to_json, to_text

__all__ = ["Queues", "volume"]

_CREATE = script("kinds", "create_queue")
_SET = script("set_metadata")
_LIST = script("list_queues")
_DELETE = script("kinds", "delete_queue")
_STATS = script("queue", "runs", "walk", "stats")
_VOLUME = script("volume")

VERSION = 32
"""Bytes of the version that stand before the metadata."""
MOST = 500
"""The most queues that one script looks at."""


class Queues(QueueController):
    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, queue: QueueRef, metadata: Metadata) -> bool:
        # Milliseconds of the clock, so that a store restored from an old backup starts later too.
        least = int(self._store.moment().now * 1000)
        return bool(self._alter(_CREATE, queue, to_json(metadata), new_id(), least))

    def get(self, queue: QueueRef) -> Queue:
        found = self._store.command("HGET", self._store.keys.metadata(queue.project), queue.name)
        if found is None:
            raise QueueNotFound(queue)
        return Queue(queue.name, json.loads(found[VERSION:]), found[:VERSION].decode())

    def exists(self, queue: QueueRef) -> bool:
        return bool(self._store.command("EXISTS", self._store.keys.of(queue).record))

    def set_metadata(
        self, queue: QueueRef, metadata: Metadata, *, if_version: str | None = None
    ) -> None:
        answer = self._store.run(
            _SET,
            (self._store.keys.metadata(queue.project), self._store.keys.of(queue).record),
            (queue.name, to_json(metadata), new_id(), to_text(if_version)),
        )
        if answer == 0:
            raise QueueNotFound(queue)
        if answer < 0:
            raise MetadataConflict(queue)

    def delete(self, queue: QueueRef) -> None:
        self._alter(_DELETE, queue)

    def list(
        self,
        project: str | None,
        *,
        marker: str | None = None,
        limit: int = 10,
        detailed: bool = False,
        where: QueueFilter | None = None,
    ) -> Page[Queue]:
        items: list[Queue] = []
        matches = (where or QueueFilter()).matches
        read = detailed or where is not None
        for name, metadata in self._walk(project, marker or "", limit, read=read):
            if matches(name, metadata):
                items.append(Queue(name, metadata if detailed else None))
                if len(items) == limit:
                    break
        return Page(tuple(items), items[-1].name if items else None)

    def count(self, project: str | None) -> int:
        return int(self._store.command("ZCARD", self._store.keys.names(project)))

    def stats(self, queue: QueueRef) -> QueueStats:
        found = self._store.on_queue(_STATS, queue)
        if found is None:
            raise QueueNotFound(queue)
        live, claimed, *ends = found
        marks = [
            Mark(from_id(message_id), posted_at(record))
            for message_id, record in zip(ends[::2], ends[1::2], strict=True)
        ]
        return QueueStats(live - claimed, claimed, *marks)

    def _alter(self, script: Script, queue: QueueRef, *args: str | int) -> Any:
        """Run a script on all that there is of a queue."""
        keys = self._store.keys.of(queue)
        registers = self._store.keys.registers(queue.project)
        return self._store.run(
            script,
            (keys.agenda, *keys.queue, *keys.subscriptions, *registers),
            (keys.stem, queue.name, *args),
        )

    def _walk(
        self, project: str | None, after: str, size: int, *, read: bool
    ) -> Iterator[tuple[str, Any]]:
        """The queues by name, with their metadata if it is to be read."""
        keys = self._store.keys.names(project), self._store.keys.metadata(project)
        size = min(size, MOST)
        while True:
            found = self._store.run(_LIST, keys, (f"({after}" if after else "-", size, int(read)))
            names = [name.decode() for name in (found[::2] if read else found)]
            for place, name in enumerate(names):
                yield name, json.loads(found[2 * place + 1][VERSION:]) if read else {}
            if len(names) < size:
                return
            after, size = names[-1], min(size * 2, MOST)


def volume(store: Store) -> QueueStats:
    """Count the messages of all queues."""
    live = claimed = 0
    second = store.moment().second
    for partition in range(store.keys.partitions):
        cursor: Any = 0
        while True:
            cursor, stems = store.command(
                "SSCAN", store.keys.queues(partition), cursor, "COUNT", MOST
            )
            queues = [store.keys.at(stem.decode(), partition) for stem in stems]
            if queues:
                keys = [key for queue in queues for key in queue.counted]
                more = store.run(_VOLUME, keys, (second,))
                live, claimed = live + more[0], claimed + more[1]
            if int(cursor) == 0:
                break
    return QueueStats(live - claimed, claimed)
