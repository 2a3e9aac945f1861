"""uvicorn's HTTP/1.1 protocol with bounds on the head of a request and errors as JSON."""

import asyncio
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from mqcore.logs import new_request_id

from .passes import NextPass

__all__ = ["bounded_protocol"]


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
"""What uvicorn writes before a body that waits to be asked for, and must not be held back."""


class _OneWrite:
    """What an answer is written to: its head goes with its body, in one call of the system.

    uvicorn writes them one after the other, and each call costs more than what it writes.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._write = transport.write
        self._close = transport.close
        self._held = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        if self._held or data == CONTINUE:
            self._write(self._held + data)
            self._held = b""
        else:
            self._held = data

    def flush(self) -> None:
        if self._held:
            self._write(self._held)
            self._held = b""

    def close(self) -> None:
        self.flush()
        self._close()


class _BoundedProtocol(HttpToolsProtocol):
    """Refuses a head that is too large or takes too long; uvicorn itself would take both.

    A timer for each request would cost more than its parsing: one looks now and then at how long
    the connection has been waiting for something.
    """

    max_head: int
    head_timeout: float
    together: NextPass[_OneWrite]
    """Answers that are written one right after the other.

    Where they come one by one, each wakes a client that has gone to sleep again, and waking one
    takes longer than making an answer.
    """

    _out: _OneWrite

    _in_head = True
    _head_bytes = 0
    _waits_since = 0.0
    _patience: float | None = None
    """How long (seconds) it may wait; None while it is we who are waited for."""
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._out = _OneWrite(transport)
        super().connection_made(transport)
        self._wait(self.head_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        was_in_head = self._in_head
        super().data_received(data)
        if self._in_head and was_in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > self.max_head:
                self._refuse(431, f"the head of a request takes at most {self.max_head} bytes")

    def eof_received(self) -> None:
        self._out.flush()
        super().eof_received()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0
        self._wait(self.head_timeout)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._patience = None
        super().on_headers_complete()
        if self.cycle is not None:
            self.cycle.transport = self._out  # type: ignore[assignment]

    def on_response_complete(self) -> None:
        if self.pipeline or self.transport.is_closing():
            self._out.flush()
            super().on_response_complete()
            return
        if len(self.server_state.tasks) > 1:
            self.together.put(self._out)
        else:
            self._out.flush()
        # As uvicorn does, but for its timer.
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        if not self._in_head:
            self._wait(self.timeout_keep_alive)

    def _wait(self, seconds: float) -> None:
        """From now on the client has this long."""
        self._waits_since = self.loop.time()
        self._patience = seconds
        if self._timer is None:
            self._look_in(seconds)

    def _look_in(self, seconds: float) -> None:
        # Never longer than what may be waited for next.
        seconds = min(seconds, self.head_timeout, self.timeout_keep_alive)
        self._timer = self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._patience is None or self.transport.is_closing():
            return
        left = self._waits_since + self._patience - self.loop.time()
        if left > 0:
            self._look_in(left)
        elif self._in_head:
            self._refuse(408, f"send the head of a request within {self.head_timeout:g} seconds")
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn when the bytes are not HTTP."""
        self._refuse(400, "this is not a valid HTTP/1.1 request")

    def shutdown(self) -> None:
        """Called by uvicorn when the server stops."""
        self._out.flush()
        super().shutdown()

    def _refuse(self, status: int, description: str) -> None:
        self._out.flush()
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
    together = NextPass(_OneWrite.flush)
    members = {"max_head": max_head, "head_timeout": head_timeout, "together": together}
    return type("BoundedProtocol", (_BoundedProtocol,), members)
