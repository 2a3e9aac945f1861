"""Failovers of Sentinel and a Cluster: nothing that replicas have is lost; who waits is woken."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from mqcore_redis.driver import RedisDriver, open_driver
from mqcore_redis.keys import Keys
from mqcore_redis.server import PARTITIONS

from mqcore.contract import Claim, ClaimRequest, Handle, NewMessage, QueueRef, Unavailable, new_id

from .backends import Redis, RedisCluster, RedisSentinel
from .backends.redis_sets import NAME

QUEUE = QueueRef("project", "queue")
PATIENCE = 60.0
"""Seconds that a failover may take."""

ASKED_AGAIN = 10.0
"""Seconds after which a failover is asked for once more: a server that cannot just now refuses, and
one that takes it on gives up after five."""


def wait_for(condition: Callable[[], bool]) -> None:
    assert comes_true(condition, PATIENCE)


def comes_true(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def ask_until(done: Callable[[], bool], teller: Redis, *words: str) -> None:
    """Give an operator's command, and again until it had its effect."""
    answers: list[str] = []
    while not answers or not comes_true(done, ASKED_AGAIN):
        assert len(answers) * ASKED_AGAIN < PATIENCE, answers
        answers.append(teller.cli(*words))


def is_role(node: Redis, role: str) -> bool:
    """Whether the node says so; Sentinel cuts its connections when it changes."""
    try:
        return f"role:{role}" in node.cli("info", "replication")
    except RuntimeError:
        return False


def test_nothing_acknowledged_by_a_replica_is_lost_in_a_failover() -> None:
    with RedisSentinel(fsync=False) as watched:
        fail_over(f"{watched.fresh_database()}&timeout=2", lambda: watched.data)


def fail_over(uri: str, pair: Callable[[], list[Redis]]) -> None:
    """Kill the primary under load. `pair` says which it is for QUEUE, and its replica."""
    driver = open_driver(f"{uri}&wait_replicas=1", clock=time.time)
    watcher = open_driver(uri, clock=time.time)
    watcher.queues.create(QUEUE, {})
    primary, replica = pair()
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
        wait_for(lambda: lost.is_set() and is_role(replica, "master"))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    driver.close()

    # The same handle finds the new primary. That has no replica yet, so nothing waits for one.
    wait_for(lambda: succeeds(watcher.ping))
    there = watcher.messages.list(QUEUE, limit=100_000, include_claimed=True).items
    assert set(posted) <= {message.id for message in there} | set(handed_out)
    assert len(set(handed_out)) == len(handed_out)
    assert watcher.messages.get(QUEUE, post(watcher)).body == b"x"
    watcher.close()


def post(driver: RedisDriver) -> str:
    new = NewMessage(new_id(), b"x", 3600)
    driver.messages.post(QUEUE, [new])
    return new.id


def succeeds(call: Callable[[], object]) -> bool:
    try:
        call()
    except Unavailable:
        return False
    return True


def test_a_failover_wakes_all_and_posts_after_it_are_followed_by_hints() -> None:
    with RedisSentinel(fsync=False) as watched:
        uri = f"{watched.fresh_database()}&timeout=2"
        poster, listener = (open_driver(uri, clock=time.time) for _ in range(2))
        poster.queues.create(QUEUE, {})
        woken = [threading.Event(), threading.Event()]
        for queue, event in zip((QUEUE, QueueRef("project", "idle")), woken, strict=True):
            listener.watch(queue, event.set)
        assert all(event.wait(PATIENCE) for event in woken)  # it is connected
        for fail_over in (switch, kill):
            for event in woken:
                event.clear()
            fail_over(watched)
            assert all(event.wait(PATIENCE) for event in woken)
            for _ in range(5):
                woken[0].clear()
                wait_for(lambda: succeeds(lambda: post(poster)))
                assert woken[0].wait(PATIENCE)
        poster.close()
        listener.close()


def switch(watched: RedisSentinel) -> None:
    """As an operator does. The old primary lives on as a replica."""
    old = watched.primary
    ask_until(lambda: is_role(old, "slave"), watched.sentinels[0], "sentinel", "failover", NAME)
    watched.wait()


def kill(watched: RedisSentinel) -> None:
    watched.primary.kill()


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with RedisCluster(fsync=False, replicas=1) as cluster:
        yield cluster


def pair_of(cluster: RedisCluster) -> list[Redis]:
    """The node that has QUEUE, and its replica."""
    key = Keys("mqcore", PARTITIONS).of(QUEUE).record
    primary = next(node for node in cluster.nodes if node.cli("exists", key) == "1")
    of_it = f"master_port:{primary.port}"
    return [primary, next(n for n in cluster.nodes if of_it in n.cli("info", "replication"))]


def test_a_cluster_acknowledges_what_a_replica_of_that_node_has(cluster: RedisCluster) -> None:
    driver = open_driver(f"{cluster.uri}?wait_replicas=1", clock=time.time)
    wait_for(lambda: succeeds(lambda: driver.queues.create(QUEUE, {})))
    _, replica = pair_of(cluster)
    new = NewMessage(new_id(), b"x", 3600)
    replica.pause()
    try:
        with pytest.raises(Unavailable, match="0 of 1 replicas"):
            driver.messages.post(QUEUE, [new])
    finally:
        replica.resume()
    wait_for(lambda: succeeds(lambda: driver.messages.post(QUEUE, [new])))
    assert driver.queues.stats(QUEUE).total == 1
    ask_until(lambda: is_role(replica, "master"), replica, "cluster", "failover")
    cluster.wait()
    wait_for(lambda: succeeds(lambda: post(driver)))  # to the node that the old one names
    assert new.id in {message.id for message in driver.messages.list(QUEUE).items}
    driver.queues.delete(QUEUE)
    driver.close()


def test_nothing_acknowledged_is_lost_when_a_node_of_a_cluster_dies(cluster: RedisCluster) -> None:
    fail_over(f"{cluster.uri}?timeout=2", lambda: pair_of(cluster))
