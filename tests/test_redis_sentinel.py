"""A failover of Sentinel in the middle of load: nothing that replicas have is lost."""

import threading
import time
from collections.abc import Callable

from mqcore_redis.driver import RedisDriver, open_driver

from mqcore.contract import Claim, ClaimRequest, Handle, NewMessage, QueueRef, Unavailable, new_id

from .backends import RedisSentinel

QUEUE = QueueRef("project", "queue")
PATIENCE = 60.0
"""Seconds that a failover may take."""


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_nothing_acknowledged_by_a_replica_is_lost_in_a_failover() -> None:
    with RedisSentinel(fsync=False) as watched:
        fail_over(watched)


def fail_over(watched: RedisSentinel) -> None:
    primary = watched.primary
    (replica,) = (node for node in watched.data if node is not primary)
    uri = f"{watched.fresh_database()}&timeout=2&wait_replicas=1"
    driver = open_driver(uri, clock=time.time)
    driver.queues.create(QUEUE, {})
    watcher = open_driver(uri.replace("&wait_replicas=1", ""), clock=time.time)
    posted: list[str] = []
    handed_out: list[str] = []
    lost = threading.Event()
    over = threading.Event()

    def produce() -> None:
        while not over.is_set():
            new = NewMessage(new_id(), b"x", 3600)
            try:
                driver.messages.post(QUEUE, [new])
                posted.append(new.id)
            except Unavailable:
                lost.set()

    def consume() -> None:
        while not over.is_set():
            request = ClaimRequest(new_id(), 1, 3600, 0)
            try:
                (claim,) = driver.claims.claim(QUEUE, [request])
                if isinstance(claim, Claim):
                    ids = [message.id for message in claim.messages]
                    handed_out.extend(ids)
                    driver.messages.delete(QUEUE, [Handle(each, (request.id,)) for each in ids])
            except Unavailable:
                lost.set()

    threads = [threading.Thread(target=work) for work in (produce, produce, consume)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: len(handed_out) > 50)
        primary.kill()
        wait_for(lambda: lost.is_set() and "role:master" in replica.cli("info", "replication"))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    driver.close()

    # The same handle finds the new primary. That has no replica yet, so nothing waits for one.
    wait_for(lambda: is_up(watcher))
    there = watcher.messages.list(QUEUE, limit=100_000, include_claimed=True).items
    assert set(posted) <= {message.id for message in there} | set(handed_out)
    assert len(set(handed_out)) == len(handed_out)
    new = NewMessage(new_id(), b"x", 3600)
    watcher.messages.post(QUEUE, [new])
    assert watcher.messages.get(QUEUE, new.id).body == b"x"
    watcher.close()


def is_up(driver: RedisDriver) -> bool:
    try:
        driver.ping()
    except Unavailable:
        return False
    return True
