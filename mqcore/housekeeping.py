"""Giving back the room of what expired, from time to time."""

import logging
import threading
from types import TracebackType

from .contract import Closed, Driver, MQError

__all__ = ["Housekeeping"]

log = logging.getLogger(__name__)

INTERVAL = 1.0
BATCH = 1000


class Housekeeping:
    """A thread that calls `driver.collect` every second, again at once while there is more."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def __enter__(self) -> "Housekeeping":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin. Once only."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread. Idempotent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        pause = INTERVAL
        while not self._stop.wait(pause):
            try:
                more = self._driver.collect(BATCH) >= BATCH
            except Closed:
                return
            except MQError as error:
                log.warning("housekeeping has to wait: %s", error)
                more = False
            # Even with more to do, others get their turn at the store in between.
            pause = INTERVAL / 50 if more else INTERVAL
