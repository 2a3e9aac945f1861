"""Subscriptions: who may subscribe, for how long, and what a repeated request means."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from mqcore.contract import (
    Clock,
    Driver,
    Invalid,
    NewSubscription,
    Page,
    QueueRef,
    Subscription,
    SubscriptionExists,
    SubscriptionNotFound,
    Unavailable,
    new_id,
)

from .limits import MIN_TTL, ServiceLimits
from .retry import check_retry_policy
from .validation import check_depth, check_number

__all__ = ["SubscriptionService"]

LAST_SECOND = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())
MAX_RACES = 20


class SubscriptionService:
    """Operations on subscriptions. All raise Unavailable when the store is."""

    def __init__(self, driver: Driver, limits: ServiceLimits, clock: Clock) -> None:
        self._driver = driver
        self._limits = limits
        self._clock = clock

    def create(
        self,
        queue: QueueRef,
        subscriber: object,
        *,
        ttl: object = None,
        options: object = None,
    ) -> Subscription:
        """Subscribe a URI to the queue, which is created when it is missing.

        When the subscriber has a subscription that nobody confirmed yet, that one is the answer,
        unchanged; when it is confirmed, SubscriptionExists is raised (spec 2.9). Raises Invalid.
        """
        options = self._options({} if options is None else options)
        uri = self._subscriber(subscriber, options)
        ttl = self._ttl(self._limits.default_subscription_ttl if ttl is None else ttl)
        self._driver.queues.create(queue, {})
        for _ in range(MAX_RACES):
            new = NewSubscription(new_id(), uri, ttl, options)
            created = self._driver.subscriptions.create(queue, new)
            if created:
                return created
            try:
                existing = self._driver.subscriptions.get_by_subscriber(queue, uri)
            except SubscriptionNotFound:
                continue
            if existing.confirmed:
                raise SubscriptionExists(uri, queue)
            return existing
        raise Unavailable(f"the subscriptions of {queue} change too fast; try again")

    def get(self, queue: QueueRef, subscription_id: str) -> Subscription:
        """Raises SubscriptionNotFound."""
        return self._driver.subscriptions.get(queue, subscription_id)

    def list(
        self, queue: QueueRef, *, marker: str | None = None, limit: int = 10
    ) -> Page[Subscription]:
        """A page of subscriptions by creation; empty for a missing queue. Raises Invalid."""
        check_number("limit", limit, 1, self._limits.max_subscriptions_per_page)
        return self._driver.subscriptions.list(queue, marker=marker, limit=limit)

    def update(self, queue: QueueRef, subscription_id: str, changes: object) -> None:
        """Change `subscriber`, `ttl` or `options`, as given in the object `changes`.

        Raises Invalid before SubscriptionNotFound, and SubscriptionExists when another
        subscription of the queue has the new subscriber.
        """
        given = dict(changes) if isinstance(changes, dict) else {}
        known = {key: given[key] for key in ("subscriber", "ttl", "options") if key in given}
        if not known:
            raise Invalid("give an object with at least one of subscriber, ttl and options")
        options = self._options(known["options"]) if "options" in known else None
        uri = (
            self._subscriber(known["subscriber"], options or {}) if "subscriber" in known else None
        )
        ttl = self._ttl(known["ttl"]) if "ttl" in known else None
        self._driver.subscriptions.update(
            queue, subscription_id, subscriber=uri, ttl=ttl, options=options
        )

    def confirm(self, queue: QueueRef, subscription_id: str, confirmed: bool) -> None:
        """Set or clear the mark. Raises SubscriptionNotFound."""
        self._driver.subscriptions.confirm(queue, subscription_id, confirmed)

    def delete(self, queue: QueueRef, subscription_id: str) -> None:
        """Silent for unknown ids."""
        self._driver.subscriptions.delete(queue, subscription_id)

    def _subscriber(self, subscriber: object, options: dict[str, Any]) -> str:
        if not isinstance(subscriber, str):
            raise Invalid("subscriber must be a string that holds a URI")
        try:
            scheme = urlsplit(subscriber).scheme
        except ValueError as exc:
            raise Invalid(f"subscriber is not a URI: {exc}") from None
        if scheme not in self._limits.subscriber_types:
            known = ", ".join(self._limits.subscriber_types)
            raise Invalid(f"subscriber must be a URI with one of these schemes: {known}")
        if scheme.startswith("trust+") and "trust_id" not in options:
            raise Invalid(
                f"a {scheme} subscriber needs options.trust_id: this server creates no trusts"
            )
        return subscriber

    def _ttl(self, ttl: object) -> int:
        most = LAST_SECOND - int(self._clock())
        return check_number("ttl", ttl, MIN_TTL, most)

    @staticmethod
    def _options(options: object) -> dict[str, Any]:
        if not isinstance(options, dict):
            raise Invalid("options must be an object")
        check_depth("options", options)
        if "_retry_policy" in options:
            check_retry_policy("options._retry_policy", options["_retry_policy"])
        return options
