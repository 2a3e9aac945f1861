"""Calls that share the event loop: they give way while they wait, and nothing waits for ever."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest
import redis
import uvloop
from mqcore_redis.cooperative import CooperativeConnection, CooperativeSocket

from mqcore.contract import QueueRef, elsewhere, ready
from mqcore.transport.bridge import PIPELINE, Bridge
from mqcore.transport.merged import Merged

Q = QueueRef("p", "q")
FULL = int(PIPELINE.batch)

Test = Callable[[Bridge], Awaitable[None]]
OnLoop = Callable[..., None]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def on_a_bridge(request: pytest.FixtureRequest) -> OnLoop:
    def run(test: Test, most: int = 4) -> None:
        async def main() -> None:
            bridge = Bridge(most, cooperative=True)
            await test(bridge)
            await bridge.close()

        request.param(main())

    return run


class Line:
    """Two connected sockets. A call waits at one of them for what the test says at the other."""

    def __init__(self) -> None:
        self.here, self.there = socket.socketpair()
        self.here.setblocking(False)

    def wait(self, timeout: float | None = 10) -> bytes:
        ready(self.here.fileno(), timeout=timeout)
        return self.here.recv(100)

    def fill(self) -> int:
        """Send until the other side has to read first."""
        sent = 0
        while True:
            try:
                sent += self.here.send(b"x" * 65536)
            except BlockingIOError:
                return sent


@contextmanager
def lines(n: int) -> Iterator[list[Line]]:
    made = [Line() for _ in range(n)]
    with ExitStack() as stack:
        for line in made:
            stack.enter_context(line.here)
            stack.enter_context(line.there)
        yield made


@pytest.fixture
def line() -> Iterator[Line]:
    with lines(1) as (line,):
        yield line


def start(bridge: Bridge, call: Callable[..., object], *args: object) -> "asyncio.Task[object]":
    return asyncio.create_task(bridge.run("p", call, *args))


async def passes(n: int = 5) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


def test_while_one_waits_others_run_on_the_same_thread(on_a_bridge: OnLoop, line: Line) -> None:
    async def test(bridge: Bridge) -> None:
        waits = start(bridge, line.wait)
        assert await bridge.run("p", threading.get_ident) == threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await bridge.run("p", divmod, 7, 0)
        assert not waits.done()
        line.there.send(b"said")
        assert await waits == b"said"

    on_a_bridge(test)


def test_one_waits_several_times(on_a_bridge: OnLoop, line: Line) -> None:
    async def test(bridge: Bridge) -> None:
        waits = start(bridge, lambda: [line.wait() for _ in range(3)])
        for n in range(3):
            await asyncio.sleep(0.01)
            line.there.send(b"%d" % n)
        assert await waits == [b"0", b"1", b"2"]

    on_a_bridge(test)


def test_who_waits_too_long_hears_so(on_a_bridge: OnLoop, line: Line) -> None:
    async def test(bridge: Bridge) -> None:
        waits = start(bridge, line.wait, 0.02)
        with pytest.raises(TimeoutError):
            await waits
        line.there.send(b"late")
        assert await start(bridge, line.wait) == b"late"

    on_a_bridge(test)


def test_the_end_of_one_wait_does_not_end_the_next(on_a_bridge: OnLoop, line: Line) -> None:
    """The time is over and there is something to read, both before the loop looks."""

    async def test(bridge: Bridge) -> None:
        def twice() -> tuple[str, bytes]:
            try:
                first = line.wait(0.02).decode()
            except TimeoutError:
                first = "late"
            return first, line.wait()

        waits = start(bridge, twice)
        await passes()
        line.there.send(b"one")
        time.sleep(0.03)
        await asyncio.sleep(0.05)
        if not waits.done():
            line.there.send(b"two")
        assert await waits in [("one", b"two"), ("late", b"one")]

    on_a_bridge(test)


def test_one_waits_until_it_can_write(on_a_bridge: OnLoop, line: Line) -> None:
    async def test(bridge: Bridge) -> None:
        sent = line.fill()

        def write() -> int:
            ready(line.here.fileno(), to_write=True, timeout=10)
            return line.here.send(b"more")

        waits = start(bridge, write)
        await passes()
        assert not waits.done()
        line.there.setblocking(True)
        while sent > 0:
            sent -= len(line.there.recv(65536))
        assert await waits == 4

    on_a_bridge(test)


def test_the_other_side_hangs_up(on_a_bridge: OnLoop, line: Line) -> None:
    async def test(bridge: Bridge) -> None:
        waits = start(bridge, line.wait)
        await passes()
        line.there.close()
        assert await waits == b""

    on_a_bridge(test)


def test_what_may_take_long_is_done_by_a_thread(on_a_bridge: OnLoop) -> None:
    async def test(bridge: Bridge) -> None:
        gate = threading.Event()

        def long() -> int:
            assert gate.wait(10)
            return threading.get_ident()

        waits = start(bridge, elsewhere, long)
        assert await bridge.run("p", divmod, 7, 2) == (3, 1)
        gate.set()
        assert await waits != threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await start(bridge, elsewhere, lambda: 1 // 0)

    on_a_bridge(test)


def test_connecting_holds_nobody_up(on_a_bridge: OnLoop) -> None:
    """The other side has no room for another connection, and so does not answer."""

    async def test(bridge: Bridge) -> None:
        with full_port() as port:
            to = CooperativeConnection(host="127.0.0.1", port=port, socket_connect_timeout=1)
            waits = start(bridge, to.connect)
            await passes()
            assert await bridge.run("p", divmod, 7, 2) == (3, 1)
            assert not waits.done()
            with pytest.raises(redis.exceptions.TimeoutError):
                await waits

    on_a_bridge(test)


@contextmanager
def full_port() -> Iterator[int]:
    with socket.socket() as listener, ExitStack() as clients:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            client = clients.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_each_has_a_thread_when_it_asks_for_one(on_a_bridge: OnLoop) -> None:
    """One may wait there for what another will only do on such a thread."""

    async def test(bridge: Bridge) -> None:
        meet = threading.Barrier(40, timeout=10)
        calls = [bridge.run(f"p{n}", elsewhere, meet.wait) for n in range(40)]
        assert sorted(await asyncio.gather(*calls)) == list(range(40))

    on_a_bridge(test, most=40)


def test_a_loop_that_was_held_up_takes_what_has_come(on_a_bridge: OnLoop, line: Line) -> None:
    """The answer comes in time, and the loop looks when time is over."""

    async def test(bridge: Bridge) -> None:
        loop = asyncio.get_running_loop()

        def hold_up(other: Line) -> None:
            loop.remove_reader(other.here)
            line.there.send(b"in time")
            time.sleep(0.3)

        with lines(3) as others:
            for other in others:
                waits = start(bridge, line.wait, 0.2)
                await passes()
                loop.add_reader(other.here, hold_up, other)
                other.there.send(b"x")
                assert await waits == b"in time"

    on_a_bridge(test)


def test_redis_py_without_hiredis_gives_way_too(on_a_bridge: OnLoop, line: Line) -> None:
    async def test(bridge: Bridge) -> None:
        line.here.settimeout(10)
        waits = start(bridge, CooperativeSocket(line.here).recv, 100)
        assert await bridge.run("p", divmod, 7, 2) == (3, 1)
        assert not waits.done()
        line.there.send(b"said")
        assert await waits == b"said"

    on_a_bridge(test)


def test_a_driver_that_gives_too_few_results_fails_those_who_asked(on_a_bridge: OnLoop) -> None:
    async def test(bridge: Bridge) -> None:
        def several(requests: Sequence[tuple[QueueRef, Sequence[int]]]) -> list[list[int]]:
            return [[1]] * len(requests)

        few = Merged[int, int](lambda queue, requests: [1], several)
        queues = [QueueRef("p", f"q{n}") for n in range(6)]
        asked = [bridge.merged(few, queues[0], n) for n in range(3)]
        asked += [bridge.merged(few, queue, n) for n in range(2) for queue in queues]
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(one, RuntimeError) or one == 1 for one in results)
        assert any(isinstance(one, RuntimeError) for one in results)
        assert await bridge.merged(few, Q, 1) == 1

    on_a_bridge(test)


def test_so_many_run_at_a_time_and_projects_take_turns(on_a_bridge: OnLoop) -> None:
    async def test(bridge: Bridge) -> None:
        with lines(20) as made:
            begun: list[int] = []

            def wait(n: int) -> bytes:
                begun.append(n)
                return made[n].wait()

            flood = [start(bridge, wait, n) for n in range(20)]
            await passes()
            # One place of four is left to others.
            assert begun == [0, 1, 2]
            assert await bridge.run("other", divmod, 7, 2) == (3, 1)
            made[1].there.send(b"x")
            await flood[1]
            await passes()
            assert begun == [0, 1, 2, 3]
            for one in made:
                one.there.send(b"x")
            await asyncio.gather(*flood)

    on_a_bridge(test)


def test_closing_waits_for_those_that_wait(on_a_bridge: OnLoop, line: Line) -> None:
    async def test(bridge: Bridge) -> None:
        waits = start(bridge, line.wait)
        await passes()
        closing = asyncio.create_task(bridge.close())
        await asyncio.sleep(0.01)
        assert not closing.done()
        line.there.send(b"said")
        await closing
        assert await waits == b"said"

    on_a_bridge(test)


class Store:
    """Takes batches; each call waits for its line."""

    def __init__(self, lines: Sequence[Line], weight: int = 1) -> None:
        self.batches: list[list[int]] = []
        self.kind = Merged(self.many, messages=lambda _: weight)
        self._lines = lines

    def many(self, queue: QueueRef, requests: Sequence[int]) -> list[int]:
        self.batches.append(list(requests))
        self._lines[len(self.batches) - 1].wait()
        return list(requests)


def test_a_full_call_goes_beside_the_one_before_and_less_waits(on_a_bridge: OnLoop) -> None:
    async def test(bridge: Bridge) -> None:
        with lines(4) as made:
            store = Store(made, weight=FULL // 4)

            def ask(some: Sequence[int]) -> list["asyncio.Task[int]"]:
                return [asyncio.create_task(bridge.merged(store.kind, Q, n)) for n in some]

            tasks = ask([0])
            await passes()
            tasks += ask([1, 2, 3])
            await passes()
            assert store.batches == [[0]]  # what waits does not fill a call
            tasks += ask([4, 5, 6, 7, 8, 9])
            await passes()
            assert store.batches == [[0], [1, 2, 3, 4]]  # and no third one goes beside these
            made[1].there.send(b"x")
            assert await asyncio.gather(*tasks[1:5]) == [1, 2, 3, 4]
            await passes()
            assert store.batches == [[0], [1, 2, 3, 4], [5, 6, 7, 8]]
            made[0].there.send(b"x")
            made[2].there.send(b"x")
            assert await asyncio.gather(*tasks[5:9]) == [5, 6, 7, 8]
            await passes()
            assert store.batches[3:] == [[9]]
            made[3].there.send(b"x")
            assert await tasks[9] == 9
            assert await tasks[0] == 0

    on_a_bridge(test)


def test_what_arrives_together_goes_in_full_calls(on_a_bridge: OnLoop) -> None:
    async def test(bridge: Bridge) -> None:
        with lines(3) as made:
            store = Store(made, weight=FULL)
            tasks = [asyncio.create_task(bridge.merged(store.kind, Q, n)) for n in range(3)]
            await passes()
            assert store.batches == [[0], [1]]
            for line in made:
                line.there.send(b"x")
            assert await asyncio.gather(*tasks) == [0, 1, 2]

    on_a_bridge(test)


@pytest.mark.parametrize("weight", [0, -5, 10**9])
def test_a_request_about_any_number_of_messages_is_served(on_a_bridge: OnLoop, weight: int) -> None:
    async def test(bridge: Bridge) -> None:
        with lines(9) as made:
            store = Store(made, weight)
            for line in made:
                line.there.send(b"x")
            tasks = [asyncio.create_task(bridge.merged(store.kind, Q, n)) for n in range(9)]
            assert await asyncio.gather(*tasks) == list(range(9))

    on_a_bridge(test)


def test_outside_of_a_server_they_block(line: Line) -> None:
    line.there.send(b"said")
    assert line.wait() == b"said"
    ready(line.here.fileno(), to_write=True, timeout=None)
    with pytest.raises(TimeoutError):
        line.wait(0.01)
    assert elsewhere(threading.get_ident) == threading.get_ident()
