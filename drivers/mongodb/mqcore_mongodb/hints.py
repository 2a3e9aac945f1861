"""Hints by a stream of changes, which replica sets and sharded clusters have.

Each handle that posts has a document in `hints`, which it replaces with what it has to tell. Who
watches follows the changes there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from bson import ObjectId
from pymongo import MongoClient, WriteConcern
from pymongo.change_stream import ChangeStream

from mqcore.contract import LocalWaking, Receive, SharedWaking, Waking

from .address import Address
from .errors import translated

__all__ = ["waking"]

AT_ONCE = 250
"""Milliseconds that a call waits for a change, and so the most that closing waits for it."""
HEARD = WriteConcern(w=1)
SAID = [{"$match": {"operationType": {"$in": ["insert", "replace"]}}}]

Document = dict[str, Any]


def waking(address: Address, client: "MongoClient[Document]", *, streams: bool) -> Waking:
    """What gives hints: within this process where the server has no streams."""
    if not streams:
        return LocalWaking((address.place, address.database))
    hints = client[address.database].get_collection("hints", write_concern=HEARD)
    this = {"_id": ObjectId()}

    def send(keys: Any) -> None:
        with translated(address.place):
            document = {**this, "keys": [*keys], "at": datetime.now(UTC)}
            hints.replace_one(this, document, upsert=True)

    return SharedWaking(send, partial(_listen, address))


@contextmanager
def _listen(address: Address) -> Iterator[Receive]:
    """Follow the changes, with connections of its own: a call that waits holds one."""
    with translated(address.place):
        client: MongoClient[Document] = MongoClient(**address.options | {"maxPoolSize": 2})
        with (
            client,
            client[address.database]["hints"].watch(SAID, max_await_time_ms=AT_ONCE) as heard,
        ):
            yield partial(_receive, heard)


def _receive(heard: "ChangeStream[Document]", _: float) -> list[str]:
    change = heard.try_next()
    keys: list[str] = change["fullDocument"]["keys"] if change else []
    return keys
