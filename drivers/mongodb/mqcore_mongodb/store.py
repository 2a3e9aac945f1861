"""One handle's way to one store: its client, its collections, and what every call does first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pymongo import MongoClient, ReturnDocument, WriteConcern
from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern

from mqcore.contract import Calls, Clock, Moment, QueueRef

from . import server
from .address import Address
from .errors import is_lost, translated
from .hints import waking
from .schema import INDEXES

__all__ = [
    "VIEW",
    "Document",
    "Documents",
    "Look",
    "Part",
    "Pipeline",
    "Store",
    "View",
    "as_wanted",
    "joined",
    "key_of",
]

T = TypeVar("T")
Document = dict[str, Any]
Pipeline = Sequence[Mapping[str, Any]]
Documents = Collection[Document]

SAFE = WriteConcern(w="majority", j=True)
"""Survives the death of the primary and its machine. What was written before, by the same primary
and with less, survives with it."""
FAST = WriteConcern(w=1)
"""For what a safe write follows, and for what others can make good."""
UNHEARD = WriteConcern(w=0)
"""For counts: nobody waits, and what is lost is counted again later."""

SETTLED = ReadConcern("majority")
"""Shows only what no failover takes back."""


@dataclass(frozen=True, slots=True)
class View:
    """A queue as it was at one moment: which numbers are messages, and which are still to be."""

    key: Document
    u: int
    q: int
    next: int
    posts: Sequence[Document]
    due: int | None
    version: str

    @classmethod
    def of(cls, found: Document) -> "View":
        return cls(
            found["_id"],
            found["u"],
            found["q"],
            found["next"],
            found["posts"],
            found.get("due"),
            found["version"],
        )

    def shows(self, seq: int) -> bool:
        """Whether the message of this number is posted; its post may be under way, or later."""
        return seq < self.next and not any(
            post["first"] <= seq < post["first"] + post["n"] for post in self.posts
        )


@dataclass(frozen=True, slots=True)
class Part:
    """What to read from a collection beside a queue: an aggregation that gives documents."""

    collection: str
    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Look:
    """A queue, and what was read beside it, part by part."""

    view: View
    parts: Sequence[Sequence[Document]]


def key_of(queue: QueueRef) -> Document:
    """The `_id` of the queue's document."""
    return {"p": queue.project, "n": queue.name}


def as_wanted(queue: QueueRef) -> Document:
    """What finds the queue's document: in the version of the reference, if it has one."""
    key = {"_id": key_of(queue)}
    return key if queue.if_version is None else {**key, "version": queue.if_version}


VIEW: Mapping[str, Any] = {"metadata": 0, "settled": 0}


class Store:
    """A client, and what every call does with it."""

    def __init__(self, address: Address, clock: Clock) -> None:
        self.place = address.place
        self._clock = clock
        self._calls = Calls()
        self._known: dict[QueueRef, int] = {}
        with translated(address.place, opening=True):
            self._client: MongoClient[Document] = MongoClient(**address.options)
            try:
                database = self._client[address.database]
                self.deployment = server.prepare(database, address.place)
            except BaseException:
                self._client.close()
                raise
        self.waking = waking(address, self._client, streams=self.deployment.streams)
        self._database = database
        names = (*INDEXES, "numbers")
        self.safe = {name: database.get_collection(name, write_concern=SAFE) for name in names}
        # On a sharded cluster, a safe write says nothing of an earlier one to another shard.
        fast = SAFE if self.deployment.sharded else FAST
        self.fast = {name: database.get_collection(name, write_concern=fast) for name in names}
        self.unheard = {
            name: database.get_collection(name, write_concern=UNHEARD) for name in names
        }
        self.settled = {
            name: database.get_collection(name, read_concern=SETTLED, write_concern=SAFE)
            for name in names
        }

    def moment(self) -> Moment:
        return Moment(self._clock())

    def call(self, work: Callable[[], T], *, repeat: bool = True) -> T:
        """Do it; `repeat`: once more when the connection breaks or the primary changes."""
        with self._calls.one(), translated(self.place):
            try:
                return work()
            except Exception as error:
                if not (repeat and is_lost(error)):
                    raise
            return work()

    def view(self, queue: QueueRef, *, settled: bool = False) -> View | None:
        """The queue now; with `settled`, as no failover takes it back."""
        queues = (self.settled if settled else self.fast)["queues"]
        found = queues.find_one({"_id": key_of(queue)}, VIEW)
        if found is None:
            self._known.pop(queue, None)
            return None
        self._known[queue] = found["q"]
        return View.of(found)

    def look(
        self,
        queue: QueueRef,
        parts: Callable[[int], Sequence[Part]],
        *,
        hint: str,
        settled: bool = False,
    ) -> Look | None:
        """Read the queue and other things of it in one round trip, if its `q` is known already.

        `parts` makes them for a `q`. The first, for which the `hint` is, is read first, and the
        queue next.
        """
        q = self._known.get(queue)
        if q is None:
            view = self.view(queue)
            if view is None:
                return None
            q = view.q
        while True:
            made = parts(q)
            view_of, found = self._union(queue, made, hint, settled=settled)
            if view_of is None:
                self._known.pop(queue, None)
                return None
            if view_of.q == q:
                return Look(view_of, found)
            self._known[queue] = q = view_of.q

    def _union(
        self, queue: QueueRef, parts: Sequence[Part], hint: str, *, settled: bool
    ) -> tuple[View | None, list[list[Document]]]:
        first, *others = parts
        pipeline = [*first.pipeline]
        itself: Pipeline = [{"$match": {"_id": key_of(queue)}}, {"$project": VIEW}]
        pipeline.append(joined("queues", -1, itself))
        for number, part in enumerate(others, 1):
            pipeline.append(joined(part.collection, number, part.pipeline))
        source = (self.settled if settled else self.fast)[first.collection]
        found: list[list[Document]] = [[] for _ in parts]
        view = None
        for document in source.aggregate(pipeline, hint=hint):
            number = document.get("part", 0)
            if number < 0:
                view = View.of(document)
            else:
                found[number].append(document)
        return view, found

    def next_q(self) -> int:
        """A number that no queue and no queue's contents ever had."""
        found: Any = self.safe["numbers"].find_one_and_update(
            {"_id": "q"}, {"$inc": {"n": 1}}, upsert=True, return_document=ReturnDocument.AFTER
        )
        return int(found["n"])

    def count(self, q: int, *, messages: int = 0, held: int = 0) -> None:
        """Change the counts of a queue's contents, if it has any."""
        if messages or held:
            more = {"messages": messages, "held": held, "changes": 1}
            self.unheard["counts"].update_one({"_id": q}, {"$inc": more})

    def ping(self) -> None:
        self.call(lambda: self.fast["numbers"].find_one({"_id": "layout"}))

    def close(self) -> None:
        self.waking.close()
        self._calls.close()
        self._client.close()


def joined(collection: str, number: int, pipeline: Pipeline) -> Mapping[str, Any]:
    """A stage that adds what an aggregation of another collection gives, marked as that `part`."""
    marked = [*pipeline, {"$set": {"part": {"$literal": number}}}]
    return {"$unionWith": {"coll": collection, "pipeline": marked}}
