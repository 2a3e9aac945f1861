"""Claims on the messages of a queue (spec 2.8)."""

import logging

import falcon.asgi
import msgspec

from mqcore.contract import QueueRef
from mqcore.service import NewClaim, Service

from . import query
from .body import SMALL_BODY, decode, read_body
from .bridge import Bridge
from .merged import Merged
from .render import Renderer, queue_path, write
from .request import Request, Resource

__all__ = ["ClaimItem", "Claims"]

log = logging.getLogger(__name__)


class Lease(msgspec.Struct):
    """What a user may say about a claim; null is the configured default (spec 9.2 K18)."""

    ttl: int | None = None
    grace: int | None = None


_lease = msgspec.json.Decoder(Lease)


class Claims(Resource):
    """The collection, which only takes new claims."""

    def __init__(self, service: Service, bridge: Bridge) -> None:
        self._claims = service.claims
        self._bridge = bridge
        self._render = Renderer(service)
        self._claim = Merged(service.claims.claim_many, messages=lambda claim: claim.limit)

    async def on_post(self, req: Request, resp: falcon.asgi.Response, queue: QueueRef) -> None:
        limit = query.integer(req, "limit")
        data = await read_body(req, SMALL_BODY, optional=True)
        lease = decode(_lease, data) if data else Lease()
        new = NewClaim(10 if limit is None else limit, lease.ttl, lease.grace)
        claim = await self._bridge.merged(self._claim, queue, new)
        if claim and await req.exchange.client_left():
            # Nobody knows its id, so nobody could release it before its time.
            log.info("the client left before its claim was answered; released %s", claim.id)
            await self._bridge.run(None, self._claims.release, queue, claim.id)
            claim = None
        if claim is None:
            resp.status = 204
            return
        write(resp, {"messages": self._render.messages(queue, claim.messages)}, 201)
        resp.set_header("Location", f"{queue_path(queue)}/claims/{claim.id}")


class ClaimItem(Resource):
    """One claim."""

    def __init__(self, service: Service, bridge: Bridge) -> None:
        self._service = service
        self._claims = service.claims
        self._bridge = bridge
        self._render = Renderer(service)

    async def on_get(
        self, req: Request, resp: falcon.asgi.Response, queue: QueueRef, claim_id: str
    ) -> None:
        claim = await self._bridge.run(queue.project, self._claims.get, queue, claim_id)
        document = {
            "age": self._service.age(claim.renewed_at),
            "ttl": claim.ttl,
            "href": f"{queue_path(queue)}/claims/{claim.id}",
            "messages": self._render.messages(queue, claim.messages),
        }
        write(resp, document)

    async def on_patch(
        self, req: Request, resp: falcon.asgi.Response, queue: QueueRef, claim_id: str
    ) -> None:
        lease = decode(_lease, await read_body(req, SMALL_BODY))
        await self._bridge.run(
            queue.project, self._claims.renew, queue, claim_id, ttl=lease.ttl, grace=lease.grace
        )
        resp.status = 204

    async def on_delete(
        self, req: Request, resp: falcon.asgi.Response, queue: QueueRef, claim_id: str
    ) -> None:
        await self._bridge.run(queue.project, self._claims.release, queue, claim_id)
        resp.status = 204
