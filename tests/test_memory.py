"""What the suite cannot see of `memory://`: the room that it takes."""

import time
import tracemalloc

from mqcore.contract import ClaimRequest, Driver, Handle, NewMessage, QueueRef, new_id
from mqcore.loader import open_store

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
