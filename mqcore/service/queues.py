"""Queues: what a user may store in their metadata, and how it is changed."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mqcore.contract import (
    Driver,
    Invalid,
    MetadataConflict,
    Page,
    Queue,
    QueueFilter,
    QueueNotFound,
    QueueRef,
    QueueStats,
    TooLarge,
)

from .limits import ServiceLimits
from .rules import QueueRules, check_metadata, reported_metadata, rules_of
from .validation import check_depth, check_number

__all__ = ["QueueService"]

MAX_RACES = 20
MOST_KNOWN = 10_000
"""Queues whose rules are remembered."""


class QueueService:
    """Operations on queues. All raise Unavailable when the store is."""

    def __init__(self, driver: Driver, limits: ServiceLimits) -> None:
        self._driver = driver
        self._limits = limits
        self._usual_rules = rules_of({}, limits)
        self._known: dict[QueueRef, tuple[QueueRef, QueueRules]] = {}

    def create(self, queue: QueueRef, metadata: object = None) -> bool:
        """Create the queue; True when it is new. An existing one keeps its metadata.

        Raises Invalid for metadata that is not acceptable, whether or not the queue exists.
        """
        checked = self._checked(queue, {} if metadata is None else metadata)
        return self._driver.queues.create(queue, checked)

    def exists(self, queue: QueueRef) -> bool:
        return self._driver.queues.exists(queue)

    def get(self, queue: QueueRef) -> dict[str, Any]:
        """The metadata with reserved defaults; those alone for a missing queue (spec 1.6)."""
        return reported_metadata(self._stored(queue), self._limits)

    def rules(self, queue: QueueRef, *, anew: bool = False) -> tuple[QueueRef, QueueRules]:
        """The reference to use, and the rules of the queue; the configured ones if it is missing.

        Rules are remembered where the store refuses that reference once they are outdated: then
        ask `anew`.
        """
        known = None if anew else self._known.get(queue)
        if known is not None:
            return known
        try:
            stored = self._driver.queues.get(queue)
        except QueueNotFound:
            self._known.pop(queue, None)
            return queue, self._usual_rules
        rules = rules_of(stored.metadata, self._limits) if stored.metadata else self._usual_rules
        if not self._driver.checks_versions:
            return queue, rules
        if queue not in self._known and len(self._known) >= MOST_KNOWN:
            self._known.clear()
        found = QueueRef(queue.project, queue.name, stored.version), rules
        self._known[queue] = found
        return found

    def update(
        self, queue: QueueRef, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Replace the metadata by `change` of the stored metadata; return it as `get` does.

        `change` may be called again when somebody else wrote meanwhile, so that no update is
        lost. Whatever it raises leaves the queue as it is. Raises QueueNotFound and Invalid.
        """
        for _ in range(MAX_RACES):
            stored = self._driver.queues.get(queue)
            changed = self._checked(queue, change(stored.metadata or {}))
            try:
                self._driver.queues.set_metadata(queue, changed, if_version=stored.version)
            except MetadataConflict:
                continue
            return reported_metadata(changed, self._limits)
        raise MetadataConflict(queue)

    def delete(self, queue: QueueRef) -> None:
        """Delete the queue with its messages, claims and subscriptions; silent when missing."""
        self._driver.queues.delete(queue)

    def list(
        self,
        project: str | None,
        *,
        marker: str | None = None,
        limit: int = 10,
        detailed: bool = False,
        name: str | None = None,
        metadata: Mapping[str, Sequence[Any]] | None = None,
    ) -> Page[Queue]:
        """List queues by name; with `detailed`, each with its metadata as `get` gives it."""
        check_number("limit", limit, 1, self._limits.max_queues_per_page)
        where = QueueFilter(name, metadata) if name or metadata else None
        page = self._driver.queues.list(
            project, marker=marker, limit=limit, detailed=detailed, where=where
        )
        if not detailed:
            return page
        items = (
            Queue(item.name, reported_metadata(item.metadata or {}, self._limits))
            for item in page.items
        )
        return Page(tuple(items), page.next)

    def count(self, project: str | None) -> int:
        return self._driver.queues.count(project)

    def stats(self, queue: QueueRef) -> QueueStats:
        """Count messages; zeros for a missing queue (spec 1.6)."""
        try:
            return self._driver.queues.stats(queue)
        except QueueNotFound:
            return QueueStats(free=0, claimed=0)

    def purge(self, queue: QueueRef, *, messages: bool = True, subscriptions: bool = True) -> None:
        """Remove everything of the named kinds (spec 9.3 D-3); silent for a missing queue."""
        if messages:
            self._driver.messages.purge(queue)
        if subscriptions:
            self._driver.subscriptions.purge(queue)

    def _stored(self, queue: QueueRef) -> Mapping[str, Any]:
        try:
            return self._driver.queues.get(queue).metadata or {}
        except QueueNotFound:
            return {}

    def _checked(self, queue: QueueRef, metadata: object) -> dict[str, Any]:
        checked = check_metadata(queue.name, metadata, self._limits)
        check_depth("the metadata of a queue", checked)
        try:
            size = len(json.dumps(checked, separators=(",", ":"), ensure_ascii=False).encode())
        except (TypeError, ValueError) as exc:
            raise Invalid(f"the metadata of a queue must be JSON: {exc}") from exc
        if size > self._limits.max_queue_metadata:
            raise TooLarge(
                f"the metadata of a queue takes at most {self._limits.max_queue_metadata} bytes"
            )
        return checked
