"""Who holds what: claims that live, and what comes back from those that are over.

A claim's document alone says whether it lives; a message names the lease of its claim. So a renewal
and a release are one write to one document. Before what a claim held comes back, the claim is
ended for good, so that nobody whose clock is behind can renew it.
"""

import time
from collections.abc import Collection, Sequence

from mqcore.contract import Moment

from .schema import BY_SEQ, CLAIMED, DELAYED, FREE, UNDELAYED
from .store import Document, Part, Store, View

__all__ = ["Leases", "claim_key", "claims_being_made", "ended_claims", "held_by"]

PATIENCE = 0.5
"""Seconds that a claim may take to be made when it is over already."""
PAUSE = 0.002
"""Seconds between two looks at it."""
MAKING = 10**9
"""Nanoseconds for which it is taken into account that somebody makes a claim."""
CROWD = 64
"""How many of the newest claims are looked at for that."""
MOST_ENDED = 50
"""The most claims that one call ends."""
MOST_UNDELAYED = 1000
"""The most delayed messages that one call frees."""


def claim_key(q: int, claim_id: str) -> str:
    """The `_id` of the claim's document."""
    return f"{q}/{claim_id}"


def ended_claims(q: int, at: Moment) -> Part:
    """Those that are over and whose messages have not come back."""
    return Part(
        "claims",
        [
            {"$match": {"q": q, "over": {"$lte": at.second}}},
            {"$limit": MOST_ENDED},
            {"$project": {"seqs": 1, "lease": 1, "open": 1}},
        ],
    )


def claims_being_made(q: int) -> Part:
    """What others are about to take, who began to make claims a moment ago. It is a hint.

    Ids of core begin with the time (`mqcore.contract.new_id`); of others it sees nothing.
    """
    since, until = (
        claim_key(q, f"{time.time_ns() + beside >> 4:015x}") for beside in (-MAKING, MAKING)
    )
    return Part(
        "claims",
        [
            {"$match": {"_id": {"$gte": since, "$lt": until}, "q": q}},
            {"$sort": {"_id": -1}},
            {"$limit": CROWD},
            {"$match": {"open": True, "over": {"$gt": 0}}},
            {"$project": {"seqs": 1, "marked": 1}},
        ],
    )


def held_by(q: int, claims: Sequence[Document]) -> Document:
    """What finds the messages that the claims hold, among those that they may hold."""
    seqs = [seq for each in claims for seq in each["seqs"]]
    return {"q": q, "seq": {"$in": seqs}, "lease": {"$in": [each["lease"] for each in claims]}}


class Leases:
    def __init__(self, store: Store) -> None:
        self._store = store

    def live(self, q: int, claim_ids: Collection[str], at: Moment) -> dict[str, Document]:
        """Those of the claims that live, by their id."""
        if not claim_ids:
            return {}
        keys = {claim_key(q, each): each for each in claim_ids}
        wanted = {"_id": {"$in": list(keys)}, "q": q, "over": {"$gt": at.second}}
        found = self._store.fast["claims"].find(
            wanted, {"lease": 1, "over": 1, "open": 1}, hint="_id_"
        )
        return {keys[each["_id"]]: each for each in found}

    def holders(self, q: int, messages: Sequence[Document], at: Moment) -> list[str | None]:
        """For each message, the live claim that holds it."""
        named = {each["claim"] for each in messages if each["state"] == CLAIMED}
        live = self.live(q, named, at)
        return [
            each["claim"]
            if each["state"] == CLAIMED
            and each["claim"] in live
            and live[each["claim"]]["lease"] == each["lease"]
            else None
            for each in messages
        ]

    def end(self, q: int, claims: Sequence[Document], at: Moment) -> int:
        """End those of the claims that are over, and free what they held; how many."""
        leases = [each["lease"] for each in claims]
        keys = [each["_id"] for each in claims]
        these = {"_id": {"$in": keys}, "q": q, "lease": {"$in": leases}}
        ends = self._store.fast["claims"]
        if any(each.get("open") for each in claims):
            self._wait_for_makers(these)
        ends.update_many({**these, "over": {"$gt": 0, "$lte": at.second}}, {"$set": {"over": 0}})
        dead = list(ends.find({**these, "over": 0}, {"seqs": 1, "lease": 1}, hint="_id_"))
        self.free(q, dead)
        freed = {"$in": [each["lease"] for each in dead]}
        gone = ends.delete_many({**these, "lease": freed, "over": 0})
        return gone.deleted_count

    def _wait_for_makers(self, these: Document) -> None:
        """Let those who are just making these claims finish, unless they are dead.

        Else they would not see what they took, and take more for the same request.
        """
        deadline = time.monotonic() + PATIENCE
        made = {**these, "open": True}
        while self._store.fast["claims"].find_one(made, {"_id": 1}, hint="_id_"):
            if time.monotonic() > deadline:
                return
            time.sleep(PAUSE)

    def settle(self, q: int, keys: Sequence[str]) -> None:
        """Return when what was marked before for the claims of these `_id`s is safe.

        So it is when a later write of the same primary is.
        """
        these = {"_id": {"$in": list(keys)}, "q": q, "open": True}
        self._store.safe["claims"].update_many(these, {"$set": {"marked": True}})

    def close(self, q: int, keys: Sequence[str], *, heard: bool = True) -> None:
        """Write down that the claims of these `_id`s are made; unless `heard`, wait for nothing."""
        claims = (self._store.fast if heard else self._store.unheard)["claims"]
        made = {"_id": {"$in": list(keys)}, "q": q, "open": True}
        claims.update_many(made, {"$unset": {"open": "", "marked": ""}})

    def free(self, q: int, claims: Sequence[Document]) -> None:
        """Let go of all messages of claims that are ended for good."""
        if not any(each["seqs"] for each in claims):
            return
        change = {"$set": {"state": FREE}, "$unset": {"lease": "", "claim": ""}}
        freed = self._store.safe["messages"].update_many(held_by(q, claims), change, hint=BY_SEQ)
        self._store.count(q, held=-freed.modified_count)

    def undelay(self, view: View, at: Moment) -> bool:
        """Free delayed messages that are due; whether there were any."""
        if view.due is None or view.due > at.second:
            return False
        messages = self._store.fast["messages"]
        here = {"q": view.q, "due": {"$lte": at.second}}
        due = messages.find(here, {"seq": 1}).hint(UNDELAYED).sort("due", 1).limit(MOST_UNDELAYED)
        seqs = [each["seq"] for each in due]
        if seqs:
            self._store.safe["messages"].update_many(
                {"q": view.q, "seq": {"$in": seqs}, "state": DELAYED},
                {"$set": {"state": FREE}, "$unset": {"due": ""}},
                hint=BY_SEQ,
            )
        if len(seqs) < MOST_UNDELAYED:
            self._note_next(view)
        return bool(seqs)

    def _note_next(self, view: View) -> None:
        """Write down when the next delay is over, unless somebody posts at the same time."""
        if view.posts:
            return
        found = self._store.fast["messages"].find({"q": view.q, "due": {"$gt": 0}}, {"due": 1})
        first = next(iter(found.hint(UNDELAYED).sort("due", 1).limit(1)), None)
        change = {"$set": {"due": first["due"]}} if first else {"$unset": {"due": ""}}
        same = {"_id": view.key, "q": view.q, "next": view.next, "posts": [], "due": view.due}
        self._store.fast["queues"].update_one(same, change)
