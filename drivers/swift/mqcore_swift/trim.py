"""Keeping a log short: checkpoints, and deleting the objects that nobody needs any more."""

from contextlib import suppress
from itertools import islice, takewhile
from math import inf

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

    def run(self, now: float, limit: int) -> None:
        """Make a checkpoint, right after an entry of ours, and remove up to `limit` objects.

        The next entry tells the others what is gone. The log's last entry stays: by it, who stands
        further back sees that something is gone.
        """
        replica = self._replica
        older = self._checkpoint()
        waste = self._removable(now, limit, min(replica.covered, replica.tip.slot - 1))
        replica.requests.delete([*older, *waste.values()])
        self.swept = max(self.swept, *waste, 0)

    def _checkpoint(self) -> list[str]:
        """Make one; return the names of those before. None is made when there is no room for it:
        what an earlier one covers can be removed all the same."""
        replica = self._replica
        content = checkpoint.write(replica.project, replica.tip)
        name = checkpoint_name(replica.digest, replica.tip)
        with suppress(Unavailable):
            replica.requests.put(name, content)
        listed = replica.requests.names(f"{replica.digest}/0/")
        if name not in listed:
            return []
        replica.begin_after_checkpoint(len(content))
        return [each for each in listed if each < name]

    def remove_strays(self) -> None:
        """Delete entries that came too late to count, a page of names at a time."""
        replica = self._replica
        if self._searched == replica.tip:
            return
        known = replica.project.packs.known()
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

    def _removable(self, now: float, limit: int, covered: float = inf) -> dict[int, str]:
        """The oldest waste, of which nobody can still be reading the bodies.

        None after the first that must stay: `swept` is one number.
        """

        def may_go(item: tuple[int, tuple[str, float]]) -> bool:
            _, (name, since) = item
            return since + self._grace <= now and read_entry(name).tip.slot <= covered

        oldest = islice(self._replica.project.packs.waste.items(), limit)
        return {number: name for number, (name, _) in takewhile(may_go, oldest)}

    def forget(self, view: View, most: int) -> None:
        """Delete epochs that were displaced and entries that never counted, when many lie there.

        Only right after an entry of ours: until then, others may take what we hold for the log's
        end for something that came too late, and the other way round.
        """
        lower = [each for each in view.epochs if each < view.highest]
        if len(lower) + len(view.strays) > most:
            names = [epoch_name(self._replica.digest, each) for each in lower]
            with suppress(Unavailable):
                self._replica.requests.delete([*names, *view.strays])
