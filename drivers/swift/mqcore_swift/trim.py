"""Keeping a log short: checkpoints, and deleting the objects that nobody needs any more."""

from contextlib import suppress
from itertools import islice

from mqcore.contract import Unavailable

from . import checkpoint
from .names import NOTHING, checkpoint_name, epoch_name, read_entry
from .replica import Replica
from .view import View

__all__ = ["Trim"]

EVERY = 64
"""Entries between two checkpoints, at least; and half as many bytes as the last one has."""
SWEPT_AT_ONCE = 1000
PAGE = 1000


class Trim:
    def __init__(self, replica: Replica, grace: float) -> None:
        self._replica, self._grace = replica, grace
        self.swept = 0
        """Up to which number this handle has removed waste."""
        self._searched = NOTHING
        self._marker = ""

    def is_worthwhile(self, now: float) -> bool:
        """Whether there is much waste to remove, or some that may have bodies in it."""
        waste = self._removable(now, EVERY)
        return len(waste) == EVERY or any(".h" in name for name in waste.values())

    def after_entry(self, now: float) -> None:
        """Make a checkpoint when it is time. That it fails is no error: there will be others."""
        replica = self._replica
        if replica.entries >= EVERY and replica.size * 2 >= replica.checkpoint_size:
            with suppress(Unavailable):
                self.run(now, SWEPT_AT_ONCE)

    def run(self, now: float, limit: int) -> bool:
        """Make a checkpoint and remove up to `limit` objects; say whether some were removed.

        The next entry tells the others what is gone.
        """
        replica = self._replica
        content = checkpoint.write(replica.project, replica.tip)
        name = checkpoint_name(replica.digest, replica.tip)
        replica.requests.put(name, content)
        listed = replica.requests.names(f"{replica.digest}/0/")
        if name not in listed:
            return False
        replica.entries = replica.size = 0
        replica.checkpoint_size = len(content)
        waste = self._removable(now, limit)
        replica.requests.delete([*(each for each in listed if each < name), *waste.values()])
        self.swept = max(self.swept, *waste, 0)
        return bool(waste)

    def remove_strays(self) -> None:
        """Delete entries that came too late to count, a page of names at a time."""
        replica, known = self._replica, self._replica.project.packs.known()
        if self._searched == replica.tip:
            return
        names = replica.requests.names(f"{replica.digest}/1/", self._marker, limit=PAGE)
        found = [read_entry(name) for name in names if name not in known]
        end = replica.tip
        replica.requests.delete(
            [
                entry.name
                for entry in found
                if entry.tip.slot <= end.slot and entry.tip.epoch < end.epoch
            ]
        )
        self._marker = names[-1] if len(names) == PAGE else ""
        if not self._marker:
            self._searched = end

    def _removable(self, now: float, limit: int) -> dict[int, str]:
        """The oldest waste, of which nobody can still be reading the bodies."""
        oldest = islice(self._replica.project.packs.waste.items(), limit)
        return {number: name for number, (name, since) in oldest if since + self._grace <= now}

    def forget(self, view: View, epoch: str, most: int) -> None:
        """Delete epochs that were displaced and entries that never counted, when many lie there."""
        lower = [each for each in view.epochs if each < epoch]
        if len(lower) + len(view.strays) > most:
            names = [epoch_name(self._replica.digest, each) for each in lower]
            with suppress(Unavailable):
                self._replica.requests.delete([*names, *view.strays])
