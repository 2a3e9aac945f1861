"""A probe that does what users do, on a queue of its own (spec 2.5)."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from mqcore.contract import (
    Claim,
    ClaimRequest,
    Driver,
    Handle,
    MQError,
    NewMessage,
    QueueRef,
    new_id,
)

__all__ = ["health_report"]

MESSAGES = 100


def health_report(driver: Driver, on_failure: Callable[[str, MQError], str]) -> dict[str, Any]:
    """Probe the store and return the report; the probe's queue is gone afterwards.

    `on_failure` takes the name of an operation and its error, and returns a reference for logs.
    """
    probe = _Probe(driver, on_failure)
    try:
        driver.ping()
        reachable = True
    except MQError:
        reachable = False
    report: dict[str, Any] = {
        "storage_reachable": reachable,
        "operation_status": probe.run(),
    }
    try:
        volume = driver.volume()
    except MQError:
        return report
    report["message_volume"] = {
        "free": volume.free,
        "claimed": volume.claimed,
        "total": volume.total,
    }
    return report


class _Probe:
    def __init__(self, driver: Driver, on_failure: Callable[[str, MQError], str]) -> None:
        self._driver = driver
        self._on_failure = on_failure
        self._queue = QueueRef(f"health-{new_id()}", "health")
        self._ids = [new_id() for _ in range(MESSAGES)]
        self._claim: Claim | None = None

    def run(self) -> dict[str, Any]:
        operations = {
            "create_queue": lambda: self._driver.queues.create(self._queue, {}),
            "post_messages": self._post,
            "claim_messages": self._take,
            "list_messages": lambda: self._driver.messages.list(self._queue, include_claimed=True),
            "delete_messages": self._delete_claimed,
            "delete_claim": self._release,
            "bulk_delete_messages": self._delete_all,
            "delete_queue": lambda: self._driver.queues.delete(self._queue),
        }
        return {name: self._timed(name, operation) for name, operation in operations.items()}

    def _timed(self, name: str, operation: Callable[[], object]) -> dict[str, Any]:
        start = time.perf_counter()
        ref = None
        try:
            operation()
        except MQError as error:
            ref = self._on_failure(name, error)
        return {
            "succeeded": ref is None,
            "seconds": time.perf_counter() - start,
            "ref": ref,
        }

    def _post(self) -> None:
        batch = [NewMessage(i, b'"health probe"', ttl=600) for i in self._ids]
        _raise_first(self._driver.messages.post(self._queue, batch))

    def _take(self) -> None:
        request = ClaimRequest(new_id(), limit=10, ttl=60, grace=300)
        results = self._driver.claims.claim(self._queue, [request])
        _raise_first(results)
        self._claim = next((one for one in results if isinstance(one, Claim)), None)

    def _delete_claimed(self) -> None:
        if self._claim:
            handles = [Handle(one.id, (self._claim.id,)) for one in self._claim.messages]
            _raise_first(self._driver.messages.delete(self._queue, handles))

    def _release(self) -> None:
        if self._claim:
            self._driver.claims.release(self._queue, self._claim.id)

    def _delete_all(self) -> None:
        handles = [Handle(i, force=True) for i in self._ids]
        _raise_first(self._driver.messages.delete(self._queue, handles))


def _raise_first(results: Sequence[object]) -> None:
    for result in results:
        if isinstance(result, MQError):
            raise result
