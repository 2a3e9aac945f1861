"""Waiting in-process: woken by hints where there are, and without them all the same."""

import threading
import time
from pathlib import Path

import pytest

import mqcore
from mqcore import waking
from mqcore.contract import Capability, QueueRef
from mqcore.inprocess import Connection
from mqcore.memory import MemoryDriver
from mqcore.memory.store import Store

LONG = 60.0


class Silent(MemoryDriver):
    """Gives no hints and does not say that it does."""

    capabilities = MemoryDriver.capabilities & ~Capability.WAKING

    def __init__(self) -> None:
        super().__init__(Store(), time.time)
        self.watch = lambda queue, wake: lambda: None  # type: ignore[method-assign]


@pytest.fixture(params=["memory", "sqlite", "silent"])
def mq(request: pytest.FixtureRequest, tmp_path: Path) -> Connection:
    if request.param == "silent":
        return Connection(Silent())
    return mqcore.connect(
        {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/q.db"}[request.param]
    )


def test_who_waits_gets_what_is_posted_meanwhile(mq: Connection) -> None:
    with mq:
        queue = mq.queue("q")
        queue.create()
        assert queue.claim() is None
        found: list[object] = []

        def wait() -> None:
            claim = queue.claim(wait=LONG)
            assert claim is not None
            found.extend(message.json() for message in claim.messages)

        waiting = threading.Thread(target=wait)
        waiting.start()
        queue.post("come")
        waiting.join(LONG)
        assert found == ["come"]


def test_what_is_there_is_not_waited_for_and_a_wait_ends(mq: Connection) -> None:
    with mq:
        queue = mq.queue("q")
        queue.post(1)
        start = time.monotonic()
        (message,) = queue.pop(wait=LONG)
        assert message.json() == 1
        assert time.monotonic() - start < LONG
        assert queue.pop(wait=0.01) == ()


@pytest.mark.parametrize("scheme", ["memory", "sqlite"])
def test_a_hint_ends_a_wait_before_the_next_look(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waking, "SELDOM", LONG)
    monkeypatch.setattr(waking, "OFTEN", LONG)
    uri = {"memory": "memory://waking", "sqlite": f"sqlite:///{tmp_path}/q.db"}[scheme]
    with mqcore.connect(uri) as here, mqcore.connect(uri) as there:
        here.queue("q").create()
        waits = threading.Event()
        driver, real = here.service.driver, here.service.driver.watch

        def watch(queue: QueueRef, wake: object) -> object:
            stop = real(queue, wake)  # type: ignore[arg-type]
            waits.set()
            return stop

        monkeypatch.setattr(driver, "watch", watch)
        found: list[object] = []
        waiting = threading.Thread(target=lambda: found.extend(here.queue("q").pop(wait=2 * LONG)))
        waiting.start()
        assert waits.wait(LONG)
        there.queue("q").post(1)
        waiting.join(LONG / 2)
        assert len(found) == 1
