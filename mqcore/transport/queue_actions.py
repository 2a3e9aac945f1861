"""What can be done to a whole queue: stats, purge, share (spec 2.6, 3.1)."""

from dataclasses import asdict
from typing import Any

import falcon.asgi

from mqcore.contract import QueueRef
from mqcore.service import Service
from mqcore.service.signed_url import share

from .body import SMALL_BODY, decode_object, read_body
from .bridge import Bridge
from .errors import INVALID_REQUEST, Refusal
from .render import Renderer, write
from .request import Request, Resource

__all__ = ["Purge", "Share", "Stats"]

KINDS = ("messages", "subscriptions")


class Stats(Resource):
    def __init__(self, service: Service, bridge: Bridge) -> None:
        self._queues = service.queues
        self._bridge = bridge
        self._render = Renderer(service)

    async def on_get(self, req: Request, resp: falcon.asgi.Response, queue: QueueRef) -> None:
        stats = await self._bridge.run(queue.project, self._queues.stats, queue)
        write(resp, self._render.stats(queue, stats))


class Purge(Resource):
    def __init__(self, service: Service, bridge: Bridge) -> None:
        self._queues = service.queues
        self._bridge = bridge

    async def on_post(self, req: Request, resp: falcon.asgi.Response, queue: QueueRef) -> None:
        data = await read_body(req, SMALL_BODY, optional=True)
        kinds = _kinds(decode_object(data, otherwise=INVALID_REQUEST)) if data else KINDS
        await self._bridge.run(
            queue.project,
            self._queues.purge,
            queue,
            messages="messages" in kinds,
            subscriptions="subscriptions" in kinds,
        )
        resp.status = 204


def _kinds(document: dict[str, Any]) -> list[str]:
    kinds = document.get("resource_types")
    if not isinstance(kinds, list) or not all(kind in KINDS for kind in kinds):
        raise Refusal(
            INVALID_REQUEST, f"resource_types must be a list of any of: {', '.join(KINDS)}"
        )
    return kinds


class Share(Resource):
    def __init__(self, service: Service, *, key: str | None) -> None:
        self._clock = service.clock
        self._key = key

    async def on_post(self, req: Request, resp: falcon.asgi.Response, queue: QueueRef) -> None:
        wish = decode_object(await read_body(req, SMALL_BODY))
        write(resp, asdict(share(self._key, queue, wish, now=self._clock())))
