"""The rules of mqcore on top of a store: what the server and an in-process user both call.

The service knows validation, defaults, lazy creation of queues, the dead-letter rule and when to
notify. It knows no transport and no store. All of it is synchronous and thread-safe.
"""

import time
from collections.abc import Callable
from typing import Any

from mqcore.contract import Clock, Driver, MQError

from .claims import ClaimService, NewClaim
from .health import health_report
from .limits import MIN_TTL, ServiceLimits
from .messages import BulkDelete, MessageService, Notifier, Post, Posting
from .queues import QueueService
from .subscriptions import SubscriptionService
from .validation import queue_ref

__all__ = [
    "MIN_TTL",
    "BulkDelete",
    "ClaimService",
    "MessageService",
    "NewClaim",
    "Notifier",
    "Post",
    "Posting",
    "QueueService",
    "Service",
    "ServiceLimits",
    "SubscriptionService",
    "queue_ref",
]


class Service:
    """The four kinds of operation on one store. Queues are named by `queue_ref`, which checks."""

    def __init__(
        self,
        driver: Driver,
        *,
        limits: ServiceLimits | None = None,
        clock: Clock = time.time,
        notifier: Notifier | None = None,
    ) -> None:
        self.driver = driver
        self.limits = limits or ServiceLimits()
        self.clock = clock
        self.queues = QueueService(driver, self.limits)
        self.messages = MessageService(driver, self.limits, self.queues, notifier)
        self.claims = ClaimService(driver, self.limits, self.queues)
        self.subscriptions = SubscriptionService(driver, self.limits, clock)

    def age(self, since: float, now: float | None = None) -> int:
        """Whole seconds since a time, as of `now`, or of this moment."""
        seconds = (self.clock() if now is None else now) - since
        return int(seconds) if seconds > 0 else 0

    def ping(self) -> None:
        """Raises Unavailable when the store does not answer."""
        self.driver.ping()

    def health(self, on_failure: Callable[[str, MQError], str]) -> dict[str, Any]:
        """Probe the store with real operations and report (spec 2.5)."""
        return health_report(self.driver, on_failure)

    def close(self) -> None:
        """Close the store. Idempotent."""
        self.driver.close()
