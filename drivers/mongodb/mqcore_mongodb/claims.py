"""Claims in MongoDB."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId
from pymongo import DeleteOne, UpdateMany
from pymongo.errors import BulkWriteError

from mqcore.contract import (
    Claim,
    ClaimController,
    ClaimNotFound,
    ClaimRequest,
    DeadLetter,
    MetadataConflict,
    Moment,
    MQError,
    QueueNotFound,
    QueueRef,
    Unavailable,
)

from .burial import Burial
from .errors import duplicates
from .leases import Leases, claim_key, held_by
from .runs import ANYBODY, Runs
from .schema import BY_SEQ, CLAIMED, FREE
from .store import Document, Store, joined
from .taking import ATTEMPTS, Found, Taker
from .values import MESSAGE, to_message

__all__ = ["Claims"]

MOST_MOVED = 1000
"""The most messages that one call moves to dead-letter queues; the next one goes on."""


@dataclass
class Call:
    """A call of `claim`: the results so far, and the places of requests without one."""

    queue: QueueRef
    requests: Sequence[ClaimRequest]
    results: list[Claim | MQError | None]
    open: list[int]
    moved: int = 0
    lost: bool = False
    """Whether others were faster at the last attempt."""

    @property
    def is_new(self) -> bool:
        """Whether nothing was done yet."""
        return len(self.open) == len(self.requests) and not self.moved

    def finish(self, place: int, result: Claim | MQError | None) -> None:
        self.results[place] = result
        self.open.remove(place)


@dataclass(frozen=True)
class Share:
    """What a request is to have: messages to claim, or to move away first."""

    place: int
    request: ClaimRequest
    chosen: list[Document] = field(default_factory=list)
    spent: list[Document] = field(default_factory=list)

    @property
    def full(self) -> bool:
        return len(self.chosen) == self.request.limit


class Claims(ClaimController):
    def __init__(
        self, store: Store, runs: Runs, leases: Leases, taker: Taker, burial: Burial
    ) -> None:
        self._store = store
        self._runs = runs
        self._leases = leases
        self._taker = taker
        self._burial = burial

    def claim(
        self, queue: QueueRef, requests: Sequence[ClaimRequest]
    ) -> Sequence[Claim | MQError | None]:
        def work() -> list[Claim | MQError | None]:
            call = Call(queue, requests, [None] * len(requests), list(range(len(requests))))
            self._claim(call)
            return call.results

        return self._store.call(work)

    def _claim(self, call: Call) -> None:
        attempt = 0
        while call.open and attempt < ATTEMPTS and call.moved < MOST_MOVED:
            requests = [call.requests[place] for place in call.open]
            wanted = sum(request.limit for request in requests) + call.moved
            with self._taker.find(
                call.queue,
                wanted,
                attempt=attempt,
                claim_ids=[request.id for request in requests],
                counts=any(request.dead_letter for request in requests),
            ) as found:
                if found is None:
                    return
                if call.is_new and call.queue.if_version not in (None, found.view.version):
                    raise MetadataConflict(call.queue)
                if not self._go_on(call, found):
                    return
                attempt += call.lost
        if attempt == ATTEMPTS:
            raise Unavailable(
                f"{call.queue} at {self._store.place} is too busy: others took all messages first"
            ) from TimeoutError(f"{ATTEMPTS} attempts")

    def _go_on(self, call: Call, found: Found) -> bool:
        """Serve requests with what was found; whether there may be more to do."""
        call.lost = False
        if self._serve_known(call, found):
            return True
        shares = _shares(call, found.messages)
        if any(self._move(call, found, share) for share in shares):
            return True
        if shares:
            call.lost = not self._take(call, found, shares)
        return bool(shares)

    def _serve_known(self, call: Call, found: Found) -> bool:
        """Answer requests whose claims there are already; whether there were any."""
        q = found.view.q
        known = {each["_id"]: each for each in found.claims}
        for place in list(call.open):
            claim = known.get(claim_key(q, call.requests[place].id))
            if claim is None:
                continue
            if claim["over"] <= found.at.second:
                self._leases.end(q, [claim], found.at)
                continue
            # Whoever began one that is open may be dead, or a moment behind us.
            made = self._make(q, [claim]) if claim.get("open") else self._read(q, [claim])
            if made[0] is not None:
                call.finish(place, made[0])
        return bool(known)

    def _move(self, call: Call, found: Found, share: Share) -> bool:
        """Move messages that were claimed too often; whether there were any."""
        letter = share.request.dead_letter
        if letter is None or not share.spent:
            return False
        target = QueueRef(call.queue.project, letter.name)
        try:
            call.moved += self._burial.move(found.view, share.spent, target, letter, found.at)
            self._store.waking.tell(target)
        except QueueNotFound as missing:
            call.finish(share.place, missing)
        return True

    def _take(self, call: Call, found: Found, shares: Sequence[Share]) -> bool:
        """Claim what the shares have chosen; whether any claim got something."""
        q, at = found.view.q, found.at
        claims = [_document(q, share.request, share.chosen, at) for share in shares]
        beginners = list(zip(shares, claims, strict=True))
        try:
            self._store.fast["claims"].insert_many([dict(each) for each in claims], ordered=False)
        except BulkWriteError as error:
            # The same request is being served at the same time.
            there = duplicates(error)
            beginners = [each for place, each in enumerate(beginners) if place not in there]
        made = self._make(q, [claim for _, claim in beginners])
        for (share, _), result in zip(beginners, made, strict=True):
            if result is not None:
                call.finish(share.place, result)
        held = sum(len(each.messages) for each in made if each)
        self._store.count(q, held=held)
        return held > 0

    def _make(self, q: int, claims: Sequence[Document]) -> list[Claim | None]:
        """Take what is free still of what the claims may hold; remove those that hold nothing.

        Who was too late for all does not wait for the disk. What a failover has forgotten is not
        there when the claims are read, and what is there then is safe.
        """
        kept = claims if self._mark(q, claims) else self._holding(q, claims)
        made: dict[ObjectId, Claim | None] = {}
        if kept:
            self._leases.settle(q, [claim["_id"] for claim in kept])
            results = self._read(q, kept)
            made = {claim["lease"]: one for claim, one in zip(kept, results, strict=True)}
        unmade = [
            DeleteOne({**_this(claim), "open": True})
            for claim in claims
            if made.get(claim["lease"]) is None
        ]
        if unmade:
            self._store.fast["claims"].bulk_write(unmade, ordered=False)
        return [made.get(claim["lease"]) for claim in claims]

    def _holding(self, q: int, claims: Sequence[Document]) -> list[Document]:
        """Those of the claims that hold something."""
        messages = self._store.fast["messages"]
        found = messages.find(held_by(q, claims), {"_id": 0, "lease": 1}).hint(BY_SEQ)
        held = {each["lease"] for each in found}
        return [claim for claim in claims if claim["lease"] in held]

    def _mark(self, q: int, claims: Sequence[Document]) -> bool:
        """Put those messages under the claims that are free still; whether these are all.

        It is not safe before the claims are settled.
        """
        writes = []
        for claim in claims:
            these = {"q": q, "seq": {"$in": claim["seqs"]}}
            held = {"state": CLAIMED, "lease": claim["lease"], "claim": claim["id"]}
            change = {"$set": held, "$inc": {"count": 1}}
            writes.append(UpdateMany({**these, "state": FREE}, change, hint=BY_SEQ))
            if claim["low"] < claim["over"]:
                writes.append(self._extension(q, claim, claim["over"], claim))
        if not writes:
            return True
        done = self._store.fast["messages"].bulk_write(writes)
        # Lives that were extended are counted, too: then it cannot be told.
        marked = done.modified_count if len(writes) == len(claims) else 0
        return marked == sum(len(claim["seqs"]) for claim in claims)

    def _extension(self, q: int, claim: Document, over: int, terms: Document) -> UpdateMany:
        """Have those that the claim holds and that would die before its end live longer."""
        ends = over + terms["grace"]
        self._runs.cover(q, ((seq, ends, ANYBODY) for seq in claim["seqs"]))
        dying = {"seq": {"$in": claim["seqs"]}, "lease": claim["lease"], "ends": {"$lt": over}}
        change = {"$set": {"ends": ends, "ttl": terms["ttl"] + terms["grace"]}}
        return UpdateMany({"q": q, **dying}, change, hint=BY_SEQ)

    def _read(self, q: int, claims: Sequence[Document]) -> list[Claim | None]:
        """The claims with what they hold; None for one that holds nothing or is not there.

        One is not there when a failover has forgotten it, or others end it since it is over. Then
        what it holds is let go.
        """
        itself = {"_id": {"$in": [claim["_id"] for claim in claims]}, "q": q, "over": {"$gt": 0}}
        fields = {"lease": 1, "ttl": 1, "grace": 1, "renewed": 1}
        pipeline: list[Mapping[str, Any]] = [
            {"$match": held_by(q, claims)},
            {"$sort": {"seq": 1}},
            {"$project": MESSAGE},
            joined("claims", 1, [{"$match": itself}, {"$project": fields}]),
        ]
        held: dict[ObjectId, list[Document]] = {claim["lease"]: [] for claim in claims}
        there: dict[ObjectId, Document] = {}
        for each in self._store.fast["messages"].aggregate(pipeline, hint=BY_SEQ):
            if "part" in each:
                there[each["lease"]] = each
            else:
                held[each["lease"]].append(each)
        lost = [claim for claim in claims if claim["lease"] not in there]
        self._leases.free(q, lost)
        kept = [claim["_id"] for claim in claims if held[claim["lease"]] and claim not in lost]
        if kept:
            self._leases.close(q, kept, heard=False)
        return [
            _to_claim({**claim, **there[claim["lease"]]}, held[claim["lease"]])
            if claim["_id"] in kept or ("open" not in claim and claim not in lost)
            else None
            for claim in claims
        ]

    def get(self, queue: QueueRef, claim_id: str) -> Claim:
        def work() -> Claim:
            q, claim = self._live(queue, claim_id)
            made = self._read(q, [claim])[0]
            if made is None:
                raise ClaimNotFound(claim_id, queue)
            return made

        return self._store.call(work)

    def _live(self, queue: QueueRef, claim_id: str) -> tuple[int, Document]:
        """The queue's `q` and the claim. Raises ClaimNotFound."""
        view = self._store.view(queue)
        if view is not None:
            at = self._store.moment()
            wanted = {"_id": claim_key(view.q, claim_id), "q": view.q}
            claim = self._store.fast["claims"].find_one({**wanted, "over": {"$gt": at.second}})
            if claim is not None:
                return view.q, claim
        raise ClaimNotFound(claim_id, queue)

    def renew(self, queue: QueueRef, claim_id: str, *, ttl: int, grace: int) -> None:
        def work() -> None:
            view = self._store.view(queue)
            if view is None:
                raise ClaimNotFound(claim_id, queue)
            at = self._store.moment()
            over = at.end(ttl)
            terms = {"over": over, "ttl": ttl, "grace": grace, "renewed": at.now}
            wanted = {"_id": claim_key(view.q, claim_id), "q": view.q}
            claim = self._store.safe["claims"].find_one_and_update(
                {**wanted, "over": {"$gt": at.second}}, {"$set": terms}
            )
            if claim is None:
                raise ClaimNotFound(claim_id, queue)
            if claim["low"] < over:
                extension = self._extension(view.q, claim, over, terms)
                self._store.safe["messages"].bulk_write([extension])

        self._store.call(work)

    def release(self, queue: QueueRef, claim_id: str) -> None:
        def work() -> None:
            view = self._store.view(queue)
            if view is None:
                return
            claims = self._store.fast["claims"]
            # One that is over, too: nobody whose clock is behind can renew it then.
            claim = claims.find_one({"_id": claim_key(view.q, claim_id), "q": view.q})
            if claim is None:
                return
            this = _this(claim)
            claims.update_one(this, {"$set": {"over": 0}})
            self._leases.free(view.q, [claim])
            claims.delete_one(this)

        self._store.call(work)
        self._store.waking.tell(queue)


def _shares(call: Call, messages: Sequence[Document]) -> list[Share]:
    """Give each request its messages, in order. Those with none are left out."""
    shares: list[Share] = []
    begun: set[str] = set()
    left = list(messages)
    for place in call.open:
        request = call.requests[place]
        if request.id in begun:
            continue
        begun.add(request.id)
        share = Share(place, request)
        for each in left:
            if share.full:
                break
            worn = _is_spent(each, request.dead_letter)
            (share.spent if worn else share.chosen).append(each)
        if share.chosen or share.spent:
            shares.append(share)
        left = left[len(share.chosen) + len(share.spent) :]
    return shares


def _is_spent(message: Document, letter: DeadLetter | None) -> bool:
    return letter is not None and message["count"] >= letter.max_claims


def _document(q: int, request: ClaimRequest, chosen: Sequence[Document], at: Moment) -> Document:
    return {
        "_id": claim_key(q, request.id),
        "q": q,
        "id": request.id,
        "lease": ObjectId(),
        "seqs": [each["seq"] for each in chosen],
        "low": min(each["ends"] for each in chosen),
        "over": at.end(request.ttl),
        "ttl": request.ttl,
        "grace": request.grace,
        "renewed": at.now,
        "open": True,
    }


def _this(claim: Document) -> Document:
    return {"_id": claim["_id"], "q": claim["q"], "lease": claim["lease"]}


def _to_claim(claim: Document, held: Sequence[Document]) -> Claim:
    messages = tuple(to_message(each, claim["id"]) for each in held)
    return Claim(claim["id"], claim["ttl"], claim["grace"], claim["renewed"], messages)
