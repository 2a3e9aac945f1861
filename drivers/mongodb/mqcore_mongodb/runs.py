"""What is known of each run of messages of a queue, to leave whole runs out.

Runs have four sizes, each of them whole runs of the smaller one. `last` is never below the last
end of a life in the run. `low` and `high` are the first and the last of its clients, or wider: they
are the same only where one client posted the whole run. A reader that meets a message that it does
not want asks for the next run that may hold one that it does: so a million expired messages at the
head are some dozens of small documents, until they are collected.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from .errors import duplicates
from .schema import GONE
from .store import Document, Store

__all__ = ["ANYBODY", "Runs", "posted"]

RUN = 256
FAN = 16
SIZES = tuple(RUN * FAN**level for level in range(4))
"""How many numbers a run of each level has."""

ROUNDED = 16
"""Ends are rounded up to so many seconds, so that most posts find their runs written."""
KNOWN = 10_000
"""The most runs that are remembered as written."""

Clients = tuple[str, str]
"""The first and the last of some clients, as `low` and `high` say them."""
ANYBODY: Clients = ("", "~")
"""For messages whose client is not known."""

Posted = tuple[int, int, Clients]
"""The number of a message, the end of its life, and whose it is."""

Bounds = tuple[int, str, str]
"""`last`, `low` and `high` of a run."""


class Runs:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._written: dict[tuple[int, int, int], Bounds] = {}

    def cover(self, q: int, messages: Iterable[Posted]) -> None:
        """Have the runs of the numbers say so; before the messages are there, or live so long."""
        wanted: dict[tuple[int, int, int], Bounds] = {}
        for seq, end, clients in messages:
            bounds = ((end // ROUNDED + 1) * ROUNDED, *clients)
            for level, size in enumerate(SIZES):
                key = (q, level, seq // size)
                wanted[key] = _wider(bounds, wanted.get(key))
        written = self._written
        # What was written before is written again: the run may have been forgotten meanwhile.
        wider = {key: _wider(bounds, written.get(key)) for key, bounds in wanted.items()}
        new = {key: bounds for key, bounds in wider.items() if bounds != written.get(key)}
        if not new:
            return
        writes = [
            UpdateOne(
                {"_id": "/".join(map(str, key)), "q": key[0], "level": key[1], "run": key[2]},
                {"$max": {"last": last, "high": high}, "$min": {"low": low}},
                upsert=True,
            )
            for key, (last, low, high) in new.items()
        ]
        while writes:
            try:
                self._store.safe["runs"].bulk_write(writes, ordered=False)
                break
            except BulkWriteError as error:
                # Somebody else made these at the same moment; now they can be changed.
                writes = [writes[place] for place in duplicates(error)]
        if len(written) > KNOWN:
            written.clear()
        written.update(new)

    def next(
        self, q: int, seq: int, second: int, *, backwards: bool, hide_client: str | None = None
    ) -> range | None:
        """The first smallest run, from that of `seq` on, that may hold a wanted message.

        Looks at the runs beside this one up to the end of the larger run around it, at the larger
        ones from there, and so on. In a larger run that is found, it looks again from its begin.
        """
        while True:
            found = self._promising(q, seq, second, backwards, hide_client)
            if found is None:
                return None
            level, run = found
            size = SIZES[level]
            if level == 0:
                return range(run * size, (run + 1) * size)
            seq = (run + 1) * size - 1 if backwards else run * size

    def _promising(
        self, q: int, seq: int, second: int, backwards: bool, hide_client: str | None
    ) -> tuple[int, int] | None:
        wanted: Document = {"last": {"$gt": second}}
        if hide_client is not None:
            hidden = _said(hide_client)
            wanted["$or"] = [{"low": {"$ne": hidden}}, {"high": {"$ne": hidden}}]
        parts: list[list[Document]] = [
            [
                {"$match": {"q": q, "level": level, "run": edges, **wanted}},
                {"$sort": {"run": -1 if backwards else 1}},
                {"$limit": 1},
            ]
            for level, edges in enumerate(_edges(seq, backwards))
        ]
        first, *others = parts
        joined = [{"$unionWith": {"coll": "runs", "pipeline": part}} for part in others]
        found = self._store.fast["runs"].aggregate([*first, *joined], hint="by_level")
        return min(((each["level"], each["run"]) for each in found), default=None)

    def tidy(self, q: int, seqs: Iterable[int], second: int) -> None:
        """Forget the runs of these numbers in which nothing is left, and those around them."""
        messages, runs = self._store.fast["messages"], self._store.fast["runs"]
        for run in {seq // RUN for seq in seqs}:
            here = {"q": q, "seq": {"$gte": run * RUN, "$lt": (run + 1) * RUN}}
            if messages.find_one({**here, "state": {"$lt": GONE}}, {"_id": 1}):
                continue
            for level in range(len(SIZES)):
                place = run // FAN**level
                below = {"$gte": place * FAN, "$lt": (place + 1) * FAN}
                if level and runs.find_one({"q": q, "level": level - 1, "run": below}, {"_id": 1}):
                    break
                over = {"_id": f"{q}/{level}/{place}", "q": q, "last": {"$lte": second}}
                runs.delete_one(over)


def _edges(seq: int, backwards: bool) -> Iterator[Mapping[str, Any]]:
    """From which run on, and up to which, each level is to be looked at."""
    for level, size in enumerate(SIZES):
        run, last = seq // size, level == len(SIZES) - 1
        block = run // FAN * FAN
        if backwards:
            least = {} if last else {"$gte": block}
            yield {**least, "$lte": run if level == 0 else run - 1}
        else:
            most = {} if last else {"$lt": block + FAN}
            yield {"$gte": run if level == 0 else run + 1, **most}


def _wider(bounds: Bounds, others: Bounds | None) -> Bounds:
    if others is None:
        return bounds
    (last, low, high), (other_last, other_low, other_high) = bounds, others
    return max(last, other_last), min(low, other_low), max(high, other_high)


def _said(client: str | None) -> str:
    """A client as `low` and `high` say it."""
    return "" if client is None else f"={client}"


def posted(documents: Iterable[Document]) -> Iterator[Posted]:
    for each in documents:
        client = _said(each.get("client"))
        yield each["seq"], each["ends"], (client, client)
