"""A transaction and the moment that it is about."""

import math
from typing import Any

from sqlalchemy import Select

from mqcore.contract import QueueRef

from .lowwater import LowWater
from .segments import Segments
from .statements import Database, Statement
from .tally import Tally

__all__ = ["Reading", "Session", "Work"]


class Session:
    """A reading transaction. `now` is exact, `second` is what ends are compared with.

    Ends are whole seconds, so `end > now` and `end > second` are the same.
    """

    writing = False

    def __init__(self, db: Database, now: float, low: LowWater) -> None:
        self.db = db
        self.low = low
        self.now = now
        self.second = math.floor(now)

    def end(self, seconds: float) -> int:
        """The end of something that begins now, rounded up."""
        return math.ceil(self.now + seconds)


class Reading:
    """A query of rows. In a writing transaction it locks them, so that they stay as they are."""

    def __init__(self, core: Select[Any]) -> None:
        self._plain = Statement(core)
        self._locking = Statement(core.with_for_update())

    def within(self, session: Session) -> Statement:
        return self._locking if session.writing else self._plain


class Work(Session):
    """A writing transaction, with what it changes in the counts and bounds.

    `woken` are the queues to hint at when it is committed.

    On a server others write at the same time: what is read to be changed is locked as it is read.
    """

    writing = True

    def __init__(self, db: Database, now: float, low: LowWater) -> None:
        super().__init__(db, now, low)
        self.tally = Tally()
        self.segments = Segments()
        self.woken: set[QueueRef] = set()

    def flush(self) -> None:
        self.segments.flush(self.db)
        self.tally.flush(self.db)
