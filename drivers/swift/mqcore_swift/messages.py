"""Messages in Swift."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, TypeVar

from mqcore.contract import (
    ClaimNotFound,
    Handle,
    Message,
    MessageClaimed,
    MessageController,
    MessageNotClaimedBy,
    MQError,
    NewMessage,
    Page,
    QueueEmpty,
    QueueRef,
)

from .box import ALL, CLAIMED, DELAYED, FREE, Box
from .commands import Seen, see
from .project import Project
from .store import Store, check_answer

__all__ = ["Messages"]

T = TypeVar("T")


class Messages(MessageController):
    def __init__(self, store: Store) -> None:
        self._store = store

    def post(self, queue: QueueRef, messages: Sequence[NewMessage]) -> Sequence[str | MQError]:
        rows = [
            (new.id, new.ttl, new.delay, new.client, new.checksum, len(new.body))
            for new in messages
        ]
        bodies = [new.body for new in messages]
        answer = self._store.write(queue, "post", rows, queue.if_version, bodies=bodies)
        check_answer(queue, answer)
        return [new.id for new in messages]

    def get_many(self, queue: QueueRef, ids: Sequence[str]) -> tuple[Message, ...]:
        def look(box: Box) -> list[Seen]:
            rows = (box.find(message_id) for message_id in dict.fromkeys(ids))
            return [see(box, row) for row in rows if row]

        return self._store.bodies(self._read(queue, look, []))

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
        if marker and not (marker.isascii() and marker.isdigit()):
            marker = "9" * 20
        after = int((marker or "0")[:20])
        states = (FREE, *[DELAYED] * include_delayed, *[CLAIMED] * include_claimed)

        def look(box: Box) -> tuple[list[Seen], int]:
            shown = (
                row
                for row in box.in_order(*states, after=after)
                if hide_client is None or row.client != hide_client
            )
            rows = list(islice(shown, limit))
            return [see(box, row) for row in rows], rows[-1].number if rows else 0

        nothing: tuple[list[Seen], int] = ([], 0)
        seen, last = self._read(queue, look, nothing)
        return Page(self._store.bodies(seen), str(last) if last else None)

    def first(self, queue: QueueRef, sort: int = 1) -> Message:
        if sort not in (1, -1):
            raise ValueError("sort is 1 for the oldest message or -1 for the newest")

        def look(box: Box) -> list[Seen]:
            rows = box.in_order(*ALL, newest_first=sort == -1)
            return [see(box, row) for row in islice(rows, 1)]

        for message in self._store.bodies(self._read(queue, look, [])):
            return message
        raise QueueEmpty(queue)

    def delete(
        self, queue: QueueRef, handles: Sequence[Handle], *, all_or_nothing: bool = False
    ) -> Sequence[MQError | None]:
        wanted = [(handle.id, handle.claim_ids, handle.force) for handle in handles]
        refusals = self._store.write(queue, "delete", wanted, all_or_nothing)
        errors = [
            _error(queue, handle, refusal)
            for handle, refusal in zip(handles, refusals, strict=True)
        ]
        for error in errors:
            if error and all_or_nothing:
                raise error
        return errors

    def pop(self, queue: QueueRef, limit: int) -> tuple[Message, ...]:
        return self._store.bodies(self._store.write(queue, "pop", limit))

    def purge(self, queue: QueueRef) -> None:
        self._store.write(queue, "purge")

    def _read(self, queue: QueueRef, look: Callable[[Box], T], nothing: T) -> T:
        def look_into(project: Project) -> T:
            found = project.queue(queue.name)
            return look(found.box) if found else nothing

        return self._store.read(queue.project, look_into, queue.name)


def _error(queue: QueueRef, handle: Handle, refusal: Any) -> MQError | None:
    """What the command `delete` says, as an error."""
    if refusal is None:
        return None
    if refusal == "claimed":
        return MessageClaimed(handle.id)
    _, live = refusal
    if live is None:
        return ClaimNotFound(handle.claim_ids[0], queue)
    return MessageNotClaimedBy(handle.id, live)
