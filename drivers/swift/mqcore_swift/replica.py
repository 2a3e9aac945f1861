"""What this handle knows of one project: a checkpoint and the entries of the log after it."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mqcore.contract import Unavailable

from . import checkpoint
from .commands import Moment, apply
from .names import NOTHING, Entry, after
from .project import Project
from .requests import Requests
from .view import TornError, View, resolve

__all__ = ["Outlook", "Replica"]

LOADS = 8
"""How often it is read again from the last checkpoint, while others trim the log."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a listing said, and the heads of its entries."""

    view: View
    heads: tuple[bytes, ...]


class Replica:
    def __init__(self, requests: Requests, digest: str) -> None:
        self.requests, self.digest = requests, digest
        self.project = Project()
        self.tip = NOTHING
        self.loaded = False
        self.torn: TornError | None = None
        """Why it was last read again from a checkpoint."""
        self.begin_after_checkpoint(0)

    def begin_after_checkpoint(self, size: int) -> None:
        """One of so many bytes tells all up to the tip."""
        self.entries = self.size = 0
        """How many entries came after it, and their heads' bytes."""
        self.checkpoint_size, self.covered = size, self.tip.slot

    def look(self, known: Mapping[str, bytes] | None = None) -> Outlook:
        """List what follows the tip, once or, when the log was trimmed, from its checkpoint on.

        Nothing is applied. `known` are heads that need not be read.
        """
        for attempt in range(LOADS):
            try:
                if not self.loaded:
                    self._load()
                marker = after(self.digest, self.tip)
                view = resolve(self.requests.names(f"{self.digest}/", marker), self.tip)
                return Outlook(view, self._heads(view, known or {}))
            except TornError as error:
                self.torn = error.with_traceback(None)  # which would keep the whole listing
                self.loaded = False
                time.sleep(0.02 * attempt)
        raise Unavailable(
            f"{self.requests.place} lacks names that should be in its listing: it lags or lost "
            "them; see whether Swift's container servers and object updaters work"
        ) from self.torn

    def apply(self, entry: Entry, head: bytes) -> list[Any]:
        """Carry out the entry that follows the tip; return the answer of each command."""
        said = json.loads(head)
        self.loaded = False  # what is broken off in the middle is read again
        packs = self.project.packs
        at = Moment(self.project, said["now"], entry.tip.slot, entry.head)
        packs.begin(entry.tip.slot, entry.name, said["now"])
        answers = [apply(at, command) for command in said["commands"]]
        packs.finish(entry.tip.slot)
        packs.swept(said["swept"])
        self.tip = entry.tip
        self.entries += 1
        self.size += len(head)
        self.loaded = True
        return answers

    def _load(self) -> None:
        self.project, self.tip = Project(), NOTHING
        content = b""
        newest = self.requests.names(f"{self.digest}/0/", reverse=True, limit=1)
        if newest:
            content = self.requests.get(newest[0]) or b""
            if not content:
                raise TornError(f"{newest[0]} is gone")
            self.project, self.tip = checkpoint.read(content, self.requests.place)
        self.begin_after_checkpoint(len(content))
        self.loaded = True

    def _heads(self, view: View, known: Mapping[str, bytes]) -> tuple[bytes, ...]:
        def head(entry: Entry) -> bytes:
            found = entry.inline or known.get(entry.name)
            found = found or self.requests.get(entry.name, 0, entry.head)
            if found is None:
                raise TornError(f"{entry.name} is gone")
            return found

        return tuple(self.requests.map(head, view.entries))
