"""Messages in MongoDB."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from bson import ObjectId
from pymongo import DeleteMany
from pymongo.errors import BulkWriteError

from mqcore.contract import (
    ClaimNotFound,
    Handle,
    Message,
    MessageClaimed,
    MessageController,
    MessageNotClaimedBy,
    Moment,
    MQError,
    NewMessage,
    Page,
    QueueEmpty,
    QueueRef,
    TooLarge,
    Unavailable,
)

from .errors import duplicates
from .leases import Leases, ended_claims
from .posts import PATIENCE, Posts
from .queues import purge
from .runs import Runs, posted
from .schema import BY_ID, BY_SEQ, CLAIMED, DELAYED, FREE, GONE, LATE, SHOWN
from .store import Document, Part, Store, View
from .taking import Taker
from .values import MESSAGE, to_document, to_message
from .walk import Walker

__all__ = ["BODY", "Messages"]

BODY = 15 * 1024 * 1024
"""The largest body: a document has at most 16 MiB."""
ATTEMPTS = 20
"""How often a post begins again when others settle it or have its ids."""


class Messages(MessageController):
    def __init__(
        self,
        store: Store,
        *,
        posts: Posts,
        runs: Runs,
        walker: Walker,
        leases: Leases,
        taker: Taker,
    ) -> None:
        self._store = store
        self._posts = posts
        self._runs = runs
        self._walker = walker
        self._leases = leases
        self._taker = taker

    def post(self, queue: QueueRef, messages: Sequence[NewMessage]) -> Sequence[str | MQError]:
        for new in messages:
            if len(new.body) > BODY:
                raise TooLarge(f"a message of {len(new.body)} bytes; MongoDB takes up to {BODY}")
        wanted = {new.id: new for new in messages}
        if wanted:
            self._store.call(lambda: self._post(queue, dict(wanted)))
            self._store.waking.tell(queue)
        return [new.id for new in messages]

    def _post(self, queue: QueueRef, wanted: dict[str, NewMessage]) -> None:
        for _ in range(ATTEMPTS):
            if not wanted or self._try_post(queue, list(wanted.values())):
                return
            for known in self._known(queue, list(wanted)):
                del wanted[known]
        raise Unavailable(
            f"{queue} at {self._store.place} is too busy: a post was given up {ATTEMPTS} times"
        ) from TimeoutError("others settled each attempt")

    def _try_post(self, queue: QueueRef, messages: Sequence[NewMessage]) -> bool:
        """Post all of them. False when an id is there already or others settled it."""
        at = self._store.moment()
        due = min((at.end(new.delay) for new in messages if new.delay), default=None)
        view, listed = self._posts.begin(queue, len(messages), at, due=due)
        first, post = listed["first"], listed["post"]
        documents = [
            to_document(new, at, view.q, seq, post) for seq, new in enumerate(messages, first)
        ]
        self._runs.cover(view.q, posted(documents))
        try:
            self._store.safe["messages"].insert_many(documents)
        except BulkWriteError as error:
            duplicates(error)
            self._posts.give_up(view, listed)
            return False
        if not self._posts.end(view, listed):
            self._posts.give_up(view, listed)
            return False
        self._store.count(view.q, messages=len(messages))
        self._posts.settle_slow(view, at)
        return True

    def _known(self, queue: QueueRef, ids: Sequence[str]) -> list[str]:
        """Those of the ids that are in the queue for certain.

        Settles the posts that have them, which are earlier attempts at the same call, and removes
        what is over.
        """
        view = self._store.view(queue)
        if view is None:
            return []
        at = self._store.moment()
        messages = self._store.safe["messages"]
        here = {"q": view.q, "id": {"$in": list(ids)}}
        fields = {"seq": 1, "id": 1, "ends": 1, "state": 1}
        seqs = [each["seq"] for each in messages.find(here, fields, hint=BY_ID)]
        self._posts.settle_those_of(view, seqs, at)
        again = self._store.view(queue)
        if again is None or again.q != view.q:
            return []
        # Read after the queue: what is not under way then, is there for good.
        found = list(messages.find(here, fields, hint=BY_ID))
        over = [each for each in found if each["ends"] <= at.second or each["state"] == GONE]
        if over:
            some = {"q": view.q, "seq": {"$in": [each["seq"] for each in over]}}
            still = {"$or": [{"ends": {"$lte": at.second}}, {"state": GONE}]}
            done = messages.delete_many({**some, **still}, hint=BY_SEQ)
            self._store.count(view.q, messages=-done.deleted_count)
        return [each["id"] for each in found if each not in over and again.shows(each["seq"])]

    def get_many(self, queue: QueueRef, ids: Sequence[str]) -> tuple[Message, ...]:
        return self._store.call(lambda: self._get_many(queue, list(dict.fromkeys(ids))))

    def _get_many(self, queue: QueueRef, ids: list[str]) -> tuple[Message, ...]:
        while True:
            at = self._store.moment()
            view = self._store.view(queue)
            if view is None:
                return ()
            here = {"q": view.q, "id": {"$in": ids}}
            found = list(self._store.fast["messages"].find(here, MESSAGE, hint=BY_ID))
            if not self._posts.settle_those_of(view, [each["seq"] for each in found], at):
                break
        shown = {each["id"]: each for each in found if _is_shown(each, view, at)}
        messages = [shown[each] for each in ids if each in shown]
        return self._to_messages(view.q, messages, at)

    def _to_messages(self, q: int, found: Sequence[Document], at: Moment) -> tuple[Message, ...]:
        holders = self._leases.holders(q, found, at)
        return tuple(map(to_message, found, holders))

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
        states = [FREE, *[DELAYED] * include_delayed, *[CLAIMED] * include_claimed]

        def page() -> Page[Message]:
            view = self._settled(queue)
            after = None if view is None else _after(marker, view)
            if view is None or after is None:
                return Page((), None)
            at = self._store.moment()
            walk = self._walker.walk(
                view,
                at,
                states,
                after=after,
                size=limit,
                fields={"_id": 0, "post": 0},
                hide_client=hide_client,
                settled=True,
            )
            found = list(islice(walk, limit))
            items = self._to_messages(view.q, found, at)
            return Page(items, f"{view.u}-{found[-1]['seq']}" if found else None)

        return self._store.call(page)

    def _settled(self, queue: QueueRef) -> View | None:
        """The queue, with all back that should be, up to where a post is under way."""
        at = self._store.moment()
        found = self._store.look(queue, lambda q: [ended_claims(q, at)], hint=LATE, settled=True)
        if found is None:
            return None
        ended = self._leases.end(found.view.q, found.parts[0], at) if found.parts[0] else 0
        if self._leases.undelay(found.view, at) or ended or found.view.posts:
            return self._up_to_posts(queue, at)
        return found.view

    def _up_to_posts(self, queue: QueueRef, at: Moment) -> View | None:
        """The queue up to the first post under way. One with others behind it is settled first."""
        view = self._store.view(queue, settled=True)
        if view is None:
            return None
        settled = []
        for listed in view.posts:
            if listed["first"] + listed["n"] < view.next or self._posts.is_whole(view.q, listed):
                self._posts.settle(view, listed, at, patience=PATIENCE)
                settled.append(listed["post"])
        if not view.posts:
            return view
        view = self._store.view(queue, settled=True)
        if view is None:
            return None
        # What this shows may lag behind what was just settled.
        firsts = [each["first"] for each in view.posts if each["post"] not in settled]
        return replace(view, next=min([view.next, *firsts]), posts=())

    def first(self, queue: QueueRef, sort: int = 1) -> Message:
        if sort not in (1, -1):
            raise ValueError("sort is 1 for the oldest message or -1 for the newest")

        def find() -> Message:
            view = self._store.view(queue)
            if view is None:
                raise QueueEmpty(queue)
            at = self._store.moment()
            walk = self._walker.walk(view, at, SHOWN, size=2, backwards=sort == -1)
            for found in islice(walk, 1):
                return self._to_messages(view.q, [found], at)[0]
            raise QueueEmpty(queue)

        return self._store.call(find)

    def delete(
        self, queue: QueueRef, handles: Sequence[Handle], *, all_or_nothing: bool = False
    ) -> Sequence[MQError | None]:
        if not handles:
            return []
        return self._store.call(lambda: self._delete(queue, handles, all_or_nothing))

    def _delete(
        self, queue: QueueRef, handles: Sequence[Handle], all_or_nothing: bool
    ) -> Sequence[MQError | None]:
        ids = list({each.id for each in handles})
        fields = {"id": 1, "seq": 1, "state": 1, "ends": 1, "claim": 1, "lease": 1}

        def parts(q: int) -> list[Part]:
            wanted = {"q": q, "id": {"$in": ids}}
            return [Part("messages", [{"$match": wanted}, {"$project": fields}])]

        while True:
            at = self._store.moment()
            found = self._store.look(queue, parts, hint=BY_ID)
            if found is None:
                return [None] * len(handles)
            if self._posts.settle_those_of(found.view, [e["seq"] for e in found.parts[0]], at):
                continue
            there = {e["id"]: e for e in found.parts[0] if _is_shown(e, found.view, at)}
            q = found.view.q
            named = {each for handle in handles for each in handle.claim_ids}
            named |= {each["claim"] for each in there.values() if each["state"] == CLAIMED}
            live = self._leases.live(q, named, at)
            errors = [_refusal(queue, handle, there.get(handle.id), live) for handle in handles]
            for error in errors:
                if error and all_or_nothing:
                    raise error
            doomed = [
                (there[handle.id], handle.force)
                for handle, error in zip(handles, errors, strict=True)
                if not error and handle.id in there
            ]
            # Who finds such a claim without messages later takes it for one that was never made.
            unheard = [each["_id"] for each in live.values() if each.get("open")]
            if doomed and unheard:
                self._leases.close(q, unheard)
            if self._remove(q, doomed):
                return errors

    def _remove(self, q: int, doomed: Sequence[tuple[Document, bool]]) -> bool:
        """Delete them, each if nothing has changed; whether all are gone."""
        if not doomed:
            return True
        by_lease: dict[ObjectId | None, list[int]] = {}
        forced = []
        for each, force in doomed:
            if force:
                forced.append(each["seq"])
            else:
                by_lease.setdefault(each.get("lease"), []).append(each["seq"])
        wanted: list[Document] = [
            {"seq": {"$in": seqs}, "lease": lease or {"$exists": False}, "state": {"$lt": GONE}}
            for lease, seqs in by_lease.items()
        ]
        if forced:
            wanted.append({"seq": {"$in": forced}, "state": {"$lt": GONE}})
        writes = [DeleteMany({"q": q, **each}, hint=BY_SEQ) for each in wanted]
        done = self._store.safe["messages"].bulk_write(writes, ordered=False)
        held = sum(each["state"] == CLAIMED for each, _ in doomed)
        self._store.count(q, messages=-done.deleted_count, held=-min(held, done.deleted_count))
        return done.deleted_count == len({each["seq"] for each, _ in doomed})

    def pop(self, queue: QueueRef, limit: int) -> tuple[Message, ...]:
        taken = self._store.call(lambda: self._taker.pop(queue, limit), repeat=False)
        return tuple(map(to_message, taken))

    def purge(self, queue: QueueRef) -> None:
        self._store.call(lambda: purge(self._store, queue))


def _is_shown(found: Document, view: View, at: Moment) -> bool:
    return found["state"] != GONE and found["ends"] > at.second and view.shows(found["seq"])


def _after(marker: str | None, view: View) -> int | None:
    """The number that the marker stands for; None when it is malformed.

    One of an earlier queue of the name stands before everything.
    """
    if not marker:
        return 0
    u, _, seq = marker.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in (u, seq)):
        return None
    return int(seq) if int(u) == view.u else 0


def _refusal(
    queue: QueueRef, handle: Handle, found: Document | None, live: dict[str, Document]
) -> MQError | None:
    if found is None or handle.force:
        return None
    holder = None
    if found["state"] == CLAIMED:
        claim = live.get(found["claim"])
        holder = found["claim"] if claim and claim["lease"] == found["lease"] else None
    if not handle.claim_ids:
        return MessageClaimed(handle.id) if holder else None
    if holder in handle.claim_ids:
        return None
    known = [each for each in handle.claim_ids if each in live]
    if not known:
        return ClaimNotFound(handle.claim_ids[0], queue)
    return MessageNotClaimedBy(handle.id, known[0])
