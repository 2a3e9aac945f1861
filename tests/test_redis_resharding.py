"""Slots of a Cluster move to another node in the middle of load: nothing is lost or torn."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import count, cycle, islice
from typing import Any

from mqcore_redis.driver import RedisDriver, open_driver
from mqcore_redis.keys import Keys
from mqcore_redis.server import PARTITIONS
from redis.crc import key_slot

from mqcore.contract import Claim, ClaimRequest, Handle, NewMessage, QueueRef, Unavailable, new_id

from .backends import RedisCluster

MOVED = 800
"""Slots; `redis-cli` takes the lowest ones of the node."""


def queues_in_moved_slots(wanted: int) -> list[QueueRef]:
    keys = Keys("mqcore", PARTITIONS)
    refs = (QueueRef(f"project-{number}", "queue") for number in count())
    slot: Any = key_slot
    moved = (ref for ref in refs if slot(keys.names(ref.project).encode()) < MOVED)
    return list(islice(moved, wanted))


def persist(call: Callable[[], Any]) -> Any:
    """Repeat it, with the same ids, while slots are between two nodes."""
    while True:
        try:
            return call()
        except Unavailable:
            time.sleep(0.01)


class Load:
    def __init__(self, uri: str, queues: list[QueueRef]) -> None:
        self.uri, self.queues = uri, queues
        self.posted: dict[QueueRef, list[str]] = defaultdict(list)
        self.handed_out: dict[QueueRef, list[str]] = defaultdict(list)
        self.over = threading.Event()

    def run(self) -> None:
        driver = open_driver(self.uri, clock=time.time)
        for queue in cycle(self.queues):
            if self.over.is_set():
                break
            self._once(driver, queue)
        driver.close()

    def _once(self, driver: RedisDriver, queue: QueueRef) -> None:
        new = [NewMessage(new_id(), b"x" * 100, 3600) for _ in range(4)]
        self.posted[queue] += persist(lambda: driver.messages.post(queue, new))
        request = ClaimRequest(new_id(), 3, 3600, 0)
        (claim,) = persist(lambda: driver.claims.claim(queue, [request]))
        if isinstance(claim, Claim):
            ids = [message.id for message in claim.messages]
            self.handed_out[queue] += ids
            handles = [Handle(each, (request.id,)) for each in ids[:2]]
            persist(lambda: driver.messages.delete(queue, handles))


def test_slots_move_in_the_middle_of_load(redis_cluster: RedisCluster) -> None:
    move_under_load(redis_cluster, redis_cluster.fresh_database())


def test_slots_move_while_replicas_are_waited_for() -> None:
    with RedisCluster(fsync=False, replicas=1) as cluster:
        move_under_load(cluster, f"{cluster.uri}?wait_replicas=1")


def move_under_load(cluster: RedisCluster, uri: str) -> None:
    queues = queues_in_moved_slots(6)
    driver = open_driver(uri, clock=time.time)
    for queue in queues:
        driver.queues.create(queue, {})
    load = Load(uri, queues)
    threads = [threading.Thread(target=load.run) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        source, target = cluster.nodes[:2]
        source.run(
            *("redis-cli", "--cluster", "reshard", f"127.0.0.1:{source.port}"),
            *("--cluster-from", source.cli("cluster", "myid")),
            *("--cluster-to", target.cli("cluster", "myid")),
            *("--cluster-slots", str(MOVED), "--cluster-yes"),
        )
    finally:
        load.over.set()
        for thread in threads:
            thread.join()
    for queue in queues:
        assert len(set(load.handed_out[queue])) == len(load.handed_out[queue])
        page = driver.messages.list(queue, limit=100_000, include_claimed=True)
        there = {message.id for message in page.items}
        assert set(load.posted[queue]) <= there | set(load.handed_out[queue])
        assert driver.queues.stats(queue).total == len(there)
    driver.close()
