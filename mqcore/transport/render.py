"""JSON out: how things look to the user (spec 2.6 to 2.9)."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import falcon.asgi
import msgspec
from msgspec import UNSET, UnsetType

from mqcore.contract import Mark, Message, QueueRef, QueueStats, Subscription
from mqcore.service import Service

__all__ = ["Renderer", "queue_path", "write"]

_encoder = msgspec.json.Encoder()


class MessageView(msgspec.Struct):
    """A message. Clients refuse any other member (spec 9.2 K2)."""

    id: str
    href: str
    ttl: int
    age: int
    body: msgspec.Raw
    checksum: str | UnsetType = UNSET


class PoppedView(msgspec.Struct):
    """A message that is gone from its queue."""

    id: str
    ttl: int
    age: int
    body: msgspec.Raw
    claim_id: None
    claim_count: int
    checksum: str | UnsetType = UNSET


def write(resp: falcon.asgi.Response, document: Any, status: int = 200) -> None:
    """Answer with a JSON document."""
    resp.status = status
    resp.data = _encoder.encode(document)
    resp.content_type = "application/json"


def queue_path(queue: QueueRef) -> str:
    return f"/v2/queues/{queue.name}"


class Renderer:
    """Makes documents of stored things; it needs the service to tell their age."""

    def __init__(self, service: Service) -> None:
        self._age = service.age
        self._clock = service.clock

    def message(self, queue: QueueRef, message: Message) -> MessageView:
        return self.messages(queue, [message])[0]

    def messages(self, queue: QueueRef, messages: Iterable[Message]) -> list[MessageView]:
        """The messages as of one moment, each with its claim in the link while one holds it."""
        age, now = self._age, self._clock()
        path = f"{queue_path(queue)}/messages/"
        return [
            MessageView(
                one.id,
                # The only parameter: clients take what follows the "=" (spec 9.2 K3).
                f"{path}{one.id}?claim_id={one.claim_id}" if one.claim_id else path + one.id,
                one.ttl,
                age(one.posted_at, now),
                msgspec.Raw(one.body),
                one.checksum or UNSET,
            )
            for one in messages
        ]

    def popped(self, message: Message) -> PoppedView:
        return PoppedView(
            message.id,
            message.ttl,
            self._age(message.posted_at),
            msgspec.Raw(message.body),
            None,
            message.claim_count,
            message.checksum or UNSET,
        )

    def stats(self, queue: QueueRef, stats: QueueStats) -> dict[str, Any]:
        counts: dict[str, Any] = {
            "claimed": stats.claimed,
            "free": stats.free,
            "total": stats.total,
        }
        if stats.oldest and stats.newest:
            counts["oldest"] = self._mark(queue, stats.oldest)
            counts["newest"] = self._mark(queue, stats.newest)
        return {"messages": counts}

    def _mark(self, queue: QueueRef, mark: Mark) -> dict[str, Any]:
        created = datetime.fromtimestamp(mark.posted_at, UTC)
        return {
            "href": f"{queue_path(queue)}/messages/{mark.id}",
            "age": self._age(mark.posted_at),
            "created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def subscription(self, subscription: Subscription) -> dict[str, Any]:
        return {
            "id": subscription.id,
            "source": subscription.source,
            "subscriber": subscription.subscriber,
            "ttl": subscription.ttl,
            "age": self._age(subscription.created_at),
            "options": subscription.options,
            "confirmed": subscription.confirmed,
        }
