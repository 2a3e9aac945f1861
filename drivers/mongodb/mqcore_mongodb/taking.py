"""Finding messages that can be claimed, oldest first, and taking them from under others."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from secrets import randbelow

from bson import ObjectId

from mqcore.contract import QueueRef, Unavailable

from .leases import Leases, claim_key, ended_claims
from .posts import Posts
from .schema import BY_SEQ, BY_STATE, FREE, GONE
from .store import Document, Moment, Part, Store, View
from .values import MESSAGE
from .walk import Walker

__all__ = ["ATTEMPTS", "Found", "Taker"]

ATTEMPTS = 100
"""How often a call looks for messages when others always take them first."""
WIDEST = 16
"""How many times as many messages as are wanted a call looks at, to keep out of others' way."""
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

    def find(
        self,
        queue: QueueRef,
        wanted: int,
        *,
        attempt: int = 0,
        claim_ids: Sequence[str] = (),
        counts: bool = False,
    ) -> Found | None:
        """Up to `wanted` claimable messages; none only if there are none. None without a queue.

        Lets come back what should, first. After an attempt at which others were faster, it looks
        somewhere behind the first ones, so that callers do not follow each other.
        `counts`: with the count of each.
        """
        wanted = min(wanted, MOST)
        size = min(wanted * min(2**attempt, WIDEST), MOST) if attempt else wanted
        fields = {"_id": 0, "seq": 1, "ends": 1, **({"count": 1} if counts else {})}
        while True:
            at = self._store.moment()

            def parts(q: int, at: Moment = at) -> list[Part]:
                known = {"_id": {"$in": [claim_key(q, each) for each in claim_ids]}, "q": q}
                return [
                    Part(
                        "messages",
                        [
                            {"$match": {"q": q, "state": FREE}},
                            {"$sort": {"seq": 1}},
                            {"$limit": size},
                            {"$project": fields},
                        ],
                    ),
                    ended_claims(q, at),
                    *([Part("claims", [{"$match": known}])] if claim_ids else []),
                ]

            look = self._store.look(queue, parts, hint=BY_STATE)
            if look is None:
                return None
            view, (free, ended, *known) = look.view, look.parts
            back = self._leases.end(view.q, ended, at) if ended else 0
            if back or self._leases.undelay(view, at):
                continue
            messages = [
                each for each in free if each["ends"] > at.second and view.shows(each["seq"])
            ]
            if len(messages) < min(wanted, len(free)):
                walk = self._walker.walk(view, at, [FREE], size=size, fields=fields)
                messages = list(islice(walk, size))
            if not messages and (self._posts.finish_whole(view, at) or self._any_free(view, at)):
                continue
            start = randbelow(max(len(messages) - wanted, 0) + 1) if attempt else 0
            chosen = messages[start : start + wanted]
            return Found(view, at, chosen, known[0] if known else ())

    def _any_free(self, view: View, at: Moment) -> bool:
        """Whether something came back between the looks at messages and at ended claims."""
        return next(self._walker.walk(view, at, [FREE], size=1), None) is not None

    def pop(self, queue: QueueRef, limit: int) -> list[Document]:
        """Take them out of the queue for good."""
        messages = self._store.safe["messages"]
        for attempt in range(ATTEMPTS):
            found = self.find(queue, limit, attempt=attempt)
            if found is None or not found.messages:
                return []
            q, lease = found.view.q, ObjectId()
            seqs = [each["seq"] for each in found.messages]
            these = {"q": q, "seq": {"$in": seqs}}
            change = {"$set": {"state": GONE, "lease": lease, "ends": 0}}
            messages.update_many({**these, "state": FREE}, change, hint=BY_SEQ)
            taken = list(messages.find({**these, "lease": lease}, MESSAGE).hint(BY_SEQ).sort("seq"))
            if taken:
                self._store.unheard["messages"].delete_many({**these, "lease": lease})
                self._store.count(q, messages=-len(taken))
                return taken
        raise Unavailable(
            f"{queue} at {self._store.place} is too busy: others took all messages first"
        ) from TimeoutError(f"{ATTEMPTS} attempts")
