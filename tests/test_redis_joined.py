"""Posts to several queues of one Redis are one round trip, and do not touch each other."""

import time
from collections.abc import Iterator

import pytest
import redis
from mqcore_redis.driver import RedisDriver, open_driver

from mqcore.conformance.proxy import Proxy
from mqcore.contract import NewMessage, QueueNotFound, QueueRef, Unavailable, new_id
from mqcore.contract.watchers import PACE

from .backends import Redis, RedisCluster, RedisSentinel

QUEUES = [QueueRef("project", f"queue-{n}") for n in range(4)]


@pytest.fixture
def database(redis_server: Redis) -> str:
    return redis_server.fresh_database()


@pytest.fixture
def proxy(redis_server: Redis) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def driver(database: str, proxy: Proxy) -> Iterator[RedisDriver]:
    number = database.rpartition("/")[2]
    driver = open_driver(f"redis://127.0.0.1:{proxy.port}/{number}", clock=time.time)
    for queue in QUEUES:
        driver.queues.create(queue, {})
    yield driver
    driver.close()


def posts(queues: list[QueueRef]) -> list[tuple[QueueRef, list[NewMessage]]]:
    return [(queue, [NewMessage(new_id(), b"x", 60) for _ in range(2)]) for queue in queues]


def ids(post: tuple[QueueRef, list[NewMessage]]) -> list[str]:
    return [new.id for new in post[1]]


def there(driver: RedisDriver, queue: QueueRef) -> list[str]:
    return [message.id for message in driver.messages.list(queue).items]


def test_all_posts_are_one_round_trip(driver: RedisDriver, proxy: Proxy) -> None:
    driver.messages.post_to_several(posts(QUEUES))
    time.sleep(2 * PACE)
    proxy.lose_reply(skip=len(QUEUES) - 1)
    made = posts(QUEUES)
    assert driver.messages.post_to_several(made) == [ids(post) for post in made]
    assert proxy.pending  # no more than this one and a hint were sent


def test_an_error_of_one_is_the_result_of_that_one(driver: RedisDriver, database: str) -> None:
    redis.Redis.from_url(database).set("mqcore:{0}:p=project:queue-1:ids", "mine")
    missing = QueueRef("project", "missing")
    first, foreign, lost, last = made = posts([QUEUES[0], QUEUES[1], missing, QUEUES[2]])
    results = driver.messages.post_to_several(made)
    assert results[0] == ids(first)
    assert isinstance(results[1], Unavailable)
    assert isinstance(results[2], QueueNotFound)
    assert results[3] == ids(last)
    assert there(driver, foreign[0]) == []
    assert there(driver, lost[0]) == []


def test_a_server_that_forgot_the_script_is_told_again(
    driver: RedisDriver, redis_server: Redis
) -> None:
    redis_server.cli("script", "flush")
    made = posts([*QUEUES, QUEUES[0]])
    assert driver.messages.post_to_several(made) == [ids(post) for post in made]
    assert there(driver, QUEUES[0]) == [*ids(made[0]), *ids(made[-1])]


def test_a_lost_reply_is_a_repeat_and_stores_once(driver: RedisDriver, proxy: Proxy) -> None:
    driver.messages.post_to_several(posts(QUEUES))
    proxy.lose_reply()
    made = posts(QUEUES)
    assert driver.messages.post_to_several(made) == [ids(post) for post in made]
    assert not proxy.pending
    assert all(there(driver, post[0])[2:] == ids(post) for post in made)


def test_a_store_that_is_gone_is_the_result_of_each(driver: RedisDriver, proxy: Proxy) -> None:
    proxy.cut()
    results = driver.messages.post_to_several(posts(QUEUES))
    assert [type(result) for result in results] == [Unavailable] * len(QUEUES)
    proxy.restore()
    made = posts(QUEUES)
    assert driver.messages.post_to_several(made) == [ids(post) for post in made]


def test_replicas_that_do_not_acknowledge_fail_each(driver: RedisDriver, database: str) -> None:
    waits = open_driver(f"{database}?wait_replicas=1&wait_timeout=0.05", clock=time.time)
    (result,) = waits.messages.post_to_several(posts(QUEUES[:1]))
    assert isinstance(result, Unavailable)
    waits.close()


def test_sentinel_joins_posts_and_a_cluster_does_not(
    redis_sentinel: RedisSentinel, redis_cluster: RedisCluster
) -> None:
    for watched, joins in ((redis_sentinel, True), (redis_cluster, False)):
        driver = open_driver(watched.fresh_database(), clock=time.time)
        assert driver.messages.joins_posts is joins
        for queue in QUEUES:
            driver.queues.create(queue, {})
        made = posts(QUEUES)
        assert driver.messages.post_to_several(made) == [ids(post) for post in made]
        driver.close()
