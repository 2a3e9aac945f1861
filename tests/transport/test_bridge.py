"""Merging: who shares a call, in which order, and what fails with whom."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mqcore.contract import Invalid, MQError, QueueEmpty, QueueRef, Unavailable
from mqcore.transport.bridge import Bridge
from mqcore.transport.errors import Refusal
from mqcore.transport.merged import MAX_MERGED, Merged

Q = QueueRef("p", "q")


def on_a_bridge(test: Callable[[Bridge], Awaitable[None]], threads: int = 2, **limits: Any) -> None:
    async def main() -> None:
        bridge = Bridge(threads, **limits)
        await test(bridge)
        await bridge.close()

    asyncio.run(main())


@asynccontextmanager
async def busy(bridge: Bridge) -> AsyncIterator[None]:
    """The only thread of the bridge does nothing of what is asked inside before all of it is."""
    begun, gate = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        gate.wait(10)

    holding = asyncio.create_task(bridge.run("holding", hold))
    await asyncio.to_thread(begun.wait, 10)
    yield
    await asyncio.sleep(0)
    gate.set()
    await holding


class Store:
    """Takes batches; the first call waits until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[object]] = []
        self.gate = threading.Event()
        self.kind = Merged(self.many)

    async def called(self) -> None:
        while not self.batches:
            await asyncio.sleep(0.001)

    def many(self, queue: QueueRef, requests: Sequence[object]) -> list[object | MQError]:
        self.batches.append(list(requests))
        self.gate.wait(10)
        return [QueueEmpty(queue) if one == "bad" else f"{one}!" for one in requests]


def test_a_lone_call_runs_on_another_thread_and_returns() -> None:
    async def test(bridge: Bridge) -> None:
        name = await bridge.run("p", lambda: threading.current_thread().name)
        assert name.startswith("storage-")
        assert await bridge.run("p", divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await bridge.run("p", divmod, 7, 0)

    on_a_bridge(test)


def test_what_arrives_during_a_call_goes_together_in_order() -> None:
    async def test(bridge: Bridge) -> None:
        store = Store()
        tasks = [asyncio.create_task(bridge.merged(store.kind, Q, 0))]
        await store.called()
        tasks += [asyncio.create_task(bridge.merged(store.kind, Q, n)) for n in range(1, 8)]
        await asyncio.sleep(0)
        store.gate.set()
        assert await asyncio.gather(*tasks) == [f"{n}!" for n in range(8)]
        assert store.batches == [[0], [1, 2, 3, 4, 5, 6, 7]]
        assert await bridge.merged(store.kind, Q, 9) == "9!"

    on_a_bridge(test)


def test_kinds_and_queues_do_not_wait_for_each_other() -> None:
    async def test(bridge: Bridge) -> None:
        blocked, free = Store(), Store()
        free.gate.set()
        waiting = asyncio.create_task(bridge.merged(blocked.kind, Q, 1))
        await asyncio.sleep(0)
        assert await bridge.merged(free.kind, Q, 2) == "2!"
        assert await bridge.merged(free.kind, QueueRef("p", "other"), 3) == "3!"
        blocked.gate.set()
        assert await waiting == "1!"

    on_a_bridge(test)


def test_a_batch_is_bounded() -> None:
    async def test(bridge: Bridge) -> None:
        store = Store()
        tasks = [asyncio.create_task(bridge.merged(store.kind, Q, "first"))]
        await store.called()
        tasks += [
            asyncio.create_task(bridge.merged(store.kind, Q, n)) for n in range(MAX_MERGED + 10)
        ]
        await asyncio.sleep(0)
        store.gate.set()
        await asyncio.gather(*tasks)
        assert [len(batch) for batch in store.batches] == [1, MAX_MERGED, 10]

    on_a_bridge(test)


def test_an_item_that_is_an_error_fails_alone() -> None:
    async def test(bridge: Bridge) -> None:
        store = Store()
        tasks = [asyncio.create_task(bridge.merged(store.kind, Q, n)) for n in (1, "bad", 3)]
        await asyncio.sleep(0)
        store.gate.set()
        first, bad, third = await asyncio.gather(*tasks, return_exceptions=True)
        assert (first, third) == ("1!", "3!")
        assert isinstance(bad, QueueEmpty)

    on_a_bridge(test)


def test_a_batch_that_is_refused_is_tried_one_by_one() -> None:
    calls: list[list[object]] = []

    def many(queue: QueueRef, requests: Sequence[object]) -> list[object | MQError]:
        calls.append(list(requests))
        if "bad" in requests:
            raise Invalid("too large")
        return list(requests)

    async def test(bridge: Bridge) -> None:
        kind = Merged(many)
        tasks = [asyncio.create_task(bridge.merged(kind, Q, n)) for n in (0, 1, "bad", 3)]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(result, Invalid) for result in results] == [False, False, True, False]

    on_a_bridge(test)


class SeveralQueues(Store):
    """Takes batches for several queues; one for the queue `bad` is refused."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[list[tuple[str, list[object]]]] = []
        self.kind = Merged(self.many, self.several)

    def several(
        self, posts: Sequence[tuple[QueueRef, Sequence[object]]]
    ) -> list[Sequence[object | MQError] | MQError]:
        self.calls.append([(queue.name, list(requests)) for queue, requests in posts])
        return [
            Invalid("too much together") if queue.name == "bad" else self.many(queue, requests)
            for queue, requests in posts
        ]


def test_where_the_store_joins_queues_what_waits_for_others_goes_along() -> None:
    async def test(bridge: Bridge) -> None:
        store = SeveralQueues()
        asked = [("q0", 0), ("q1", 1), ("q2", 2), ("q0", 3), ("bad", 4), ("bad", 5), ("q1", 6)]
        tasks = [
            asyncio.create_task(bridge.merged(store.kind, QueueRef("p", name), n))
            for name, n in asked[:1]
        ]
        await store.called()
        tasks += [
            asyncio.create_task(bridge.merged(store.kind, QueueRef("p", name), n))
            for name, n in asked[1:]
        ]
        await asyncio.sleep(0)
        store.gate.set()
        while not store.calls:
            time.sleep(0.001)  # on the loop, which must not see the end of q0's call before
        assert await asyncio.gather(*tasks) == [f"{n}!" for _, n in asked]
        assert store.calls == [[("q1", [1, 6]), ("q2", [2]), ("bad", [4, 5])]]
        # The batch that was refused was tried one by one; what came during q0's call waited.
        assert store.batches == [[0], [1, 6], [2], [4], [5], [3]]

    on_a_bridge(test, threads=1)


def test_a_call_for_several_queues_is_bounded() -> None:
    async def test(bridge: Bridge) -> None:
        store = SeveralQueues()
        store.gate.set()
        names = [f"q{n % 3}" for n in range(MAX_MERGED + 90)]
        async with busy(bridge):
            tasks = [
                asyncio.create_task(bridge.merged(store.kind, QueueRef("p", name), n))
                for n, name in enumerate(names)
            ]
        assert await asyncio.gather(*tasks) == [f"{n}!" for n in range(len(names))]
        assert [sum(len(batch) for _, batch in call) for call in store.calls] == [MAX_MERGED]

    on_a_bridge(test, threads=1)


def test_when_a_call_for_several_queues_raises_everybody_in_it_hears() -> None:
    def several(_: object) -> list[Sequence[object | MQError] | MQError]:
        raise Unavailable("gone")

    async def test(bridge: Bridge) -> None:
        kind = Merged(Store().many, several)
        async with busy(bridge):
            asked = [
                asyncio.create_task(bridge.merged(kind, QueueRef("p", f"q{n}"), n))
                for n in range(3)
            ]
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(result, Unavailable) for result in results)

    on_a_bridge(test, threads=1)


def test_when_the_call_raises_everybody_in_it_hears() -> None:
    def many(queue: QueueRef, requests: Sequence[object]) -> list[object | MQError]:
        raise Unavailable("gone")

    async def test(bridge: Bridge) -> None:
        kind = Merged(many)
        tasks = [asyncio.create_task(bridge.merged(kind, Q, n)) for n in range(3)]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, Unavailable) for result in results)

    on_a_bridge(test)


def test_one_who_left_does_not_hinder_the_others() -> None:
    async def test(bridge: Bridge) -> None:
        store = Store()
        tasks = [asyncio.create_task(bridge.merged(store.kind, Q, n)) for n in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        store.gate.set()
        assert await tasks[0] == "0!"
        assert await tasks[2] == "2!"

    on_a_bridge(test)


def test_more_than_may_wait_is_refused_at_once_and_room_comes_back() -> None:
    async def test(bridge: Bridge) -> None:
        store = Store()
        tasks = [asyncio.create_task(bridge.merged(store.kind, Q, n)) for n in range(3)]
        await asyncio.sleep(0)
        for refused in (
            bridge.merged(store.kind, Q, 9),
            bridge.run("other", divmod, 7, 2),
        ):
            with pytest.raises(Refusal) as raised:
                await refused
            assert raised.value.kind.status == 503
            assert raised.value.headers["Retry-After"]
        assert await bridge.run(None, divmod, 7, 2) == (3, 1)
        store.gate.set()
        await asyncio.gather(*tasks)
        assert await bridge.run("other", divmod, 7, 2) == (3, 1)

    on_a_bridge(test, max_waiting=3)


def test_a_project_with_much_waiting_leaves_room_for_others() -> None:
    async def test(bridge: Bridge) -> None:
        store = Store()
        tasks = [asyncio.create_task(bridge.merged(store.kind, Q, n)) for n in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Refusal, match="of this project"):
            await bridge.run(Q.project, divmod, 7, 2)
        assert await bridge.run("other", divmod, 7, 2) == (3, 1)
        store.gate.set()
        await asyncio.gather(*tasks)

    on_a_bridge(test, max_waiting=3, max_waiting_per_project=2)


def test_projects_take_turns() -> None:
    """One request behind fifty of another project is served second, not last."""

    async def test(bridge: Bridge) -> None:
        order: list[str] = []
        async with busy(bridge):
            flood = [
                asyncio.create_task(bridge.run("flood", order.append, "flood")) for _ in range(50)
            ]
            lone = asyncio.create_task(bridge.run("lone", order.append, "lone"))
        await asyncio.gather(lone, *flood)
        assert order.index("lone") == 1

    on_a_bridge(test, threads=1)


def test_quick_jobs_behind_one_that_hangs_are_done_by_another_thread() -> None:
    async def test(bridge: Bridge) -> None:
        for _ in range(20):
            await bridge.run("p", divmod, 7, 2)
        gate = threading.Event()
        hangs = asyncio.create_task(bridge.run("p", gate.wait, 10))
        others = [asyncio.create_task(bridge.run("p", divmod, 7, 2)) for _ in range(20)]
        assert await asyncio.gather(*others) == [(3, 1)] * 20
        gate.set()
        assert await hangs

    on_a_bridge(test)


def test_a_project_whose_jobs_hang_leaves_threads_to_others() -> None:
    async def test(bridge: Bridge) -> None:
        gate = threading.Event()
        hang = [asyncio.create_task(bridge.run("p", gate.wait, 10)) for _ in range(20)]
        await asyncio.sleep(0)
        assert await bridge.run("other", divmod, 7, 2) == (3, 1)
        assert await bridge.run(None, divmod, 7, 2) == (3, 1)
        gate.set()
        assert all(await asyncio.gather(*hang))

    on_a_bridge(test, threads=4)


def test_slow_jobs_run_side_by_side() -> None:
    async def test(bridge: Bridge) -> None:
        meet = threading.Barrier(4, timeout=10)
        for _ in range(5):
            await bridge.run("p", time.sleep, 0.005)
        await asyncio.gather(*(bridge.run(f"p{n}", meet.wait) for n in range(4)))

    on_a_bridge(test, threads=4)


@pytest.mark.parametrize("threads", [0, 1])
def test_closing_does_what_waits(threads: int) -> None:
    async def main() -> None:
        bridge = Bridge(threads)
        done: list[int] = []
        tasks = [asyncio.create_task(bridge.run("p", done.append, n)) for n in range(9)]
        await asyncio.sleep(0)
        await bridge.close()
        await asyncio.gather(*tasks)
        assert done == list(range(9))

    asyncio.run(main())


def test_without_threads_calls_run_on_the_event_loop() -> None:
    async def test(bridge: Bridge) -> None:
        here = threading.get_ident()
        assert await bridge.run("p", threading.get_ident) == here
        assert await bridge.run("p", divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await bridge.run("p", divmod, 7, 0)

    on_a_bridge(test, threads=0)


def test_without_threads_what_arrives_together_goes_together_in_order() -> None:
    async def test(bridge: Bridge) -> None:
        store = Store()
        store.gate.set()
        asked = [0, 1, 2, "bad", 4]
        tasks = [asyncio.create_task(bridge.merged(store.kind, Q, one)) for one in asked]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results.pop(3), QueueEmpty)
        assert results == ["0!", "1!", "2!", "4!"]
        assert store.batches == [asked]
        assert await bridge.merged(store.kind, Q, 9) == "9!"

    on_a_bridge(test, threads=0)


def test_without_threads_what_one_call_does_not_take_is_taken_by_the_next() -> None:
    async def test(bridge: Bridge) -> None:
        store = Store()
        store.gate.set()
        kind = Merged(store.many, most=2)
        tasks = [asyncio.create_task(bridge.merged(kind, Q, n)) for n in range(5)]
        assert await asyncio.gather(*tasks) == [f"{n}!" for n in range(5)]
        assert store.batches == [[0, 1], [2, 3], [4]]

    on_a_bridge(test, threads=0)
