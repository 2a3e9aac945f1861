"""A transaction and the moment that it is about."""

from typing import Any

from sqlalchemy import Select

from mqcore.contract import Moment, QueueRef

from .lowwater import LowWater
from .segments import Segments
from .statements import Database, Statement
from .tally import Tally

__all__ = ["Reading", "Session", "Work"]


class Session(Moment):
    """A reading transaction, and the moment that it is about."""

    writing = False

    def __init__(self, db: Database, now: float, low: LowWater) -> None:
        super().__init__(now)
        self.db = db
        self.low = low


class Reading:
    """A query of rows. In a writing transaction it locks them, so that they stay as they are."""

    def __init__(self, core: Select[Any]) -> None:
        self._plain = Statement(core)
        self._locking = Statement(core.with_for_update())

    def within(self, session: Session) -> Statement:
        return self._locking if session.writing else self._plain


class Work(Session):
    """A writing transaction, with what it changes in the counts and bounds.

    `woken` are the queues to hint at when it is committed. `again`: an earlier try failed.

    On a server others write at the same time: what is read to be changed is locked as it is read.
    """

    writing = True

    def __init__(self, db: Database, now: float, low: LowWater, *, again: bool = False) -> None:
        super().__init__(db, now, low)
        self.again = again
        self.tally = Tally()
        self.segments = Segments()
        self.woken: set[QueueRef] = set()

    def flush(self) -> None:
        self.segments.flush(self.db)
        self.tally.flush(self.db)
