"""Counting again what counts say, since a process may die between a change and its count.

One queue at a time, a part of it at each step. What was counted is written down as the truth if
nothing has changed meanwhile; so counts settle once nothing changes.
"""

from collections.abc import Mapping
from typing import Any

from mqcore.contract import Moment

from .schema import BY_STATE, CLAIMED, SHOWN
from .store import Document, Store

__all__ = ["audit"]

EVERY = 600
"""Seconds between two audits of a queue."""
STEP = 5000
"""The most messages that a step counts."""


def audit(store: Store, at: Moment) -> None:
    """Go on with the audit of the queue that waits for it longest."""
    due = {"checked": {"$lte": at.second - EVERY}}
    found = store.fast["counts"].find_one(due, sort=[("checked", 1)])
    if found is None:
        return
    check = found.get("check")
    if check is None or check["changes"] != found["changes"]:
        check = {"changes": found["changes"], "state": 0, "seq": 0, "messages": 0, "held": 0}
    this = {"_id": found["_id"], "checked": found["checked"]}
    n, last = _count(store, found["_id"], check)
    check["messages"] += n
    check["held"] += n if check["state"] == CLAIMED else 0
    check["seq"] = last
    if n < STEP:
        check |= {"state": check["state"] + 1, "seq": 0}
    if check["state"] < len(SHOWN):
        store.fast["counts"].update_one(this, {"$set": {"check": check}})
        return
    truth = {"messages": check["messages"], "held": check["held"]}
    done: Document = {"$set": {"checked": at.second}, "$unset": {"check": ""}}
    store.fast["counts"].update_one({**this, "changes": check["changes"]}, {"$set": truth})
    store.fast["counts"].update_one(this, done)


def _count(store: Store, q: int, check: Mapping[str, Any]) -> tuple[int, int]:
    """How many messages are in the next part, and the number of the last of them."""
    here = {"q": q, "state": check["state"], "seq": {"$gt": check["seq"]}}
    pipeline: list[Mapping[str, Any]] = [
        {"$match": here},
        {"$sort": {"seq": 1}},
        {"$limit": STEP},
        {"$group": {"_id": None, "n": {"$sum": 1}, "last": {"$max": "$seq"}}},
    ]
    for found in store.fast["messages"].aggregate(pipeline, hint=BY_STATE):
        return found["n"], found["last"]
    return 0, check["seq"]
