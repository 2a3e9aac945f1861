"""`/v2/ping` and `/v2/health` (spec 2.5)."""

import logging
import uuid
from collections.abc import Sequence

import falcon.asgi

from mqcore.contract import MQError, QueueRef
from mqcore.service import Service

from .bridge import Bridge
from .errors import FORBIDDEN, Refusal
from .merged import Merged
from .render import write
from .request import Request, Resource

__all__ = ["Health", "Ping"]

log = logging.getLogger(__name__)

NOWHERE = QueueRef(None, "")
"""Where pings go: no queue of a user is there."""


class Ping(Resource):
    def __init__(self, service: Service, bridge: Bridge) -> None:
        self._service = service
        self._bridge = bridge
        self._ask = Merged(self._ping)

    async def on_get(self, req: Request, resp: falcon.asgi.Response) -> None:
        try:
            await self._bridge.merged(self._ask, NOWHERE, None)
        except MQError as error:
            log.warning("the storage does not answer a ping: %s", error)
            resp.status = 503
        else:
            resp.status = 204

    def _ping(self, _: QueueRef, requests: Sequence[None]) -> Sequence[None]:
        """Ask the store once for all that wait for the answer."""
        self._service.ping()
        return requests

    async def on_head(self, req: Request, resp: falcon.asgi.Response) -> None:
        """Says that the server runs; does not ask the store."""
        resp.status = 204


class Health(Resource):
    """For administrators: every caller, or with trusted headers those with the role admin."""

    def __init__(self, service: Service, bridge: Bridge, *, trust_headers: bool) -> None:
        self._service = service
        self._bridge = bridge
        self._trust_headers = trust_headers

    async def on_get(self, req: Request, resp: falcon.asgi.Response) -> None:
        if not self._is_admin(req):
            raise Refusal(FORBIDDEN, "this needs the role admin")
        write(resp, await self._bridge.run(None, self._service.health, _report_failure))

    def _is_admin(self, req: Request) -> bool:
        if req.signed:
            return False
        roles = (req.get_header("X-Roles") or "").lower().split(",")
        return not self._trust_headers or "admin" in (role.strip() for role in roles)


def _report_failure(operation: str, error: MQError) -> str:
    ref = str(uuid.uuid4())
    log.error("health probe: %s failed: %s (ref %s)", operation, error, ref)
    return ref
