"""mqcore inside one's own process: the service with Python values for message bodies."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, TypeVar

from .contract import (
    Claim,
    Clock,
    Driver,
    Invalid,
    Message,
    Page,
    PageRequest,
    QueueRef,
    QueueStats,
    Subscription,
)
from .housekeeping import Housekeeping
from .service import NewClaim, Post, Posting, Service, ServiceLimits, queue_ref
from .waking import wait_for

__all__ = ["Connection", "Queue"]

T = TypeVar("T")


class Connection:
    """An open store and its queues in one project. Thread-safe.

    `service` gives the operations underneath, with bodies as bytes and batches of requests.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        project: str | None = None,
        limits: ServiceLimits | None = None,
        clock: Clock = time.time,
    ) -> None:
        self.service = Service(driver, limits=limits, clock=clock)
        self.project = project
        self._housekeeping = Housekeeping(driver)
        self._housekeeping.start()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the store. Idempotent; later calls raise Closed."""
        self._housekeeping.stop()
        self.service.close()

    def queue(self, name: str) -> "Queue":
        """The queue of this name, whether or not it exists yet. Raises Invalid for a bad name."""
        return Queue(self.service, queue_ref(self.project, name))

    def queues(self) -> Iterator["Queue"]:
        """The queues of the project, by name."""
        limit = self.service.limits.max_queues_per_page
        found = _all(lambda at: self.service.queues.list(self.project, marker=at, limit=limit))
        return (Queue(self.service, QueueRef(self.project, one.name)) for one in found)

    def ping(self) -> None:
        """Raises Unavailable when the store does not answer."""
        self.service.ping()


class Queue:
    """One queue. It comes into being with the first message, subscription or `create`."""

    def __init__(self, service: Service, ref: QueueRef) -> None:
        self._service = service
        self.ref = ref

    @property
    def name(self) -> str:
        return self.ref.name

    def create(self, metadata: Mapping[str, Any] | None = None) -> bool:
        """Create the queue; True when it is new. An existing one keeps its metadata."""
        return self._service.queues.create(self.ref, metadata)

    def exists(self) -> bool:
        return self._service.queues.exists(self.ref)

    def metadata(self) -> dict[str, Any]:
        """The metadata, with the defaults of the reserved keys filled in."""
        return self._service.queues.get(self.ref)

    def update(self, **changes: Any) -> dict[str, Any]:
        """Set metadata keys, keep the others, and return the result. Raises QueueNotFound."""
        return self._service.queues.update(self.ref, lambda stored: {**stored, **changes})

    def stats(self) -> QueueStats:
        return self._service.queues.stats(self.ref)

    def purge(self) -> None:
        """Remove all messages and claims; subscriptions stay."""
        self._service.queues.purge(self.ref, subscriptions=False)

    def delete(self, *messages: Message | str) -> None:
        """Delete messages, as they came from a claim or a listing, or by id.

        One that came from a claim is deleted by right of that claim: when the claim is over,
        this raises ClaimNotFound, and another consumer may have the message by now. All are
        tried; the first error is raised afterwards. To delete the queue, call `drop`.
        """
        handles = [
            self._service.messages.handle(*((one,) if isinstance(one, str) else _receipt(one)))
            for one in messages
        ]
        for error in self._service.messages.delete_many(self.ref, handles):
            if error:
                raise error

    def drop(self) -> None:
        """Delete the queue with its messages, claims and subscriptions; silent when missing."""
        self._service.queues.delete(self.ref)

    def post(
        self,
        *bodies: Any,
        ttl: int | None = None,
        delay: int | None = None,
        client: str | None = None,
    ) -> tuple[str, ...]:
        """Post messages with these JSON values as bodies, all or none; return their ids.

        `ttl` and `delay` are seconds; None takes the queue's default. `client` names the poster,
        for listings with `hide_client`. Raises Invalid.
        """
        postings = [Posting(_encoded(body), ttl, delay) for body in bodies]
        return self._service.messages.post(self.ref, Post(postings, client))

    def claim(
        self,
        limit: int = 10,
        *,
        ttl: int | None = None,
        grace: int | None = None,
        wait: float = 0,
    ) -> Claim | None:
        """Claim up to `limit` messages for `ttl` seconds; None when there is nothing to claim.

        With `wait`, wait so many seconds for the first message to come.
        """
        new = NewClaim(limit, ttl, grace)
        return self._awaited(lambda: self._service.claims.claim(self.ref, new), wait)

    def renew(self, claim: Claim, *, ttl: int | None = None, grace: int | None = None) -> None:
        """Restart the claim's time. Raises ClaimNotFound when it is over."""
        self._service.claims.renew(self.ref, claim.id, ttl=ttl, grace=grace)

    def release(self, claim: Claim) -> None:
        """Give back what the claim still holds."""
        self._service.claims.release(self.ref, claim.id)

    def pop(self, limit: int = 1, *, wait: float = 0) -> tuple[Message, ...]:
        """Take messages out for good, oldest first; `wait` as in `claim`."""
        return self._awaited(lambda: self._service.messages.pop(self.ref, limit), wait)

    def _awaited(self, look: Callable[[], T], seconds: float) -> T:
        return wait_for(self._service.driver, self.ref, look, seconds)

    def get(self, message_id: str) -> Message:
        """Raises MessageNotFound."""
        return self._service.messages.get(self.ref, message_id)

    def messages(
        self,
        *,
        hide_client: str | None = None,
        include_claimed: bool = False,
        include_delayed: bool = False,
    ) -> Iterator[Message]:
        """All messages, oldest first, read page by page."""
        most = self._service.limits.max_messages_per_page
        return _all(
            lambda at: self._service.messages.list(
                self.ref,
                PageRequest(at, most, hide_client, include_claimed, include_delayed),
            )
        )

    def subscribe(
        self, subscriber: str, *, ttl: int | None = None, options: Mapping[str, Any] | None = None
    ) -> Subscription:
        """Subscribe a URI to the queue. Raises Invalid and SubscriptionExists."""
        chosen = None if options is None else dict(options)
        return self._service.subscriptions.create(self.ref, subscriber, ttl=ttl, options=chosen)


def _all(page_after: Callable[[str | None], Page[T]]) -> Iterator[T]:
    """The items of all pages, each read when the one before is used up."""
    page = page_after(None)
    yield from page.items
    while page.next is not None:
        page = page_after(page.next)
        yield from page.items


def _receipt(message: Message) -> tuple[str, str | None]:
    return message.id, message.claim_id


def _encoded(body: Any) -> bytes:
    try:
        return json.dumps(body, allow_nan=False, separators=(",", ":"), ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise Invalid(f"a message body must be a JSON value: {exc}") from exc
