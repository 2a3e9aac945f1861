"""The subscriptions to a queue, as resources (spec 2.9)."""

from typing import Any

import falcon.asgi

from mqcore.contract import QueueRef, SubscriptionExists
from mqcore.service import Service

from . import query
from .body import SMALL_BODY, decode_object, read_body
from .bridge import Bridge
from .errors import CONFLICT, INVALID_REQUEST, Refusal
from .render import Renderer, queue_path, write
from .request import Request, Resource

__all__ = ["Confirmation", "SubscriptionItem", "Subscriptions"]


async def _read(req: Request) -> dict[str, Any]:
    """The body; none at all is an object without members. Null members are refused."""
    data = await read_body(req, SMALL_BODY, optional=True)
    document = decode_object(data, otherwise=INVALID_REQUEST) if data else {}
    for name in ("ttl", "options"):
        if name in document and document[name] is None:
            raise Refusal(INVALID_REQUEST, f"{name} must not be null; leave it out instead")
    return document


class Subscriptions(Resource):
    """The collection."""

    def __init__(self, service: Service, bridge: Bridge) -> None:
        self._subscriptions = service.subscriptions
        self._bridge = bridge
        self._render = Renderer(service)

    async def on_get(self, req: Request, resp: falcon.asgi.Response, queue: QueueRef) -> None:
        limit = query.integer(req, "limit")
        page = await self._bridge.run(
            queue.project,
            self._subscriptions.list,
            queue,
            marker=query.text(req, "marker"),
            limit=10 if limit is None else limit,
        )
        path = f"{queue_path(queue)}/subscriptions"
        document = {
            "subscriptions": [self._render.subscription(item) for item in page.items],
            "links": query.next_links(path, {"limit": limit}, page.next),
        }
        write(resp, document)

    async def on_post(self, req: Request, resp: falcon.asgi.Response, queue: QueueRef) -> None:
        wish = await _read(req)
        location = {"Location": f"{queue_path(queue)}/subscriptions"}
        try:
            subscription = await self._bridge.run(
                queue.project,
                self._subscriptions.create,
                queue,
                wish.get("subscriber"),
                ttl=wish.get("ttl"),
                options=wish.get("options"),
            )
        except SubscriptionExists as error:
            raise Refusal(CONFLICT, str(error), location) from None
        write(resp, {"subscription_id": subscription.id}, 201)
        resp.set_headers(location)


class SubscriptionItem(Resource):
    """One subscription."""

    def __init__(self, service: Service, bridge: Bridge) -> None:
        self._subscriptions = service.subscriptions
        self._bridge = bridge
        self._render = Renderer(service)

    async def on_get(
        self, req: Request, resp: falcon.asgi.Response, queue: QueueRef, subscription_id: str
    ) -> None:
        subscription = await self._bridge.run(
            queue.project, self._subscriptions.get, queue, subscription_id
        )
        write(resp, self._render.subscription(subscription))

    async def on_patch(
        self, req: Request, resp: falcon.asgi.Response, queue: QueueRef, subscription_id: str
    ) -> None:
        changes = await _read(req)
        await self._bridge.run(
            queue.project, self._subscriptions.update, queue, subscription_id, changes
        )
        resp.status = 204
        resp.set_header("Location", req.path)

    async def on_delete(
        self, req: Request, resp: falcon.asgi.Response, queue: QueueRef, subscription_id: str
    ) -> None:
        await self._bridge.run(queue.project, self._subscriptions.delete, queue, subscription_id)
        resp.status = 204


class Confirmation(Resource):
    """Whether the subscriber has agreed."""

    def __init__(self, service: Service, bridge: Bridge) -> None:
        self._subscriptions = service.subscriptions
        self._bridge = bridge

    async def on_put(
        self, req: Request, resp: falcon.asgi.Response, queue: QueueRef, subscription_id: str
    ) -> None:
        confirmed = (await _read(req)).get("confirmed")
        if not isinstance(confirmed, bool):
            raise Refusal(INVALID_REQUEST, "the body must have confirmed, which is true or false")
        await self._bridge.run(
            queue.project, self._subscriptions.confirm, queue, subscription_id, confirmed
        )
        resp.status = 204
        resp.set_header("Location", req.path)
