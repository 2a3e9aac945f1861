"""Moving messages that were claimed too often to a dead-letter queue."""

from collections.abc import Sequence
from itertools import repeat

from pymongo import DeleteOne, UpdateOne
from pymongo.errors import BulkWriteError

from mqcore.contract import DeadLetter, Moment, QueueRef

from .errors import duplicates
from .posts import Posts
from .runs import ANYBODY, Runs
from .schema import FREE, GONE
from .store import Document, Store, View

__all__ = ["Burial"]


class Burial:
    def __init__(self, store: Store, posts: Posts, runs: Runs) -> None:
        self._store = store
        self._posts = posts
        self._runs = runs

    def move(
        self,
        view: View,
        spent: Sequence[Document],
        target: QueueRef,
        letter: DeadLetter,
        at: Moment,
    ) -> int:
        """Move those that are free still to the end of the other queue; how many went away here.

        A message is moved by one change of its document. Raises QueueNotFound.
        """
        there, listed = self._posts.begin(target, len(spent), at, keep=True)
        change: Document = {"q": there.q, "count": 0, "post": listed["post"]}
        if letter.ttl is not None:
            change |= {"ttl": letter.ttl, "ends": at.end(letter.ttl)}
        seqs = range(listed["first"], listed["first"] + len(spent))
        ends: list[int] = [{**each, **change}["ends"] for each in spent]
        self._runs.cover(there.q, zip(seqs, ends, repeat(ANYBODY)))
        here = [
            {"q": view.q, "seq": each["seq"], "state": FREE, "count": {"$gte": letter.max_claims}}
            for each in spent
        ]
        writes = [
            UpdateOne(old, {"$set": {**change, "seq": seq}})
            for old, seq in zip(here, seqs, strict=True)
        ]
        moved, there_already = self._write(writes)
        if there_already:
            ids = {"$in": self._ids([here[place] for place in there_already])}
            over = {"$or": [{"ends": {"$lte": at.second}}, {"state": GONE}]}
            self._store.safe["messages"].delete_many({"q": there.q, "id": ids, **over})
            more, _ = self._write([writes[place] for place in there_already])
            moved += more
        left = [DeleteOne(here[place]) for place in there_already]
        gone = self._store.safe["messages"].bulk_write(left).deleted_count if left else 0
        self._posts.end(there, listed)
        self._store.count(there.q, messages=moved)
        self._store.count(view.q, messages=-moved - gone)
        return moved + gone

    def _write(self, writes: Sequence[UpdateOne]) -> tuple[int, list[int]]:
        """How many did something, and the places of those whose id the other queue has.

        Where others have settled the range, its numbers are taken: what is to go there stays. A
        sharded cluster moves a document to another shard only by a write of its own.
        """
        step = 1 if self._store.deployment.sharded else len(writes)
        moved, there_already = 0, []
        for start in range(0, len(writes), step):
            some = writes[start : start + step]
            try:
                done = self._store.safe["messages"].bulk_write(some, ordered=False)
                moved += done.modified_count
            except BulkWriteError as error:
                moved += error.details["nModified"]
                there_already += [start + place for place in duplicates(error, "id")]
        return moved, there_already

    def _ids(self, places: Sequence[Document]) -> list[str]:
        found = self._store.fast["messages"].find({"$or": list(places)}, {"id": 1})
        return [each["id"] for each in found]
