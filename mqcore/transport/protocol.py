"""uvicorn's HTTP/1.1 protocol with bounds on the head of a request and errors as JSON."""

import asyncio
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from mqcore.logs import new_request_id

__all__ = ["bounded_protocol"]


class _OneWrite:
    """A transport that sends the head and the body of an answer with one call of the system.

    uvicorn writes them one after the other, and each call costs more than what it writes.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(data)

    def flush(self) -> None:
        if self._parts:
            data = b"".join(self._parts)
            self._parts.clear()
            self._transport.write(data)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _BoundedProtocol(HttpToolsProtocol):
    """Refuses a head that is too large or takes too long; uvicorn itself would take both."""

    max_head: int
    head_timeout: float

    _out: _OneWrite

    _in_head = True
    _head_bytes = 0
    _head_began = 0.0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._out = _OneWrite(transport, self.loop)
        super().connection_made(self._out)  # type: ignore[arg-type]
        self._start_head_timer()

    def on_response_complete(self) -> None:
        self._out.flush()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        was_in_head = self._in_head
        super().data_received(data)
        if self._in_head and was_in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > self.max_head:
                self._refuse(431, f"the head of a request takes at most {self.max_head} bytes")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0
        self._start_head_timer()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def _start_head_timer(self) -> None:
        """Note when the head began. One timer serves the heads of many requests."""
        self._head_began = self.loop.time()
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_timeout, self._check_head)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _check_head(self) -> None:
        self._head_timer = None
        if not self._in_head or self.transport.is_closing():
            return
        left = self._head_began + self.head_timeout - self.loop.time()
        if left > 0:
            self._head_timer = self.loop.call_later(left, self._check_head)
        else:
            self._refuse(408, f"send the head of a request within {self.head_timeout:g} seconds")

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn when the bytes are not HTTP."""
        self._refuse(400, "this is not a valid HTTP/1.1 request")

    def _refuse(self, status: int, description: str) -> None:
        self._stop_head_timer()
        body = msgspec.json.encode({"title": "Bad request", "description": description})
        head = (
            b"content-type: application/json\r\nvary: Accept\r\nconnection: close\r\n"
            b"x-openstack-request-id: %s\r\ncontent-length: %d\r\n\r\n"
            % (new_request_id().encode(), len(body))
        )
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()


def bounded_protocol(*, max_head: int, head_timeout: float) -> type[Any]:
    """The protocol class for uvicorn: `max_head` in bytes, `head_timeout` in seconds."""
    members = {"max_head": max_head, "head_timeout": head_timeout}
    return type("BoundedProtocol", (_BoundedProtocol,), members)
