"""Giving back the room of what is over, in steps that leave others their turn."""

from collections.abc import Iterable, Iterator

from mqcore.contract import Moment

from .audit import audit
from .leases import Leases
from .runs import Runs
from .schema import BY_SEQ, ENDED, GONE
from .store import Document, Store

__all__ = ["collect"]

STEP = 500
"""The most records that are removed at once."""
LINGER = 60
"""Seconds for which a deleted queue's contents stay, for calls that are in the middle of it."""


def collect(store: Store, leases: Leases, runs: Runs, limit: int) -> int:
    """Remove about `limit` records; fewer means that nothing is left."""
    at = store.moment()
    removed = 0
    for step in (_end_claims, _drop_expired, _drop_subscriptions, _empty_graves):
        while removed < limit:
            room = min(limit - removed, STEP)
            gone, more = step(store, leases, runs, at, room)
            removed += gone
            if not more:
                break
    audit(store, at)
    return removed


def _by_q(found: Iterable[Document]) -> Iterator[tuple[int, list[Document]]]:
    parts: dict[int, list[Document]] = {}
    for each in found:
        parts.setdefault(each["q"], []).append(each)
    yield from parts.items()


def _end_claims(store: Store, leases: Leases, _: Runs, at: Moment, room: int) -> tuple[int, bool]:
    over = {"over": {"$lte": at.second}}
    found = list(
        store.fast["claims"]
        .find(over, {"q": 1, "lease": 1, "seqs": 1, "open": 1})
        .hint(ENDED)
        .limit(room)
    )
    gone = sum(leases.end(q, claims, at) for q, claims in _by_q(found))
    return gone, len(found) == room and gone > 0


def _drop_expired(store: Store, _: Leases, runs: Runs, at: Moment, room: int) -> tuple[int, bool]:
    expired = {"ends": {"$lte": at.second}}
    fields = {"q": 1, "seq": 1, "state": 1}
    found = list(store.fast["messages"].find(expired, fields).hint(ENDED).limit(room))
    for q, messages in _by_q(found):
        seqs = [each["seq"] for each in messages]
        store.fast["messages"].delete_many({"q": q, "seq": {"$in": seqs}, **expired}, hint=BY_SEQ)
        store.count(q, messages=-sum(each["state"] != GONE for each in messages))
        runs.tidy(q, seqs, at.second)
    return sum(each["state"] != GONE for each in found), len(found) == room


def _drop_subscriptions(
    store: Store, _: Leases, __: Runs, at: Moment, room: int
) -> tuple[int, bool]:
    over = {"ends": {"$lte": at.second}}
    subscriptions = store.fast["subscriptions"]
    found = list(subscriptions.find(over, {"p": 1, "n": 1}).hint(ENDED).limit(room))
    gone = 0
    if found:
        ids = {"_id": {"$in": [each["_id"] for each in found]}}
        gone = subscriptions.delete_many({**ids, **over}).deleted_count
    return gone, len(found) == room


def _empty_graves(store: Store, _: Leases, runs: Runs, at: Moment, room: int) -> tuple[int, bool]:
    """Remove some of what was in a deleted queue."""
    grave = store.fast["graves"].find_one({"since": {"$lte": at.second - LINGER}})
    if grave is None:
        return 0, False
    q = grave["_id"]
    gone = {name: _remove_some(store, name, q, room) for name in ("messages", "claims", "runs")}
    if max(gone.values()) < room:
        store.fast["graves"].delete_one({"_id": q})
    return gone["messages"] + gone["claims"], True


def _remove_some(store: Store, name: str, q: int, room: int) -> int:
    found = [each["_id"] for each in store.fast[name].find({"q": q}, {"_id": 1}).limit(room)]
    if found:
        store.fast[name].delete_many({"_id": {"$in": found}, "q": q})
    return len(found)
