"""An answer that is written at once has the bytes that uvicorn's own way would have."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, cast

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from mqcore.transport.exchange import Event, Exchange

from .wire import Wire

ID = (b"x-openstack-request-id", b"req-1")
TEXT = (b"content-type", b"application/json")
START = "http.response.start"
BODY = "http.response.body"


def cycle_on(wire: Wire, ended: list[str], *, method: str, keep_alive: bool) -> Any:
    return RequestResponseCycle(
        scope=cast(Any, {"type": "http", "method": method, "headers": []}),
        transport=wire,
        flow=FlowControl(wire),
        logger=logging.getLogger("test"),
        access_logger=logging.getLogger("test"),
        access_log=False,
        default_headers=[(b"date", b"now")],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: ended.append("ended"),
    )


def answer(*headers: tuple[bytes, bytes], status: int = 200, **body: object) -> list[Event]:
    return [
        {"type": START, "status": status, "headers": list(headers)},
        {"type": BODY, **body},
    ]


def sized(length: int) -> tuple[bytes, bytes]:
    return (b"content-length", b"%d" % length)


ANSWERS = {
    "document": answer(TEXT, sized(2), body=b"{}"),
    "created": answer(TEXT, (b"location", b"/v2/x"), sized(2), status=201, body=b"{}"),
    "nothing": answer(status=204),
    "empty document": answer(sized(0), body=b""),
    "no length": answer(TEXT, body=b"{}"),
    "in parts": [
        *answer(TEXT, sized(4), body=b"{}", more_body=True),
        {"type": BODY, "body": b"{}"},
    ],
    "close": answer((b"connection", b"close"), sized(2), body=b"{}"),
}


class Ours:
    """An exchange on a cycle of uvicorn's."""

    def __init__(self, *, method: str = "GET", keep_alive: bool = True) -> None:
        self.wire = Wire()
        self.ended: list[str] = []
        self.cycle = cycle_on(self.wire, self.ended, method=method, keep_alive=keep_alive)
        self._exchange = Exchange({"headers": []}, self.cycle.receive, self.cycle.send, 1, ID)

    async def send(self, events: Sequence[Event]) -> None:
        for event in events:
            await self._exchange.send({**event, "headers": list(event.get("headers", ()))})

    async def send_as_uvicorn(self, events: Sequence[Event]) -> None:
        for event in events:
            headers = [*event.get("headers", ()), ID] if event["type"] == START else []
            await self.cycle.send({**event, "headers": headers})

    def outcome(self) -> tuple[object, ...]:
        cycle = self.cycle
        state = (cycle.response_started, cycle.response_complete, cycle.message_event.is_set())
        return b"".join(self.wire.writes), self.wire.closed, self.ended, *state


@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("events", ANSWERS.values(), ids=list(ANSWERS))
def test_the_bytes_are_those_of_uvicorn(
    events: Sequence[Event], method: str, keep_alive: bool
) -> None:
    ours = Ours(method=method, keep_alive=keep_alive)
    theirs = Ours(method=method, keep_alive=keep_alive)
    try:
        asyncio.run(theirs.send_as_uvicorn(events))
    except RuntimeError as refused:
        with pytest.raises(RuntimeError, match=str(refused)):
            asyncio.run(ours.send(events))
    else:
        asyncio.run(ours.send(events))
    assert ours.outcome() == theirs.outcome()


def test_a_simple_answer_is_one_write() -> None:
    ours = Ours()
    asyncio.run(ours.send(ANSWERS["created"]))
    assert len(ours.wire.writes) == 1
    assert ours.wire.writes[0].endswith(b"x-openstack-request-id: req-1\r\n\r\n{}")


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: x", b"a\nb", b"a\rb"])
def test_a_header_cannot_begin_another_line(value: bytes) -> None:
    ours = Ours()
    with pytest.raises(RuntimeError, match="Invalid HTTP header"):
        asyncio.run(ours.send(answer((b"location", value), sized(2), body=b"{}")))
    assert ours.wire.writes == []


def test_who_reads_slowly_is_waited_for() -> None:
    ours = Ours()

    async def main() -> None:
        ours.cycle.flow.pause_writing()
        sending = asyncio.create_task(ours.send(ANSWERS["document"]))
        await asyncio.sleep(0.01)
        assert ours.wire.writes == []
        ours.cycle.flow.resume_writing()
        await sending

    asyncio.run(main())
    assert b"".join(ours.wire.writes).endswith(b"\r\n\r\n{}")


def test_who_has_left_gets_nothing() -> None:
    ours = Ours()
    ours.cycle.disconnected = True
    asyncio.run(ours.send(ANSWERS["document"]))
    assert ours.wire.writes == []
