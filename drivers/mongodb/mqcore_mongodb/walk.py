"""Walking over the messages of a queue by number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mqcore.contract import Moment

from .runs import Runs
from .schema import BY_STATE
from .store import Document, Documents, Store, View

__all__ = ["Walker"]

MOST = 1000
"""The most messages that are read at once."""


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk looks for, and in which direction."""

    messages: Documents
    view: View
    at: Moment
    states: Sequence[int]
    backwards: bool
    fields: Document | None
    hide_client: str | None

    def read(self, seqs: Document, size: int, **wanted: Any) -> list[Document]:
        state: Any = self.states[0] if len(self.states) == 1 else {"$in": list(self.states)}
        here = {"q": self.view.q, "state": state, "seq": seqs, **wanted}
        order = -1 if self.backwards else 1
        found = self.messages.find(here, self.fields).hint(BY_STATE)
        return list(found.sort("seq", order).limit(size))

    @property
    def shown(self) -> Document:
        """What the database leaves out by itself of what is not wanted."""
        others = {} if self.hide_client is None else {"client": {"$ne": self.hide_client}}
        return {"ends": {"$gt": self.at.second}, **others}

    def wants(self, each: Document) -> bool:
        if self.hide_client is not None and each.get("client") == self.hide_client:
            return False
        return each["ends"] > self.at.second and self.view.shows(each["seq"])


class Walker:
    def __init__(self, store: Store, runs: Runs) -> None:
        self._store = store
        self._runs = runs

    def walk(
        self,
        view: View,
        at: Moment,
        states: Sequence[int],
        *,
        after: int = 0,
        size: int = 10,
        backwards: bool = False,
        fields: Document | None = None,
        hide_client: str | None = None,
        settled: bool = False,
    ) -> Iterator[Document]:
        """The live messages in these states, by number.

        Reads `size` at first, and more with each further read while it finds what it wants.
        """
        collections = self._store.settled if settled else self._store.fast
        messages = collections["messages"]
        walk = Walk(messages, view, at, states, backwards, fields, hide_client)
        place = view.next if backwards else after
        first = size = min(size, MOST)
        while True:
            found = walk.read({"$lt" if backwards else "$gt": place}, size)
            yield from filter(walk.wants, found)
            if len(found) < size:
                return
            place = found[-1]["seq"]
            if walk.wants(found[-1]):
                size = min(size * 2, MOST)
                continue
            # The next one may be unwanted, too: go on in the next run that promises a wanted one.
            size = first
            run = self._runs.next(
                view.q, place, at.second, backwards=backwards, hide_client=hide_client
            )
            if run is None:
                return
            place = min(place, run.stop) if backwards else max(place, run.start - 1)
            rest = {"$gte": run.start, "$lt": place} if backwards else {"$gt": place}
            found = walk.read({"$lt": run.stop, **rest}, size, **walk.shown)
            yield from filter(walk.wants, found)
            full = len(found) == size
            place = found[-1]["seq"] if full else run.start if backwards else run.stop - 1
