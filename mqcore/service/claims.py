"""Claims: defaults, limits, and the dead-letter rule of the queue."""

from collections.abc import Sequence
from dataclasses import replace

from msgspec import Struct

from mqcore.contract import (
    Claim,
    ClaimRequest,
    Driver,
    MetadataConflict,
    MQError,
    QueueNotFound,
    QueueRef,
    Unavailable,
    new_id,
)

from .limits import MIN_TTL, ServiceLimits
from .queues import QueueService
from .rules import QueueRules
from .validation import check_number, only

__all__ = ["ClaimService", "NewClaim"]


class NewClaim(Struct, frozen=True):
    """One user's request to claim. None takes the configured default."""

    limit: int = 10
    ttl: int | None = None
    grace: int | None = None


class ClaimService:
    """Operations on claims. All raise Unavailable when the store is."""

    def __init__(self, driver: Driver, limits: ServiceLimits, queues: QueueService) -> None:
        self._driver = driver
        self._limits = limits
        self._queues = queues

    def claim(self, queue: QueueRef, new: NewClaim) -> Claim | None:
        """Claim messages; None when nothing is claimable, for a missing queue too.

        A message that was handed out as often as the queue's `_max_claim_count` allows moves to
        its `_dead_letter_queue`, which is created when it is missing. Raises Invalid.
        """
        return only(self.claim_many(queue, [new]))

    def claim_many(
        self, queue: QueueRef, claims: Sequence[NewClaim]
    ) -> Sequence[Claim | MQError | None]:
        """Serve several requests in one call to the store, each with its own result or error."""
        at, rules = self._queues.rules(queue)
        results: list[Claim | MQError | None] = []
        requests: dict[int, ClaimRequest] = {}
        for position, new in enumerate(claims):
            try:
                requests[position] = self._request(new, rules)
                results.append(None)
            except MQError as error:
                results.append(error)
        try:
            self._serve(at, requests, results)
        except MetadataConflict:
            _, rules = self._queues.rules(queue, anew=True)
            requests = {
                position: replace(request, dead_letter=rules.dead_letter)
                for position, request in requests.items()
            }
            self._serve(queue, requests, results)
        lost = {p: r for p, r in requests.items() if isinstance(results[p], QueueNotFound)}
        if lost and rules.dead_letter:
            self._driver.queues.create(QueueRef(queue.project, rules.dead_letter.name), {})
            self._serve(queue, lost, results)
        return [
            Unavailable(f"{one.queue} is being deleted; try again")
            if isinstance(one, QueueNotFound)
            else one
            for one in results
        ]

    def _serve(
        self,
        queue: QueueRef,
        requests: dict[int, ClaimRequest],
        results: list[Claim | MQError | None],
    ) -> None:
        if requests:
            answers = self._driver.claims.claim(queue, list(requests.values()))
            for position, answer in zip(requests, answers, strict=True):
                results[position] = answer

    def _request(self, new: NewClaim, rules: QueueRules) -> ClaimRequest:
        limits = self._limits
        check_number("limit", new.limit, 1, limits.max_messages_per_claim_or_pop)
        ttl, grace = self._lease(new.ttl, new.grace)
        return ClaimRequest(new_id(), new.limit, ttl, grace, rules.dead_letter)

    def _lease(self, ttl: int | None, grace: int | None) -> tuple[int, int]:
        limits = self._limits
        ttl = limits.default_claim_ttl if ttl is None else ttl
        grace = limits.default_claim_grace if grace is None else grace
        return (
            check_number("ttl", ttl, MIN_TTL, limits.max_claim_ttl),
            check_number("grace", grace, MIN_TTL, limits.max_claim_grace),
        )

    def get(self, queue: QueueRef, claim_id: str) -> Claim:
        """Raises ClaimNotFound, for a missing queue too."""
        return self._driver.claims.get(queue, claim_id)

    def renew(
        self, queue: QueueRef, claim_id: str, *, ttl: int | None = None, grace: int | None = None
    ) -> None:
        """Restart the lease; None takes the configured default. Raises ClaimNotFound, Invalid."""
        ttl, grace = self._lease(ttl, grace)
        self._driver.claims.renew(queue, claim_id, ttl=ttl, grace=grace)

    def release(self, queue: QueueRef, claim_id: str) -> None:
        """End the claim; its messages are claimable at once. Silent for unknown claims."""
        self._driver.claims.release(queue, claim_id)
