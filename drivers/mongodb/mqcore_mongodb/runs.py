"""When each run of messages of a queue ends, to leave out whole runs that are over.

Runs have four sizes, each of them whole runs of the smaller one. `last` is never below the last
end of a life in the run. A reader that meets an expired message asks for the next run that may
hold a live one: so a million of them at the head are some dozens of small documents, until they
are collected.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from .errors import duplicates
from .schema import GONE
from .store import Document, Store

__all__ = ["Runs"]

RUN = 256
FAN = 16
SIZES = tuple(RUN * FAN**level for level in range(4))
"""How many numbers a run of each level has."""

ROUNDED = 16
"""Ends are rounded up to so many seconds, so that most posts find their runs written."""
KNOWN = 10_000
"""The most runs that are remembered as written."""


class Runs:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._written: dict[tuple[int, int, int], int] = {}

    def cover(self, q: int, ends: Iterable[tuple[int, int]]) -> None:
        """Have the runs of the numbers last until these ends; before they do."""
        wanted: dict[tuple[int, int, int], int] = {}
        for seq, end in ends:
            last = (end // ROUNDED + 1) * ROUNDED
            for level, size in enumerate(SIZES):
                key = (q, level, seq // size)
                wanted[key] = max(wanted.get(key, last), last)
        new = {k: last for k, last in wanted.items() if self._written.get(k, 0) < last}
        if not new:
            return
        writes = [
            UpdateOne(
                {"_id": "/".join(map(str, key)), "q": key[0], "level": key[1], "run": key[2]},
                {"$max": {"last": last}},
                upsert=True,
            )
            for key, last in new.items()
        ]
        while writes:
            try:
                self._store.safe["runs"].bulk_write(writes, ordered=False)
                break
            except BulkWriteError as error:
                # Somebody else made these at the same moment; now they can be changed.
                writes = [writes[place] for place in duplicates(error)]
        if len(self._written) > KNOWN:
            self._written.clear()
        self._written.update(new)

    def next(self, q: int, seq: int, second: int, *, backwards: bool) -> range | None:
        """The first smallest run, from that of `seq` on, that may hold a live message.

        Looks at the runs beside this one up to the end of the larger run around it, at the larger
        ones from there, and so on. In a larger run that is found, it looks again from its begin.
        """
        while True:
            found = self._promising(q, seq, second, backwards)
            if found is None:
                return None
            level, run = found
            size = SIZES[level]
            if level == 0:
                return range(run * size, (run + 1) * size)
            seq = (run + 1) * size - 1 if backwards else run * size

    def _promising(self, q: int, seq: int, second: int, backwards: bool) -> tuple[int, int] | None:
        parts: list[list[Document]] = [
            [
                {"$match": {"q": q, "level": level, "run": edges, "last": {"$gt": second}}},
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


def ends_of(documents: Iterable[Document]) -> Iterator[tuple[int, int]]:
    return ((each["seq"], each["ends"]) for each in documents)
