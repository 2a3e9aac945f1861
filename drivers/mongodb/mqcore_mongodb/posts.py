"""Putting messages into a queue as a whole or not at all, in order, without a transaction.

A post takes a range of numbers in the queue's document, where the range is listed as under way;
inserts its messages; and takes the range off the list. Readers leave out the ranges that are
listed, so all messages of a post appear at one moment, and nobody passes by a number that is still
to come. The range of a post that died stays listed. Whoever is held up by it settles it: if all
its messages are there, it is finished; else each number that is missing gets a message that is
gone, which a late insert cannot replace; the post is marked as undone while it is listed, since its
messages may be deleted by users once it has ended; and what is there is removed.
"""

import time
from collections.abc import Collection, Sequence

from bson import ObjectId
from pymongo.errors import BulkWriteError

from mqcore.contract import MetadataConflict, Moment, QueueNotFound, QueueRef

from .errors import duplicates
from .schema import BY_SEQ, GONE
from .store import VIEW, Document, Store, View, as_wanted

__all__ = ["Posts"]

PATIENCE = 0.5
"""Seconds that a post under way may hold up a reader who has looked at it."""
PAUSE = 0.002
"""Seconds between two looks at it."""
SLOW = 30
"""Seconds after which a post is settled by calls that it does not hold up."""
KEPT = 86_400
"""Seconds for which the number of a message that never came is taken."""
REMEMBERED = 100
"""How many posts that others finished a queue remembers."""


class Posts:
    """Ranges of numbers: taking, finishing and settling them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(
        self, queue: QueueRef, n: int, at: Moment, *, due: int | None = None, keep: bool = False
    ) -> tuple[View, Document]:
        """Take `n` numbers; return the queue before, and the range.

        Raises QueueNotFound, and MetadataConflict when the reference is to another version of it.
        `due`: the first end of a delay. With `keep`, what is there of it when it is settled stays.
        """
        post = ObjectId()
        listed = {"post": post, "first": "$next", "n": n, "at": at.second, "keep": keep}
        change: Document = {
            "posts": {"$concatArrays": ["$posts", [listed]]},
            "next": {"$add": ["$next", n]},
        }
        if due is not None:
            change["due"] = {"$min": ["$due", due]}
        found = self._store.fast["queues"].find_one_and_update(
            as_wanted(queue), [{"$set": change}], VIEW
        )
        if found is None:
            if queue.if_version is not None and self._store.view(queue) is not None:
                raise MetadataConflict(queue)
            raise QueueNotFound(queue)
        view = View.of(found)
        return view, {**listed, "first": view.next}

    def end(self, view: View, listed: Document) -> bool:
        """Take the range off the list. False when it is undone, or a failover has forgotten it."""
        queues = self._store.fast["queues"]
        if queues.update_one(_unless_undone(view, listed), _off_the_list(listed)).matched_count:
            return True
        found = queues.find_one({"_id": view.key, "q": view.q}, {"settled": 1})
        return found is None or listed["post"] in found["settled"]

    def give_up(self, view: View, listed: Document) -> None:
        """Remove what was inserted. For who knows that nothing more of it is on its way."""
        self._store.safe["messages"].delete_many(_range(view.q, listed), hint=BY_SEQ)
        self._store.fast["queues"].update_one(_while_listed(view, listed), _off_the_list(listed))

    def settle(self, view: View, listed: Document, at: Moment, *, patience: float = 0) -> None:
        """Wait so long for the end of the post, then finish it or undo it.

        It may have ended since it was seen, and its messages may be gone since.
        """
        deadline = time.monotonic() + patience
        whole = self.is_whole(view.q, listed)
        while not whole and time.monotonic() <= deadline:
            time.sleep(PAUSE)
            if not self._store.fast["queues"].find_one(_while_listed(view, listed), {"_id": 1}):
                return
            whole = self.is_whole(view.q, listed)
        if not whole:
            self._take_missing(view.q, listed, at)
            whole = listed["keep"] or self.is_whole(view.q, listed)
        if not (whole and self._finish(view, listed)):
            self._undo(view, listed)

    def settle_those_of(self, view: View, seqs: Collection[int], at: Moment) -> bool:
        """Settle the posts that have messages of these numbers; whether there were any.

        Such a message may be posted for good: the end of its post is what a crash may forget.
        """
        those = [
            listed
            for listed in view.posts
            if any(listed["first"] <= seq < listed["first"] + listed["n"] for seq in seqs)
        ]
        for listed in those:
            self.settle(view, listed, at, patience=PATIENCE)
        return bool(those)

    def finish_whole(self, view: View, at: Moment) -> bool:
        """Finish the posts whose messages are all there, and settle very old ones.

        Returns whether something may be seen now that was not.
        """
        whole = [listed for listed in view.posts if self.is_whole(view.q, listed)]
        for listed in whole:
            self.settle(view, listed, at)
        return self.settle_slow(view, at) or bool(whole)

    def settle_slow(self, view: View, at: Moment) -> bool:
        """Settle posts that began long ago; whether there were any."""
        slow = [listed for listed in view.posts if listed["at"] + SLOW <= at.second]
        for listed in slow:
            self.settle(view, listed, at)
        return bool(slow)

    def is_whole(self, q: int, listed: Document) -> bool:
        """Whether all its messages are there."""
        here = _range(q, listed)
        found = self._store.fast["messages"].count_documents(here, hint=BY_SEQ)
        return found == int(listed["n"])

    def _finish(self, view: View, listed: Document) -> bool:
        """Let the messages appear. False when the post is undone or has ended."""
        remembered = {"$each": [listed["post"]], "$slice": -REMEMBERED}
        done = self._store.safe["queues"].update_one(
            _unless_undone(view, listed),
            {**_off_the_list(listed), "$push": {"settled": remembered}},
        )
        return done.matched_count > 0

    def _undo(self, view: View, listed: Document) -> None:
        """Remove what is there of the post, unless it has ended."""
        queues, this = self._store.safe["queues"], _while_listed(view, listed)
        # Written down before anything is removed: from here on nobody can finish it.
        if queues.update_one(this, {"$set": {"posts.$.undone": True}}).matched_count:
            self._store.safe["messages"].delete_many(_range(view.q, listed), hint=BY_SEQ)
            queues.update_one(this, _off_the_list(listed))

    def _take_missing(self, q: int, listed: Document, at: Moment) -> None:
        """Put something in the place of each message that is not there, so that none comes."""
        start, n = listed["first"], listed["n"]
        here = {"q": q, "seq": {"$gte": start, "$lt": start + n}}
        there = self._store.safe["messages"].find(here, {"seq": 1}, hint=BY_SEQ)
        missing = set(range(start, start + n)) - {each["seq"] for each in there}
        if missing:
            self._take(q, sorted(missing), at)

    def _take(self, q: int, seqs: Sequence[int], at: Moment) -> None:
        gone = [
            {"q": q, "seq": seq, "id": ObjectId(), "state": GONE, "ends": at.end(KEPT)}
            for seq in seqs
        ]
        try:
            self._store.safe["messages"].insert_many(gone, ordered=False)
        except BulkWriteError as error:
            duplicates(error)


def _range(q: int, listed: Document) -> Document:
    first = listed["first"]
    return {"q": q, "seq": {"$gte": first, "$lt": first + listed["n"]}, "post": listed["post"]}


def _while_listed(view: View, listed: Document) -> Document:
    return {"_id": view.key, "q": view.q, "posts.post": listed["post"]}


def _unless_undone(view: View, listed: Document) -> Document:
    this = {"post": listed["post"], "undone": {"$exists": False}}
    return {"_id": view.key, "q": view.q, "posts": {"$elemMatch": this}}


def _off_the_list(listed: Document) -> Document:
    return {"$pull": {"posts": {"post": listed["post"]}}}
