"""One request and its answer, as bytes on a connection: bounds, time, and who is still there."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from .errors import BAD_BODY, TIMEOUT, Kind, Refusal

__all__ = ["Event", "Exchange", "Receive", "Send"]

Event = Mapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

MOST_DISCARDED = 8 * 1024 * 1024
LINGER = 2.0
"""How much of an unwanted body is thrown away, and for how long (seconds), before a close.

Closing with unread bytes makes the client's system drop the answer that it has not read yet.
"""


FOR_UVICORN = frozenset((b"connection", b"transfer-encoding"))
"""Headers that change how an answer is sent."""


class _Done:
    """Awaits nothing."""

    def __await__(self) -> Generator[None, None, None]:
        return iter(())  # type: ignore[return-value]  # all that await asks for


DONE = _Done()


class Exchange:
    """Reads the body of a request within bounds and sends the answer.

    `headers`: those of the request, their names in lower case, to see whether one is there: of one
    that came twice, only the last is here. `unread`: the request has a body that was not read to
    its end. `status`: that of the answer, 0 before it. `project`: that of the caller, once it is
    known.
    """

    unread = False
    status = 0
    project: str | None = None
    _length: int | None = None
    _may_come = True
    """Whether more of an unread body may be on its way."""
    _start: Event | None = None
    """The start of an answer that waits for its body, to be written with it."""

    def __init__(
        self,
        scope: Mapping[str, Any],
        receive: Receive,
        send: Send,
        timeout: float,
        answer_header: tuple[bytes, bytes],
    ) -> None:
        self._receive = receive
        self._send = send
        self._timeout = timeout
        self._answer_header = answer_header
        # uvicorn's own state: it answers without waiting, which takes longer than a claim's rest.
        cycle = getattr(receive, "__self__", None)
        self._cycle = cycle if isinstance(cycle, RequestResponseCycle) else None
        self.headers = headers = dict(scope["headers"])
        if b"content-length" in headers:
            self._length = int(headers[b"content-length"])
            self.unread = self._length > 0
        if b"transfer-encoding" in headers:
            self.unread = True
        if b"expect" in headers:
            self._may_come = False

    async def body(self, limit: int, too_long: Kind) -> bytes:
        """The body, of `limit` bytes at most; raises Refusal. Empty when there is none."""
        if not self.unread:
            return b""
        if self._length is not None and self._length > limit:
            raise _too_long(limit, too_long)
        cycle = self._cycle
        if cycle and not cycle.more_body:
            return self._arrived(cycle, limit, too_long)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._read(limit, too_long)
        except TimeoutError:
            self._may_come = False
            raise Refusal(
                TIMEOUT, f"send the body within {self._timeout:g} seconds of the headers"
            ) from None

    def _arrived(self, cycle: RequestResponseCycle, limit: int, too_long: Kind) -> bytes:
        """A body that is here as a whole, as `_read` would return it in more steps."""
        if cycle.disconnected:
            raise _cut_short()
        data, cycle.body = bytes(cycle.body), bytearray()
        cycle.message_event.clear()
        cycle.flow.resume_reading()
        self.unread = False
        if len(data) > limit:
            raise _too_long(limit, too_long)
        return data

    async def _read(self, limit: int, too_long: Kind) -> bytes:
        self._may_come = True
        chunks = []
        size = 0
        while self.unread:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                raise _cut_short()
            chunk = event.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise _too_long(limit, too_long)
            chunks.append(chunk)
            self.unread = event.get("more_body", False)
        return b"".join(chunks)

    async def client_left(self) -> bool:
        """Whether the client closed the connection. Waits for nothing; ask after `body`."""
        cycle = self._cycle
        if cycle:
            # uvicorn learns of it a moment later; what is written until then goes nowhere.
            return cycle.disconnected or cycle.transport.is_closing()
        try:
            async with asyncio.timeout(0):
                while (await self._receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return False
        return True

    def send(self, event: Event) -> Awaitable[None]:
        """Pass an event of the answer on; takes care of what was not read of the request."""
        if event["type"] == "http.response.start":
            self.status = event["status"]
            event["headers"].append(self._answer_header)
            if self._cycle and not self.unread:
                self._start = event
                return DONE
        elif self._start:
            start, self._start = self._start, None
            return DONE if self._sent_whole(start, event) else self._send_both(start, event)
        return self._send_unread(event) if self.unread else self._send(event)

    def _sent_whole(self, start: Event, body: Event) -> bool:
        """Write a simple answer as uvicorn would, whose own way, in steps, takes much longer.

        False when it is not simple, or somebody has to wait.
        """
        cycle = self._cycle
        if cycle is None or cycle.flow.write_paused or not cycle.keep_alive:
            return False
        content = body.get("body", b"")
        if body.get("more_body") or cycle.scope["method"] == "HEAD":
            return False
        head = _head(start["status"], cycle.default_headers + start["headers"], len(content))
        if head is None:
            return False
        if not cycle.disconnected:
            cycle.waiting_for_100_continue = False
            cycle.response_started = cycle.response_complete = True
            cycle.transport.write(head + content)
            cycle.message_event.set()
            cycle.on_response()
        return True

    async def _send_both(self, start: Event, body: Event) -> None:
        await self._send(start)
        await self._send(body)

    async def _send_unread(self, event: Event) -> None:
        if event["type"] != "http.response.start":
            await self._send({**event, "more_body": True})
            await self._discard(LINGER)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await self._discard(0)
        if self.unread:
            event["headers"].append((b"connection", b"close"))
        await self._send(event)

    async def _discard(self, seconds: float) -> None:
        """Throw away what comes of the body; with 0 seconds, what is here already."""
        left = MOST_DISCARDED
        try:
            async with asyncio.timeout(seconds):
                while self.unread and self._may_come and left > 0:
                    event = await self._receive()
                    if event["type"] == "http.disconnect":
                        return
                    left -= len(event.get("body", b""))
                    self.unread = event.get("more_body", False)
        except TimeoutError:
            return


def _head(status: int, headers: list[tuple[bytes, bytes]], length: int) -> bytes | None:
    """The head of an answer; None when its headers say more than its length, or break lines."""
    said = b"0" if status == 204 else None
    parts = [STATUS_LINE[status]]
    for name, value in headers:
        if name == b"content-length":
            said = value
        elif name in FOR_UVICORN:
            return None
        parts += (name, b": ", value, b"\r\n")
    parts.append(b"\r\n")
    head = b"".join(parts)
    as_said = said == b"%d" % length
    return head if as_said and head.count(b"\n") == head.count(b"\r") == len(headers) + 2 else None


def _cut_short() -> Refusal:
    return Refusal(BAD_BODY, "the body ended before it was complete")


def _too_long(limit: int, kind: Kind) -> Refusal:
    return Refusal(kind, f"the body of this request takes at most {limit} bytes")
