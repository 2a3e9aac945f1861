"""`/v2/ping` and `/v2/health` (spec 2.5)."""

import asyncio
import logging
import uuid

import falcon.asgi

from mqcore.contract import MQError
from mqcore.service import Service

from .bridge import Bridge
from .errors import FORBIDDEN, Refusal
from .render import write
from .request import Request, Resource

__all__ = ["Health", "Ping"]

log = logging.getLogger(__name__)


class Ping(Resource):
    def __init__(self, service: Service, bridge: Bridge) -> None:
        self._service = service
        self._bridge = bridge
        self._waiting: list[asyncio.Future[BaseException | None]] = []

    async def on_get(self, req: Request, resp: falcon.asgi.Response) -> None:
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        if len(self._waiting) == 1:
            self._asking = asyncio.create_task(self._ask())
        error = await answer
        if error is None:
            resp.status = 204
        elif isinstance(error, MQError):
            log.warning("the storage does not answer a ping: %s", error)
            resp.status = 503
        else:
            raise error

    async def _ask(self) -> None:
        """Ask the store once, for all who come until it answers."""
        error: BaseException | None = None
        try:
            await self._bridge.run(None, self._service.ping)
        except BaseException as exc:
            error = exc
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            if not answer.done():
                answer.set_result(error)

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
