"""Messages in SQL."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, bindparam, insert, select

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
    PageRequest,
    QueueEmpty,
    QueueNotFound,
    QueueRef,
)

from . import dialect, rows
from .file import SqliteStore
from .lowwater import Head
from .named import NAMED, names, storable
from .queues import purge
from .schema import CLAIMED, DELAYED, FREE, RETURNED, bodies, claims, numbers, queues
from .session import Session, Work
from .statements import Statement
from .store import Store, check_version, find, to_version, version_of

__all__ = ["JoinedMessages", "Messages", "free_messages", "look", "reserve"]

STEP = 256
"""How many messages that came back one call stores as returned, at least."""
ROUNDS = 16
"""How often one call does so, when it finds too few that are not expired."""


def _reserving(*conditions: ColumnElement[bool]) -> dialect.ChangeAndRead:
    """The statement that takes numbers of a queue."""
    return dialect.ChangeAndRead(
        numbers,
        (
            *NAMED,
            *conditions,
            numbers.c.queue_id == queues.c.id,
            numbers.c.next_seq >= bindparam("known"),
        ),
        {"next_seq": numbers.c.next_seq + bindparam("n", type_=BigInteger)},
        ("queue_id", "next_seq"),
        index="queues_by_name",
    )


_RESERVE = _reserving()
_RESERVE_IF = _reserving(queues.c.version == bindparam("version"))
_INSERT_BODIES = Statement(insert(bodies))
_LIVE_CLAIMS = Statement(
    select(claims.c.id).where(
        claims.c.queue_id == bindparam("q"),
        claims.c.id.in_(bindparam("ids", expanding=True)),
        claims.c.ends_at > bindparam("now"),
    )
)


class Messages(MessageController):
    def __init__(self, store: Store) -> None:
        self._store = store

    def post(self, queue: QueueRef, messages: Sequence[NewMessage]) -> Sequence[str | MQError]:
        return self._store.write(partial(_post, queue=queue, messages=messages))

    def get_many(self, queue: QueueRef, ids: Sequence[str]) -> tuple[Message, ...]:
        with self._store.reading() as session:
            found = {row.id: row for row in rows.by_ids(session, queue, ids)}
            wanted = [found[text] for text in dict.fromkeys(ids) if text in found]
            return rows.to_messages(session, wanted[0].queue_id, wanted) if wanted else ()

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
        return self.list_several(queue, [request])[0]

    joins_pages = True

    def list_several(
        self, queue: QueueRef, requests: Sequence[PageRequest]
    ) -> Sequence[Page[Message]]:
        """One look at where the queue begins serves all pages."""
        listings = [_Listing(_from_marker(request.marker), request) for request in requests]
        if all(listing.after is None for listing in listings):
            return [Page((), None)] * len(listings)
        with self._store.reading() as session:
            head = _head(session, queue, listings)
            if head is None or head.due is None:
                return [listing.page(session, head) for listing in listings]
            queue_id, due = head.queue_id, head.due
        step = _step(max(request.limit for request in requests))
        self._store.write(lambda work: rows.promote(work, queue_id, step, due))
        with self._store.reading() as session:
            head = _head(session, queue, listings)
            return [listing.page(session, head) for listing in listings]

    def first(self, queue: QueueRef, sort: int = 1) -> Message:
        if sort not in (1, -1):
            raise ValueError("sort is 1 for the oldest message or -1 for the newest")
        with self._store.reading() as session:
            queue_id = find(session, queue)
            if queue_id is not None:
                for row in rows.walk(session, queue_id, size=2, backwards=sort == -1):
                    return rows.to_messages(session, queue_id, [row])[0]
        raise QueueEmpty(queue)

    def delete(
        self, queue: QueueRef, handles: Sequence[Handle], *, all_or_nothing: bool = False
    ) -> Sequence[MQError | None]:
        if not handles:
            return []
        return self._store.write(lambda work: _delete(work, queue, handles, all_or_nothing))

    def pop(self, queue: QueueRef, limit: int) -> tuple[Message, ...]:
        return self._store.write(lambda work: _pop(work, queue, limit))

    def purge(self, queue: QueueRef) -> None:
        self._store.write(lambda work: purge(work, queue))


class JoinedMessages(Messages):
    """Those in a file, which takes posts to several queues in one transaction."""

    joins_posts = True

    def __init__(self, store: SqliteStore) -> None:
        super().__init__(store)
        self._file = store

    def post_to_several(
        self, posts: Sequence[tuple[QueueRef, Sequence[NewMessage]]]
    ) -> Sequence[Sequence[str | MQError] | MQError]:
        jobs = [partial(_post, queue=queue, messages=messages) for queue, messages in posts]
        return self._file.write_all(jobs)


def reserve(work: Work, queue: QueueRef, n: int) -> tuple[int, int]:
    """Take the next `n` numbers of the queue: its id and the first one.

    Raises QueueNotFound, and MetadataConflict when the reference is to another version of it.

    Who watches it is woken.

    Until the transaction ends nobody else gets numbers of this queue, so that messages appear
    in their order and no reader that pages by number misses one.
    """
    known = work.low.numbers.get(queue, 0)
    while storable(work.db, queue):
        values: dict[str, Any] = {**names(queue), "n": n, "known": known}
        if queue.if_version is None:
            taken = _RESERVE.first(work.db, values)
        else:
            values["version"] = to_version(queue.if_version)
            taken = _RESERVE_IF.first(work.db, values)
        if taken is not None:
            work.low.posted(queue, taken.next_seq - n)
            work.woken.add(queue)
            return taken.queue_id, taken.next_seq - n
        check_version(queue, version_of(work, queue))
        known = 0  # purged while we waited, or an older copy of the database
    raise QueueNotFound(queue)


def _step(wanted: int) -> int:
    """How many messages that came back to store as returned when so many are wanted."""
    return max(STEP, min(2 * wanted, 16 * STEP))


def look(work: Work, queue: QueueRef, wanted: int) -> Head | None:
    """Where the queue's claimable messages begin, before `free_messages` takes so many of them."""
    work.segments.flush(work.db)
    expected = work.low.expected(queue) if work.db.pipelined else None
    if expected is not None:
        queue_id, first = expected
        rows.walk_ahead(work, queue_id, size=wanted, after=max(0, first - 1))
    return work.low.head(work.db, queue, work.second, whole=False)


def free_messages(work: Work, queue: QueueRef, begin: Head, wanted: int) -> Iterator[Any]:
    """Yield the claimable messages, oldest first, storing as returned what came back.

    Passes over messages that other transactions have locked, but waits for these before it says
    that there is none: they may all leave theirs as they are.
    """
    queue_id, head = begin.queue_id, begin
    seen: set[int] = set()
    for patient in (False, True) if work.db.shared else (False,):
        if patient:
            again = work.low.head(work.db, queue, work.second, whole=True)
            if again is None or again.queue_id != queue_id:
                return  # deleted or purged meanwhile
            head = again
        for _ in range(ROUNDS):
            came, most = 0, _step(wanted)
            if head.due is not None:
                came = rows.promote(work, queue_id, most, head.due, wait=patient)
            returned = 0 if came else head.returned
            begins: _Begins = {FREE: head.free, RETURNED: returned}
            walk = partial(rows.walk, work, queue_id, size=wanted, wait=patient)
            for row in _in_order(begins, walk):
                if row.seq not in seen:
                    seen.add(row.seq)
                    yield row
            if came < most:
                break
        if seen:
            return


_Begins = dict[int | None, int | None]
"""The first number of each state, None where there is none. The state None is all of them."""


def _in_order(begins: _Begins, walk: Callable[..., Iterator[Any]], after: int = 0) -> Iterator[Any]:
    """Walk over the messages in some states together, by their number."""
    walks = [
        walk(state=state, after=max(after, first - 1))
        for state, first in begins.items()
        if first is not None
    ]
    return walks[0] if len(walks) == 1 else merge(*walks, key=attrgetter("seq"))


@dataclass(frozen=True, slots=True)
class _Listing:
    """What a page shall hold, after a number; None is a marker that nobody gave out."""

    after: int | None
    request: PageRequest

    @property
    def whole(self) -> bool:
        """Whether the page is of all states, which are one walk."""
        return self.request.include_claimed and self.request.include_delayed

    def page(self, session: Session, head: Head | None) -> Page[Message]:
        if head is None or self.after is None:
            return Page((), None)
        queue_id, request = head.queue_id, self.request
        begins: _Begins = {None: 0}
        if not self.whole:
            begins = {FREE: head.free, RETURNED: head.returned}
            begins |= {DELAYED: 0} if request.include_delayed else {}
            begins |= {CLAIMED: 0} if request.include_claimed else {}
        hidden = request.hide_client and session.db.packed(request.hide_client)
        walk = partial(rows.walk, session, queue_id, size=request.limit, hide_client=hidden)
        shown = list(islice(_in_order(begins, walk, self.after), request.limit))
        items = rows.to_messages(session, queue_id, shown)
        return Page(items, str(shown[-1].seq) if shown else None)


def _head(session: Session, queue: QueueRef, listings: Sequence[_Listing]) -> Head | None:
    """Where the pages may begin; None when there is no such queue."""
    if all(listing.whole for listing in listings):
        queue_id = find(session, queue)
        return None if queue_id is None else Head(queue_id, 0, None, None, None)
    return session.low.head(session.db, queue, session.second, whole=False)


def _post(work: Work, queue: QueueRef, messages: Sequence[NewMessage]) -> list[str | MQError]:
    if not messages:
        return []
    queue_id, first = reserve(work, queue, len(messages))
    new_rows = [
        {
            "queue_id": queue_id,
            "seq": seq,
            "id": new.id,
            "posted_at": work.now,
            "client": new.client and work.db.packed(new.client),
            "ttl": new.ttl,
            "expires_at": work.end(new.ttl),
            "state": DELAYED if new.delay else FREE,
            "visible_at": work.end(new.delay) if new.delay else 0,
            "claim_id": None,
            "claim_count": 0,
        }
        for seq, new in enumerate(messages, first)
    ]
    landed = rows.append(work, queue_id, new_rows)
    content = [
        {"queue_id": queue_id, "seq": seq, "body": new.body, "checksum": new.checksum}
        for seq, new in enumerate(messages, first)
        if seq in landed
    ]
    if content:
        work.db.later_many(_INSERT_BODIES, content)
    return [new.id for new in messages]


def _delete(
    work: Work, queue: QueueRef, handles: Sequence[Handle], all_or_nothing: bool
) -> Sequence[MQError | None]:
    of_ids = rows.by_ids(work, queue, [handle.id for handle in handles])
    if not of_ids:
        return [None] * len(handles)
    queue_id = of_ids[0].queue_id
    found = {row.id: row for row in of_ids}
    doomed: dict[str, Any] = {}
    unfit: dict[int, Handle] = {}
    for n, handle in enumerate(handles):
        row = found.get(handle.id)
        if row is None:
            continue
        held = rows.is_held(work, row)
        rightful = row.claim_id in handle.claim_ids if held else not handle.claim_ids
        if handle.force or rightful:
            doomed[handle.id] = row
        else:
            unfit[n] = handle
    errors: list[MQError | None] = [None] * len(handles)
    if unfit:
        live = _live_claims(work, queue_id, unfit.values())
        for n, handle in unfit.items():
            errors[n] = refusal = _refusal(queue, handle, live)
            if all_or_nothing:
                raise refusal
    rows.remove(work, queue_id, doomed.values())
    return errors


def _live_claims(work: Work, queue_id: int, handles: Iterable[Handle]) -> set[str]:
    """Those of the claims named by the handles that are live in this queue."""
    named = {text for h in handles for text in h.claim_ids if work.db.storable(text)}
    live: set[str] = set()
    for some in rows.chunks(named):
        wanted = {"q": queue_id, "ids": some, "now": work.second}
        live.update(work.db.column(_LIVE_CLAIMS, wanted))
    return live


def _refusal(queue: QueueRef, handle: Handle, live: set[str]) -> MQError:
    """Why the handle gives no right to its message."""
    if not handle.claim_ids:
        return MessageClaimed(handle.id)
    for claim_id in handle.claim_ids:
        if claim_id in live:
            return MessageNotClaimedBy(handle.id, claim_id)
    return ClaimNotFound(handle.claim_ids[0], queue)


def _pop(work: Work, queue: QueueRef, limit: int) -> tuple[Message, ...]:
    head = look(work, queue, limit)
    if head is None:
        return ()
    taken = list(islice(free_messages(work, queue, head, limit), limit))
    popped = rows.to_messages(work, head.queue_id, taken)
    rows.remove(work, head.queue_id, taken)
    return popped


def _from_marker(marker: str | None) -> int | None:
    """The number after which a page begins; None when the marker is malformed."""
    if not marker:
        return 0
    if not (marker.isascii() and marker.isdigit()):
        return None
    return min(int(marker[:20]), 2**63 - 1)
