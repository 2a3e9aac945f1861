"""What a listing says about a log: which entries count, and whether that is certain."""

from collections.abc import Iterable
from dataclasses import dataclass

from .names import NOTHING, Entry, Tip, read_entry

__all__ = ["TornError", "View", "resolve"]


class TornError(Exception):
    """The listing does not go on from where we are: others trimmed the log, or it was damaged."""


@dataclass(frozen=True, slots=True)
class View:
    """`entries` follow the tip, oldest first. `strays` are the names of those that never will.

    `epochs` are those that somebody took, `end` is where the log ends.
    """

    entries: tuple[Entry, ...]
    strays: tuple[str, ...]
    epochs: tuple[str, ...]
    end: Tip

    @property
    def highest(self) -> str:
        return max(self.end.epoch, *self.epochs, "")

    @property
    def settled(self) -> bool:
        """Whether nobody can come who does not see these entries."""
        return not self.entries or self.highest == self.end.epoch


def resolve(names: Iterable[str], tip: Tip) -> View:
    """Read a listing of what follows the tip. Raises TornError.

    Whoever has the highest epoch knew all that counted before; so its last entry, the one before
    that and so on are the log, and what else lies there was written too late by somebody who had
    been displaced.
    """
    entries: dict[Tip, Entry] = {}
    epochs = []
    for name in names:
        _, kind, rest = name.split("/")
        if kind == "1":
            entry = read_entry(name)
            entries[entry.tip] = entry
        else:
            epochs.append(rest)
    end = max(entries, default=tip)
    if end.epoch < tip.epoch:
        end = tip
    if max(epochs, default=NOTHING.epoch) < end.epoch:
        raise TornError(f"no epoch {end.epoch} or higher")  # the highest one is never deleted
    chain: list[Entry] = []
    at = end
    while at.slot > tip.slot:
        if at not in entries:
            raise TornError(f"no entry {at} before {chain[-1:]}")
        chain.append(entries.pop(at))
        at = chain[-1].before
    if at != tip:
        raise TornError(f"{at} where {tip} was")
    strays = tuple(entry.name for entry in entries.values() if entry.tip.epoch < end.epoch)
    return View(tuple(reversed(chain)), strays, tuple(epochs), end)
