"""Claims in Swift."""

from collections.abc import Sequence
from typing import Any

from mqcore.contract import (
    Claim,
    ClaimController,
    ClaimNotFound,
    ClaimRequest,
    MQError,
    QueueNotFound,
    QueueRef,
)

from .commands import MISSING, Taken, taken
from .project import Project
from .store import Store, check_answer

__all__ = ["Claims"]


class Claims(ClaimController):
    def __init__(self, store: Store) -> None:
        self._store = store

    def claim(
        self, queue: QueueRef, requests: Sequence[ClaimRequest]
    ) -> Sequence[Claim | MQError | None]:
        wanted = [_wanted(each) for each in requests]
        answers = self._store.write(queue, "claim", wanted, queue.if_version)
        check_answer(queue, answers)
        found = [each for each in answers if isinstance(each, Taken)]
        claims = iter(self._with_bodies(found))
        results: list[Claim | MQError | None] = []
        for request, answer in zip(requests, answers, strict=True):
            if isinstance(answer, Taken):
                results.append(next(claims))
            elif answer == MISSING and request.dead_letter:
                results.append(QueueNotFound(QueueRef(queue.project, request.dead_letter.name)))
            else:
                results.append(None)
        return results

    def get(self, queue: QueueRef, claim_id: str) -> Claim:
        def look(project: Project) -> Taken | None:
            found = project.queue(queue.name)
            if found is None or claim_id not in found.box.leases:
                return None
            return taken(found.box, found.box.leases[claim_id])

        answer = self._store.read(queue.project, look, queue.name)
        if answer is None:
            raise ClaimNotFound(claim_id, queue)
        return self._with_bodies([answer])[0]

    def renew(self, queue: QueueRef, claim_id: str, *, ttl: int, grace: int) -> None:
        if not self._store.write(queue, "renew", claim_id, ttl, grace):
            raise ClaimNotFound(claim_id, queue)

    def release(self, queue: QueueRef, claim_id: str) -> None:
        self._store.write(queue, "release", claim_id)

    def _with_bodies(self, found: Sequence[Taken]) -> list[Claim]:
        messages = iter(self._store.bodies([seen for each in found for seen in each.messages]))
        return [
            Claim(
                each.id,
                each.ttl,
                each.grace,
                each.renewed_at,
                tuple(next(messages) for _ in each.messages),
            )
            for each in found
        ]


def _wanted(request: ClaimRequest) -> tuple[Any, ...]:
    dead = request.dead_letter
    letter = (dead.name, dead.max_claims, dead.ttl) if dead else None
    return request.id, request.limit, request.ttl, request.grace, letter
