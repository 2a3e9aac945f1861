"""The subscriptions to one queue name, in memory, as the log says."""

from dataclasses import replace
from itertools import islice
from typing import Any

from sortedcontainers import SortedDict, SortedSet

from mqcore.contract import Subscription

__all__ = ["Subscribers"]


class Subscribers:
    def __init__(self) -> None:
        self.by_id: Any = SortedDict()
        self._ids: dict[str, str] = {}
        self._agenda: Any = SortedSet()

    def is_due(self, now: float) -> bool:
        return bool(self._agenda) and self._agenda[0][0] <= now

    def settle(self, now: float, most: int) -> int:
        """Let up to `most` end that are due; return how many did."""
        gone = 0
        while gone < most and self.is_due(now):
            self.remove(self.by_id[self._agenda[0][1]])
            gone += 1
        return gone

    def find(self, subscription_id: str) -> Subscription | None:
        found: Subscription | None = self.by_id.get(subscription_id)
        return found

    def of(self, subscriber: str) -> Subscription | None:
        return self.find(self._ids.get(subscriber, ""))

    def page(self, marker: str | None, limit: int) -> list[Subscription]:
        ids = self.by_id.irange(marker, None, (False, False))
        return [self.by_id[each] for each in islice(ids, limit)]

    def add(self, subscription: Subscription) -> None:
        self.by_id[subscription.id] = subscription
        self._ids[subscription.subscriber] = subscription.id
        self._agenda.add(_ending(subscription))

    def remove(self, subscription: Subscription) -> None:
        del self.by_id[subscription.id]
        del self._ids[subscription.subscriber]
        self._agenda.remove(_ending(subscription))

    def change(self, subscription: Subscription, **changes: Any) -> None:
        self.remove(subscription)
        self.add(replace(subscription, **changes))


def _ending(subscription: Subscription) -> tuple[float, str]:
    return subscription.renewed_at + subscription.ttl, subscription.id
