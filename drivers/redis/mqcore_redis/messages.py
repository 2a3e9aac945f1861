"""Messages in Redis."""

from collections.abc import Sequence
from typing import Any

from mqcore.contract import (
    ClaimNotFound,
    Handle,
    Message,
    MessageClaimed,
    MessageController,
    MessageNotClaimedBy,
    MetadataConflict,
    MQError,
    NewMessage,
    Page,
    PageRequest,
    QueueEmpty,
    QueueNotFound,
    QueueRef,
)

from .scripts import script
from .store import Moment, Store
from .values import from_reply, to_id, to_ids, to_record, to_text

__all__ = ["JoinedMessages", "Messages"]

_POST = script("queue", "version", "runs", "append", "post")
_GET = script("queue", "get")
_LIST = script("queue", "runs", "walk", "list")
_FIRST = script("queue", "runs", "walk", "first")
_DELETE = script("queue", "lease", "delete")
_REMOVE = script("queue", "remove")
_POP = script("queue", "runs", "walk", "pop")
_PURGE = script("queue", "purge")

MARKER_DIGITS = 14
"""The most digits of a message's number."""


class Messages(MessageController):
    def __init__(self, store: Store) -> None:
        self._store = store

    def post(self, queue: QueueRef, messages: Sequence[NewMessage]) -> Sequence[str | MQError]:
        at = self._store.moment()
        answer = self._store.on_queue(_POST, queue, *_arguments(at, queue, messages), at=at)
        posted = self._posted(queue, messages, answer)
        if isinstance(posted, MQError):
            raise posted
        return posted

    def _posted(
        self, queue: QueueRef, messages: Sequence[NewMessage], answer: Any
    ) -> Sequence[str | MQError] | MQError:
        """What `post.lua` says, as a result."""
        if isinstance(answer, MQError):
            return answer
        if answer != 1:
            return MetadataConflict(queue) if answer else QueueNotFound(queue)
        self._store.waking.tell(queue)
        return [new.id for new in messages]

    def get_many(self, queue: QueueRef, ids: Sequence[str]) -> tuple[Message, ...]:
        wanted = dict.fromkeys(to_ids(ids))
        return tuple(map(from_reply, self._store.on_queue(_GET, queue, *wanted)))

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
        request = PageRequest(marker, limit, hide_client, include_claimed, include_delayed)
        after, wanted, *rest = _page_arguments(request)
        last = b""
        items: list[Message] = []
        while after:
            lacking = wanted - len(items)
            place, after, found = self._store.on_queue(_LIST, queue, after, lacking, *rest)
            items += map(from_reply, found)
            last = place or last
        return Page(tuple(items), last.decode() or None)

    def first(self, queue: QueueRef, sort: int = 1) -> Message:
        if sort not in (1, -1):
            raise ValueError("sort is 1 for the oldest message or -1 for the newest")
        for found in self._store.on_queue(_FIRST, queue, sort):
            return from_reply(found)
        raise QueueEmpty(queue)

    def delete(
        self, queue: QueueRef, handles: Sequence[Handle], *, all_or_nothing: bool = False
    ) -> Sequence[MQError | None]:
        if all(handle.force for handle in handles):
            self._store.on_queue(_REMOVE, queue, *to_ids([handle.id for handle in handles]))
            return [None] * len(handles)
        args: list[bytes | int] = [int(all_or_nothing)]
        for handle in handles:
            rights = map(to_id, handle.claim_ids)
            args += (to_id(handle.id), int(handle.force), len(handle.claim_ids), *rights)
        answers = self._store.on_queue(_DELETE, queue, *args)
        errors = [
            _refusal(queue, handle, answer) for handle, answer in zip(handles, answers, strict=True)
        ]
        for error in errors:
            if error and all_or_nothing:
                raise error
        return errors

    def pop(self, queue: QueueRef, limit: int) -> tuple[Message, ...]:
        found = self._store.on_queue(_POP, queue, limit, repeat=False)
        return tuple(map(from_reply, found))

    def purge(self, queue: QueueRef) -> None:
        self._store.on_queue(_PURGE, queue)


class JoinedMessages(Messages):
    """Those of one server, which serves several calls in one round trip."""

    joins_posts = True
    joins_pages = True

    def post_to_several(
        self, posts: Sequence[tuple[QueueRef, Sequence[NewMessage]]]
    ) -> Sequence[Sequence[str | MQError] | MQError]:
        at = self._store.moment()
        calls = [(queue, _arguments(at, queue, messages)) for queue, messages in posts]
        answers = self._store.on_queues(_POST, calls, at=at)
        return [
            self._posted(queue, messages, answer)
            for (queue, messages), answer in zip(posts, answers, strict=True)
        ]

    def list_several(
        self, queue: QueueRef, requests: Sequence[PageRequest]
    ) -> Sequence[Page[Message] | MQError | None]:
        calls = [(queue, _page_arguments(request)) for request in requests]
        answers = self._store.on_queues(_LIST, calls, at=self._store.moment(), in_order=False)
        return [_page(answer) for answer in answers]


def _page_arguments(request: PageRequest) -> tuple[Any, ...]:
    """Those of `list.lua`."""
    marker = request.marker or "0"
    good = marker.isascii() and marker.isdigit() and len(marker) <= MARKER_DIGITS
    hidden = () if request.hide_client is None else (to_text(request.hide_client),)
    return (
        (marker if good else "9" * MARKER_DIGITS).encode(),
        request.limit,
        int(request.include_claimed),
        int(request.include_delayed),
        *hidden,
    )


def _page(answer: Any) -> Page[Message] | MQError | None:
    """What `list.lua` says, as a page; None when it is only a part of one."""
    if isinstance(answer, MQError):
        return answer
    last, rest, found = answer
    return None if rest else Page(tuple(map(from_reply, found)), last.decode() or None)


def _arguments(
    at: Moment, queue: QueueRef, messages: Sequence[NewMessage]
) -> list[str | bytes | int]:
    """Those of `post.lua`."""
    args: list[str | bytes | int] = [to_text(queue.if_version)]
    for new in messages:
        due = at.end(new.delay) if new.delay else ""
        args += (at.end(new.ttl), due, to_record(new, at.now))
    return args


def _refusal(queue: QueueRef, handle: Handle, answer: int) -> MQError | None:
    """What `delete.lua` says, as an error."""
    if answer == 0:
        return None
    if answer == 1:
        return MessageClaimed(handle.id)
    if answer == 2:
        return ClaimNotFound(handle.claim_ids[0], queue)
    return MessageNotClaimedBy(handle.id, handle.claim_ids[answer - 3])
