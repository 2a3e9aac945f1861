"""What the suite cannot see of `memory://`: the room that it takes."""

import time
import tracemalloc
from itertools import pairwise

from mqcore.conformance import Clock
from mqcore.contract import ClaimRequest, Driver, Handle, NewMessage, QueueRef, new_id
from mqcore.loader import open_store
from mqcore.memory import open_driver
from mqcore.memory.box import MOVED

QUEUE = QueueRef("p", "q")


def use(driver: Driver, rounds: int) -> None:
    """Have messages posted, claimed, renewed, released and deleted; one delayed one stays."""
    for _ in range(rounds):
        driver.messages.post(QUEUE, [NewMessage(new_id(), b"1", 3600) for _ in range(100)])
        request = ClaimRequest(new_id(), 100, 1800, 7200)
        driver.claims.claim(QUEUE, [request])
        for _ in range(3):
            driver.claims.renew(QUEUE, request.id, ttl=4000, grace=60)
        driver.claims.release(QUEUE, request.id)
        page = driver.messages.list(QUEUE, limit=100)
        driver.messages.delete(QUEUE, [Handle(message.id) for message in page.items])


def test_what_is_gone_takes_no_room_until_it_would_have_expired() -> None:
    driver = open_store("memory://", clock=time.time)
    driver.queues.create(QUEUE, {})
    driver.messages.post(QUEUE, [NewMessage(new_id(), b"1", 3600, delay=600)])
    use(driver, 5)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        use(driver, 50)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 200_000
    assert driver.queues.stats(QUEUE).free == 1
    driver.close()


def test_what_is_to_come_is_sorted_out_in_small_steps_and_nothing_of_it_is_lost() -> None:
    """Most of what was to happen is void at once; the next calls are no slower for it."""
    clock = Clock()
    driver = open_driver("memory://", clock=clock)
    driver.queues.create(QUEUE, {})
    kept = []
    for batch in range(50):
        posted = [NewMessage(new_id(), b"1", 3600 + batch, 600 * (n == 0)) for n in range(100)]
        driver.messages.post(QUEUE, posted)
        driver.messages.delete(QUEUE, [Handle(new.id, force=True) for new in posted[2:]])
        kept += posted[:2]
    box = driver.store.queues[QUEUE.project][QUEUE.name]
    left = []
    for _ in range(1000):
        driver.claims.claim(QUEUE, [request := ClaimRequest(new_id(), 1, 60, 60)])
        left.append(len(box.older))
        driver.claims.release(QUEUE, request.id)
    assert all(before - after <= MOVED for before, after in pairwise(left) if after <= before)
    assert len(box.timeline) + len(box.older) < 1000
    assert driver.queues.stats(QUEUE).free == len(kept)
    assert len(driver.messages.list(QUEUE, limit=200).items) == len(kept) / 2
    clock.advance(600)
    assert len(driver.messages.list(QUEUE, limit=200).items) == len(kept)
    clock.advance(3000)
    for batch in range(50):
        assert driver.queues.stats(QUEUE).free == len(kept) - 2 * (batch + 1)
        clock.advance(1)
    driver.close()
