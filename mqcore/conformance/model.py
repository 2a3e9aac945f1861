"""The contract as a model: what a driver must answer, said as plainly as possible.

Every call first drops what is over, then loops over lists. Slow, and easy to check against the
contract; the state machine (`steps`) compares a driver with it, answer by answer.
"""

from collections.abc import Callable, Iterable, Sequence

from ..contract import (
    Claim,
    ClaimController,
    ClaimNotFound,
    ClaimRequest,
    Handle,
    Mark,
    Message,
    MessageClaimed,
    MessageController,
    MessageNotClaimedBy,
    Metadata,
    MetadataConflict,
    MQError,
    NewMessage,
    Page,
    Queue,
    QueueController,
    QueueEmpty,
    QueueFilter,
    QueueNotFound,
    QueueRef,
    QueueStats,
)
from .model_state import Box, Lease, Row, State
from .model_subscriptions import Subscriptions

__all__ = ["Model"]


class Model:
    """A driver without a store: the four controllers, on lists."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.state = State(clock)
        self.subscriptions = Subscriptions(clock)
        self.queues = _Queues(self.state, self.subscriptions)
        self.messages = _Messages(self.state)
        self.claims = _Claims(self.state)


class _Queues(QueueController):
    def __init__(self, state: State, subscriptions: Subscriptions) -> None:
        self._state = state
        self._subscriptions = subscriptions

    def create(self, queue: QueueRef, metadata: Metadata) -> bool:
        if queue in self._state.boxes:
            return False
        self._state.boxes[queue] = Box(metadata, str(self._state.next_number()))
        return True

    def get(self, queue: QueueRef) -> Queue:
        box = self._state.existing(queue)
        return Queue(queue.name, box.metadata, box.version)

    def exists(self, queue: QueueRef) -> bool:
        return queue in self._state.boxes

    def set_metadata(
        self, queue: QueueRef, metadata: Metadata, *, if_version: str | None = None
    ) -> None:
        box = self._state.existing(queue)
        if if_version is not None and if_version != box.version:
            raise MetadataConflict(queue)
        box.metadata = metadata
        box.version = str(self._state.next_number())

    def delete(self, queue: QueueRef) -> None:
        self._state.boxes.pop(queue, None)
        self._subscriptions.purge(queue)

    def list(
        self,
        project: str | None,
        *,
        marker: str | None = None,
        limit: int = 10,
        detailed: bool = False,
        where: QueueFilter | None = None,
    ) -> Page[Queue]:
        found = []
        for queue in sorted(self._of(project), key=lambda queue: queue.name.encode()):
            metadata = self._state.boxes[queue].metadata
            after = marker is None or queue.name.encode() > marker.encode()
            if after and (where is None or where.matches(queue.name, metadata)):
                found.append(Queue(queue.name, metadata if detailed else None))
        items = tuple(found[:limit])
        return Page(items, items[-1].name if items else None)

    def _of(self, project: str | None) -> Iterable[QueueRef]:
        return [queue for queue in self._state.boxes if queue.project == project]

    def count(self, project: str | None) -> int:
        return len(list(self._of(project)))

    def stats(self, queue: QueueRef) -> QueueStats:
        rows = self._state.existing(queue).rows
        claimed = len([row for row in rows if row.lease])
        marks = [Mark(row.new.id, row.posted_at) for row in rows]
        if not marks:
            return QueueStats(0, 0)
        return QueueStats(len(rows) - claimed, claimed, marks[0], marks[-1])


class _Messages(MessageController):
    def __init__(self, state: State) -> None:
        self._state = state

    def post(self, queue: QueueRef, messages: Sequence[NewMessage]) -> Sequence[str | MQError]:
        box, now = self._state.existing(queue), self._state.clock()
        for new in messages:
            if box.find(new.id) is None:
                number = self._state.next_number()
                row = Row(number, new, new.ttl, now, now + new.ttl, now + new.delay)
                box.rows.append(row)
        return [new.id for new in messages]

    def get_many(self, queue: QueueRef, ids: Sequence[str]) -> tuple[Message, ...]:
        box = self._state.box(queue)
        found = [box.find(each) for each in dict.fromkeys(ids)] if box else []
        return tuple(row.message() for row in found if row is not None)

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
        box, now = self._state.box(queue), self._state.clock()
        shown = [
            row
            for row in (box.rows if box else [])
            if row.number > int(marker or 0)
            and (hide_client is None or row.new.client != hide_client)
            and (include_claimed or row.lease is None)
            and (include_delayed or row.visible_at <= now)
        ][:limit]
        items = tuple(row.message() for row in shown)
        return Page(items, str(shown[-1].number) if shown else None)

    def first(self, queue: QueueRef, sort: int = 1) -> Message:
        if sort not in (1, -1):
            raise ValueError("sort is 1 or -1")
        box = self._state.box(queue)
        if box is None or not box.rows:
            raise QueueEmpty(queue)
        return box.rows[0 if sort == 1 else -1].message()

    def delete(
        self, queue: QueueRef, handles: Sequence[Handle], *, all_or_nothing: bool = False
    ) -> Sequence[MQError | None]:
        box = self._state.box(queue)
        if box is None:
            return [None] * len(handles)
        errors = [self._refusal(queue, box, handle) for handle in handles]
        for error in errors:
            if error and all_or_nothing:
                raise error
        gone = [handle.id for handle, error in zip(handles, errors, strict=True) if not error]
        box.rows = [row for row in box.rows if row.new.id not in gone]
        return errors

    def _refusal(self, queue: QueueRef, box: Box, handle: Handle) -> MQError | None:
        row = box.find(handle.id)
        if row is None or handle.force:
            return None
        if not handle.claim_ids:
            return MessageClaimed(handle.id) if row.lease else None
        if row.lease and row.lease.id in handle.claim_ids:
            return None
        for claim_id in handle.claim_ids:
            if claim_id in box.leases:
                return MessageNotClaimedBy(handle.id, claim_id)
        return ClaimNotFound(handle.claim_ids[0], queue)

    def pop(self, queue: QueueRef, limit: int) -> tuple[Message, ...]:
        box = self._state.box(queue)
        if box is None:
            return ()
        taken = self._state.claimable(box)[:limit]
        box.rows = [row for row in box.rows if row not in taken]
        return tuple(row.message() for row in taken)

    def purge(self, queue: QueueRef) -> None:
        box = self._state.box(queue)
        if box is not None:
            box.rows, box.leases = [], {}


class _Claims(ClaimController):
    def __init__(self, state: State) -> None:
        self._state = state

    def claim(
        self, queue: QueueRef, requests: Sequence[ClaimRequest]
    ) -> Sequence[Claim | MQError | None]:
        return [self._claim(queue, request) for request in requests]

    def _claim(self, queue: QueueRef, request: ClaimRequest) -> Claim | MQError | None:
        box, letter = self._state.box(queue), request.dead_letter
        if box is None:
            return None
        if request.id in box.leases:
            return box.claim(box.leases[request.id])
        chosen: list[Row] = []
        worn: list[Row] = []
        for row in self._state.claimable(box):
            if len(chosen) < request.limit:
                is_worn = letter is not None and row.claim_count >= letter.max_claims
                (worn if is_worn else chosen).append(row)
        if letter and worn:
            target = QueueRef(queue.project, letter.name)
            if self._state.box(target) is None:
                return QueueNotFound(target)
            box.rows = [row for row in box.rows if row not in worn]
            self._bury(target, worn, letter.ttl)
        if not chosen:
            return None
        for row in chosen:
            row.claim_count += 1
        return self._hold(box, request.id, chosen, request.ttl, request.grace)

    def _bury(self, target: QueueRef, worn: Sequence[Row], ttl: int | None) -> None:
        """Append the messages to the dead-letter queue, but for those that it has already."""
        box, now = self._state.existing(target), self._state.clock()
        for row in worn:
            if box.find(row.new.id) is None:
                row.number, row.claim_count = self._state.next_number(), 0
                if ttl is not None:
                    row.ttl, row.expires_at = ttl, now + ttl
                box.rows.append(row)

    def _hold(self, box: Box, claim_id: str, rows: Sequence[Row], ttl: int, grace: int) -> Claim:
        lease = Lease(claim_id, ttl, grace, self._state.clock())
        box.leases[claim_id] = lease
        for row in rows:
            row.lease = lease
            if row.expires_at < lease.ends_at:
                row.expires_at, row.ttl = lease.ends_at + grace, ttl + grace
        return box.claim(lease)

    def get(self, queue: QueueRef, claim_id: str) -> Claim:
        box, lease = self._live(queue, claim_id)
        return box.claim(lease)

    def renew(self, queue: QueueRef, claim_id: str, *, ttl: int, grace: int) -> None:
        box, lease = self._live(queue, claim_id)
        self._hold(box, claim_id, box.held_by(lease), ttl, grace)

    def release(self, queue: QueueRef, claim_id: str) -> None:
        box = self._state.box(queue)
        lease = box.leases.pop(claim_id, None) if box else None
        for row in box.held_by(lease) if box and lease else []:
            row.lease = None

    def _live(self, queue: QueueRef, claim_id: str) -> tuple[Box, Lease]:
        box = self._state.box(queue)
        if box is None or claim_id not in box.leases:
            raise ClaimNotFound(claim_id, queue)
        return box, box.leases[claim_id]
