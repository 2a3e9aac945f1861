"""Claims in Redis."""

from collections.abc import Sequence
from itertools import repeat
from typing import Any

from mqcore.contract import (
    Claim,
    ClaimController,
    ClaimNotFound,
    ClaimRequest,
    MetadataConflict,
    MQError,
    QueueNotFound,
    QueueRef,
)

from .scripts import script
from .store import Store
from .values import to_id, to_message, to_text

__all__ = ["Claims"]

_CLAIM = script("queue", "version", "runs", "walk", "append", "lease", "fresh", "claim")
_GET = script("queue", "lease", "get_claim")
_RENEW = script("queue", "runs", "lease", "renew")
_RELEASE = script("queue", "lease", "release")

ANOTHER_VERSION, NONE, DEAD_LETTERS_MISSING = -1, 0, 1


class Claims(ClaimController):
    def __init__(self, store: Store) -> None:
        self._store = store

    def claim(
        self, queue: QueueRef, requests: Sequence[ClaimRequest]
    ) -> Sequence[Claim | MQError | None]:
        at = self._store.moment()
        args: list[str | bytes | int] = [to_text(queue.if_version), str(at)]
        letters: dict[str, tuple[str, ...]] = {}
        targets: set[QueueRef] = set()
        for each in requests:
            args += (to_id(each.id), each.limit, at.end(each.ttl), each.ttl, each.grace)
            if each.dead_letter is None:
                args += ("", "", "", "")
                continue
            dead = each.dead_letter
            target = QueueRef(queue.project, dead.name)
            targets.add(target)
            keys = self._store.keys.of(target)
            letters[keys.stem] = (keys.agenda, *keys.queue)
            args += (keys.stem, dead.max_claims)
            args += ("", "") if dead.ttl is None else (dead.ttl, at.end(dead.ttl))
        more_keys = [key for keys in letters.values() for key in keys]
        answers = self._store.on_queue(_CLAIM, queue, *args, more_keys=more_keys, at=at)
        if answers == ANOTHER_VERSION:
            raise MetadataConflict(queue)
        if not answers:
            return [None] * len(requests)
        *answers, moved = answers
        for target in targets if moved else ():
            self._store.waking.tell(target)
        return [
            _result(queue, request, answer)
            for request, answer in zip(requests, answers, strict=True)
        ]

    def get(self, queue: QueueRef, claim_id: str) -> Claim:
        found = self._store.on_queue(_GET, queue, to_id(claim_id))
        if found is None:
            raise ClaimNotFound(claim_id, queue)
        return _to_claim(claim_id, found)

    def renew(self, queue: QueueRef, claim_id: str, *, ttl: int, grace: int) -> None:
        at = self._store.moment()
        renewal = (to_id(claim_id), str(at), at.end(ttl), ttl, grace)
        if not self._store.on_queue(_RENEW, queue, *renewal, at=at):
            raise ClaimNotFound(claim_id, queue)

    def release(self, queue: QueueRef, claim_id: str) -> None:
        if self._store.on_queue(_RELEASE, queue, to_id(claim_id)):
            self._store.waking.tell(queue)


def _result(queue: QueueRef, request: ClaimRequest, answer: Any) -> Claim | MQError | None:
    if answer == NONE:
        return None
    if answer == DEAD_LETTERS_MISSING and request.dead_letter is not None:
        return QueueNotFound(QueueRef(queue.project, request.dead_letter.name))
    return _to_claim(request.id, answer)


def _to_claim(claim_id: str, found: Sequence[Any]) -> Claim:
    ttl, grace, renewed_at = found[:3]
    held = tuple(map(to_message, found[3::3], found[4::3], found[5::3], repeat(claim_id)))
    return Claim(claim_id, int(ttl), int(grace), float(renewed_at), held)
