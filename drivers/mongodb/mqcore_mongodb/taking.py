"""Finding messages that can be claimed, oldest first, and taking them from under others."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from secrets import randbelow
from typing import Any

from bson import ObjectId

from mqcore.contract import Moment, QueueRef, Unavailable

from .leases import PATIENCE, PAUSE, Leases, claim_key, claims_being_made, ended_claims
from .posts import Posts
from .schema import BY_SEQ, BY_STATE, FREE, GONE
from .store import Document, Part, Pipeline, Store, View
from .turns import Turns, turns
from .values import MESSAGE
from .walk import Walker

__all__ = ["ATTEMPTS", "Found", "Taker"]

ATTEMPTS = 100
"""How often a call looks for messages when others always take them first."""
KEPT = 1000
"""Of how many queues it is remembered whether others take messages there."""
SHARES = 32
"""Among how many claimers messages are divided while several processes claim."""
TRIES = 2
"""In how many shares a call looks before it takes any."""
REACH = 4 * SHARES
"""How many times as many messages as are wanted a call looks at then."""
MOST = 5000
"""The most messages that a call takes at once."""


@dataclass(frozen=True, slots=True)
class Found:
    """What can be claimed, and which of the claims asked for live or have lived."""

    view: View
    at: Moment
    messages: Sequence[Document]
    claims: Sequence[Document]


class Taker:
    def __init__(self, store: Store, walker: Walker, leases: Leases, posts: Posts) -> None:
        self._store = store
        self._walker = walker
        self._leases = leases
        self._posts = posts
        self._turns: dict[QueueRef, Turns] = {}

    def _turn(self, queue: QueueRef) -> Turns:
        turn = self._turns.get(queue)
        if turn is None:
            if len(self._turns) >= KEPT:
                self._turns.clear()
            turn = self._turns[queue] = turns((self._store.place, queue))
        return turn

    @contextmanager
    def find(
        self,
        queue: QueueRef,
        wanted: int,
        *,
        attempt: int = 0,
        claim_ids: Sequence[str] = (),
        counts: bool = False,
    ) -> Iterator[Found | None]:
        """Find claimable messages, which other threads of this process leave alone meanwhile."""
        turn = self._turn(queue)
        seqs: list[int] = []
        with turn.turn():
            if attempt:
                turn.crowd(lost=True)
            found = self._find(queue, wanted, turn, claim_ids, counts=counts)
            if found is not None:
                seqs = [each["seq"] for each in found.messages]
            turn.taken.update(seqs)
        try:
            yield found
        finally:
            turn.end(seqs)

    def _find(
        self,
        queue: QueueRef,
        wanted: int,
        turn: Turns,
        claim_ids: Sequence[str],
        *,
        counts: bool,
    ) -> Found | None:
        """Up to `wanted` that nobody is about to take; none only if there are none.

        None without a queue. Lets come back what should, first. While other processes take
        messages, too, these may be some behind the first ones, so that they are not in each
        other's way. `counts`: with the count of each.
        """
        wanted = min(wanted, MOST)
        fields = {"_id": 0, "seq": 1, "ends": 1, **({"count": 1} if counts else {})}
        deadline = time.monotonic() + PATIENCE
        tries = TRIES
        reach = SHARES if counts else REACH  # counts are in no index
        while True:
            at = self._store.moment()
            avoided = set(turn.taken)
            crowded = turn.crowded
            sharing = crowded and tries > 0
            size = min(wanted * (reach if crowded else 1), MOST) + len(avoided)
            candidates: Pipeline = [
                {"$sort": {"seq": 1}},
                {"$limit": size},
                *([_share(wanted, turn.place)] if sharing else []),
                {"$project": fields},
            ]
            parts = partial(_parts, at=at, candidates=candidates, claim_ids=claim_ids)
            look = self._store.look(queue, parts, hint=BY_STATE)
            if look is None:
                return None
            view, (free, ended, making, *known) = look.view, look.parts
            back = self._leases.end(view.q, ended, at) if ended else 0
            if back or self._leases.undelay(view, at):
                continue
            live = [each for each in free if each["ends"] > at.second and view.shows(each["seq"])]
            if len(live) < len(free):
                walk = self._walker.walk(view, at, [FREE], size=size, fields=fields)
                live = list(islice(walk, size))
            mine = {claim_key(view.q, each) for each in claim_ids}
            others = [
                each
                for each in making
                if each["_id"] not in mine and avoided.isdisjoint(each["seqs"])
            ]
            # One that has marked its messages may be answered already, before we began.
            if not all(each.get("marked") for each in others):
                turn.crowd()
            avoided.update(*(each["seqs"] for each in others))
            messages = [each for each in live if each["seq"] not in avoided]
            if sharing and len(messages) < wanted:
                turn.move()
                tries -= 1
                continue
            if live and not messages and time.monotonic() < deadline:
                time.sleep(PAUSE)  # they are about to be taken, or there are more behind them
                continue
            if not live and (self._posts.finish_whole(view, at) or self._any_free(view, at)):
                continue
            chosen = messages or live
            spare = len(chosen) - wanted
            start = randbelow(spare) if crowded and not sharing and spare > 0 else 0
            chosen = chosen[start : start + wanted]
            return Found(view, at, chosen, known[0] if known else ())

    def _any_free(self, view: View, at: Moment) -> bool:
        """Whether something came back between the looks at messages and at ended claims."""
        return next(self._walker.walk(view, at, [FREE], size=1), None) is not None

    def pop(self, queue: QueueRef, limit: int) -> list[Document]:
        """Take them out of the queue for good."""
        messages = self._store.safe["messages"]
        for attempt in range(ATTEMPTS):
            with self.find(queue, limit, attempt=attempt) as found:
                if found is None or not found.messages:
                    return []
                q, lease = found.view.q, ObjectId()
                these = {"q": q, "seq": {"$in": [each["seq"] for each in found.messages]}}
                # Not over yet: nobody is to collect them before they are read.
                change = {"$set": {"state": GONE, "lease": lease}}
                messages.update_many({**these, "state": FREE}, change, hint=BY_SEQ)
            taken = list(messages.find({**these, "lease": lease}, MESSAGE).hint(BY_SEQ).sort("seq"))
            if taken:
                self._store.unheard["messages"].delete_many({**these, "lease": lease})
                self._store.count(q, messages=-len(taken))
                return taken
        raise Unavailable(
            f"{queue} at {self._store.place} is too busy: others took all messages first"
        ) from TimeoutError(f"{ATTEMPTS} attempts")


def _parts(q: int, *, at: Moment, candidates: Pipeline, claim_ids: Sequence[str]) -> list[Part]:
    """Free messages; claims that are over, and those that others make; the claims of these ids."""
    known = {"_id": {"$in": [claim_key(q, each) for each in claim_ids]}, "q": q}
    return [
        Part("messages", [{"$match": {"q": q, "state": FREE}}, *candidates]),
        ended_claims(q, at),
        claims_being_made(q),
        *([Part("claims", [{"$match": known}])] if claim_ids else []),
    ]


def _share(wanted: int, place: int) -> Mapping[str, Any]:
    """A stage that leaves messages for one of SHARES claimers, in parts of as many as it wants."""
    part = {"$floor": {"$divide": ["$seq", wanted]}}
    return {"$match": {"$expr": {"$eq": [{"$mod": [part, SHARES]}, place % SHARES]}}}
