"""When answers are written: those of one pass of the event loop together, and none is lost."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from mqcore.transport.edge import Edge
from mqcore.transport.protocol import bounded_protocol

from .wire import Wire

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Side:
    """The side of a server: connections to an application that answers 204."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self._config = uvicorn.Config(
            Edge(self._app, request_timeout=10), log_config=None, lifespan="off"
        )
        self._config.load()
        self._state = ServerState()
        self._protocol = bounded_protocol(max_head=65536, head_timeout=10)

    async def _app(
        self, _scope: Mapping[str, Any], _receive: object, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        self.log.append("answered")
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def connect(self) -> tuple[Any, Wire]:
        protocol = self._protocol(
            config=self._config,
            server_state=self._state,
            app_state={},
            _loop=asyncio.get_running_loop(),
        )
        wire = Wire(self.log)
        protocol.connection_made(wire)
        return protocol, wire


def on_a_side(test: Callable[[Side], Awaitable[None]]) -> None:
    async def main() -> None:
        await test(Side())

    asyncio.run(main())


async def answered(side: Side, times: int) -> None:
    """Return in the pass of the loop in which the last answer was made."""
    for _ in range(100):
        if side.log.count("answered") == times:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"not answered: {side.log}")


def test_answers_of_one_pass_are_written_together() -> None:
    async def test(side: Side) -> None:
        connections = [side.connect() for _ in range(3)]
        for protocol, _ in connections:
            protocol.data_received(REQUEST)
        await answered(side, 3)
        await asyncio.sleep(0)
        assert side.log == ["answered"] * 3 + ["written"] * 3
        for _, wire in connections:
            (written,) = wire.writes
            assert written.startswith(b"HTTP/1.1 204 ")

    on_a_side(test)


def test_the_only_request_is_answered_at_once() -> None:
    async def test(side: Side) -> None:
        side.connect()
        protocol, _ = side.connect()
        protocol.data_received(REQUEST)
        await answered(side, 1)
        assert side.log == ["answered", "written"]

    on_a_side(test)


async def one_of_two(side: Side) -> tuple[Any, Wire]:
    """A connection whose answer was made and not written."""
    first, wire = side.connect()
    second, _ = side.connect()
    first.data_received(REQUEST)
    second.data_received(REQUEST)
    await answered(side, 2)
    assert wire.writes == []
    return first, wire


def test_a_server_that_stops_writes_the_answer_first() -> None:
    async def test(side: Side) -> None:
        protocol, wire = await one_of_two(side)
        protocol.shutdown()
        assert b"".join(wire.writes).startswith(b"HTTP/1.1 204 ")
        assert wire.closed

    on_a_side(test)


def test_a_client_that_sends_no_more_gets_its_answer() -> None:
    async def test(side: Side) -> None:
        protocol, wire = await one_of_two(side)
        assert not protocol.eof_received()
        wire.close()
        assert b"".join(wire.writes).startswith(b"HTTP/1.1 204 ")

    on_a_side(test)


def test_a_refusal_comes_after_the_answer_to_what_was_before() -> None:
    async def test(side: Side) -> None:
        protocol, wire = await one_of_two(side)
        protocol.data_received(b"\x00 no request\r\n\r\n")
        answer, refusal = wire.writes
        assert answer.startswith(b"HTTP/1.1 204 ")
        assert refusal.startswith(b"HTTP/1.1 400 ")

    on_a_side(test)


def test_the_next_answer_on_a_connection_comes_after_the_one_before() -> None:
    async def test(side: Side) -> None:
        protocol, wire = await one_of_two(side)
        protocol.data_received(REQUEST + REQUEST)
        await answered(side, 4)
        await asyncio.sleep(0)
        assert b"".join(wire.writes).count(b"HTTP/1.1 204 ") == 3

    on_a_side(test)


def test_a_connection_that_is_lost_hinders_nobody() -> None:
    async def test(side: Side) -> None:
        protocol, wire = side.connect()
        other, others = side.connect()
        protocol.data_received(REQUEST)
        other.data_received(REQUEST)
        await answered(side, 2)
        wire.lost = True
        protocol.connection_lost(ConnectionResetError())
        await asyncio.sleep(0)
        assert others.writes

    on_a_side(test)
