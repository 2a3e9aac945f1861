"""What is stored where.

Ends (`ends`, `due`, `over`, `last`) are whole seconds rounded up; a thing is over when now >= its
end. Whatever is in queues has the number of the queue's contents, `q`, which is the shard key, too.
Deleting or purging a queue leaves its `q` to `graves`.

queues         _id {p project, n name}; u, the number of the queue; q; next, the number of the next
               message; posts, those under way, and whether others have undone them; settled, those
               that others finished; due, the first end of a delay; metadata, version
messages       q, seq, id, body, client, checksum, posted, ttl, ends, state, count; due while
               delayed, claim and lease while claimed; post, which brought it
claims         _id "q/claim id"; q, lease, seqs (what it may hold), over, ttl, grace, renewed; low,
               the first end of a life; open until it is made, and marked before
runs           _id "q/level/run"; q, level, run; last, when the last message of the run ends; low
               and high, whose messages it has
counts         _id q; messages, held, changes; checked, check
graves         _id q; since
subscriptions  p, n, id, subscriber, ttl, options, created, renewed, ends, confirmed
hints          _id, one for each handle that tells others of messages; keys; at
numbers        _id "q": the last u or q given out; "layout": the version of all this
"""

from typing import Any, Final

from pymongo import ASCENDING, IndexModel

__all__ = [
    "BY_ID",
    "BY_SEQ",
    "BY_STATE",
    "CLAIMED",
    "DELAYED",
    "ENDED",
    "FREE",
    "GONE",
    "INDEXES",
    "LATE",
    "LAYOUT",
    "SHOWN",
    "UNDELAYED",
]

LAYOUT = 3
"""The version of how data is stored."""

FREE, DELAYED, CLAIMED, GONE = range(4)
"""States of a message as stored. A delayed one whose `due` has come, and a claimed one whose claim
is over, are free in truth; the next call that passes by corrects the state. One that is gone was
popped, or stands where a post that was given up must not put anything any more."""

SHOWN = (FREE, DELAYED, CLAIMED)

BY_STATE: Final = "by_state"
BY_SEQ: Final = "by_seq"
BY_ID: Final = "by_id"
UNDELAYED: Final = "undelayed"
LATE: Final = "late"
ENDED: Final = "ended"


def _index(name: str, *fields: str, **options: Any) -> IndexModel:
    return IndexModel([(field, ASCENDING) for field in fields], name=name, **options)


INDEXES: Final = {
    "queues": [_index("by_name", "_id.p", "_id.n")],
    "messages": [
        _index(BY_STATE, "q", "state", "seq", "ends"),
        _index(BY_SEQ, "q", "seq", unique=True),
        _index(BY_ID, "q", "id", unique=True),
        _index(UNDELAYED, "q", "due", partialFilterExpression={"due": {"$exists": True}}),
        _index(ENDED, "ends"),
    ],
    "claims": [_index(LATE, "q", "over"), _index(ENDED, "over")],
    "counts": [_index("by_check", "checked")],
    "graves": [_index("by_age", "since")],
    "hints": [_index("by_age", "at", expireAfterSeconds=3600)],
    "runs": [_index("by_level", "q", "level", "run", "last")],
    "subscriptions": [
        _index(BY_ID, "p", "n", "id", unique=True),
        _index("by_subscriber", "p", "n", "subscriber", unique=True),
        _index(ENDED, "ends"),
    ],
}
