"""Which objects hold bodies that are still needed, and which may be deleted."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

__all__ = ["Body", "Packs"]


@dataclass(frozen=True, slots=True)
class Body:
    """Where a body lies: in the object of which entry, from which byte on."""

    slot: int
    start: int
    size: int


@dataclass(slots=True)
class _Pack:
    name: str
    messages: int = 0


class Packs:
    """The objects of a log. Those without a message that is left are waste, numbered as they
    come, so that an entry of the log can say up to where waste was removed."""

    def __init__(self) -> None:
        self._packs: dict[int, _Pack] = {}
        self.waste: dict[int, tuple[str, float]] = {}
        """By number: the name, and since when nobody needs it."""
        self._now = 0.0
        self.wasted = 0
        """How many there have ever been: the number of the last one."""

    def begin(self, slot: int, name: str, now: float) -> None:
        """An entry is applied; `finish` follows when it is."""
        self._now = now
        self._packs[slot] = _Pack(name, 1)

    def finish(self, slot: int) -> None:
        self._drop(slot)

    def keep(self, body: Body) -> None:
        self._packs[body.slot].messages += 1

    def drop(self, body: Body) -> None:
        self._drop(body.slot)

    def name(self, slot: int) -> str:
        return self._packs[slot].name

    def swept(self, number: int) -> None:
        """Waste up to this number was removed."""
        for each in list(takewhile(lambda each: each <= number, self.waste)):
            del self.waste[each]

    def restore(self, slot: int, name: str) -> None:
        self._packs[slot] = _Pack(name)

    def names(self) -> Iterator[tuple[int, str]]:
        return ((slot, pack.name) for slot, pack in self._packs.items())

    def known(self) -> set[str]:
        """The names of all, waste included."""
        waste = {name for name, _ in self.waste.values()}
        return waste.union(pack.name for pack in self._packs.values())

    def _drop(self, slot: int) -> None:
        pack = self._packs[slot]
        pack.messages -= 1
        if not pack.messages:
            self.wasted += 1
            self.waste[self.wasted] = (pack.name, self._now)
            del self._packs[slot]
