"""The outermost layer: request ids, the access log, and no failure without an answer."""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from mqcore.logs import new_request_id, request_id

from .errors import INTERNAL, error_document
from .exchange import Exchange, Receive, Send

__all__ = ["EXCHANGE", "AsgiApp", "Edge"]

AsgiApp = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

EXCHANGE = "mqcore.exchange"
"""The key of a request's scope under which its Exchange is."""

log = logging.getLogger(__name__)
access_log = logging.getLogger("mqcore.access")


class Edge:
    """An ASGI application around the API's framework."""

    def __init__(self, app: AsgiApp, *, request_timeout: float) -> None:
        self._app = app
        self._timeout = request_timeout

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        name = new_request_id()
        request_id.set(name)
        header = (b"x-openstack-request-id", name.encode())
        exchange = Exchange(scope, receive, send, self._timeout, header)
        scope[EXCHANGE] = exchange
        try:
            await self._app(scope, _start, exchange.send)
        except Exception:
            log.exception("unexpected failure")
            if exchange.status:
                raise
            await _answer_failure(exchange)
        finally:
            # It knows the connection, which knows the scope: a circle, left to the collector.
            del scope[EXCHANGE]
            if access_log.isEnabledFor(logging.INFO):
                _log_access(scope, exchange, time.perf_counter() - start)


async def _start() -> dict[str, Any]:
    """Let the framework begin at once; the body is read through the Exchange."""
    return {"type": "http.request", "body": b"", "more_body": True}


async def _answer_failure(exchange: Exchange) -> None:
    body = error_document(INTERNAL, "the server failed; its log has the details")
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await exchange.send({"type": "http.response.start", "status": 500, "headers": headers})
    await exchange.send({"type": "http.response.body", "body": body})


def _log_access(scope: dict[str, Any], exchange: Exchange, seconds: float) -> None:
    access_log.info(
        "%s %s %d %.1f ms project=%s",
        scope["method"],
        scope["raw_path"].decode("latin-1"),
        exchange.status,
        seconds * 1000,
        exchange.project,
    )
