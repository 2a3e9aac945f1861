"""What a Redis that cannot be used is called, and that it recovers without a restart."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from mqcore_redis.driver import RedisDriver, open_driver
from mqcore_redis.keys import Keys

from mqcore.contract import (
    BadUri,
    Capability,
    ClaimRequest,
    Handle,
    Misconfigured,
    NewMessage,
    NewSubscription,
    QueueNotFound,
    QueueRef,
    Unavailable,
    new_id,
)

from .backends import Redis

QUEUE = QueueRef("project", "queue")


def opened(uri: str) -> RedisDriver:
    return open_driver(uri, clock=time.time)


def with_options(uri: str, **options: object) -> str:
    text = "&".join(f"{name}={value}" for name, value in options.items())
    return f"{uri}{'&' if '?' in uri else '?'}{text}"


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    with Redis(append_only=False) as server:
        yield server


@pytest.fixture(scope="module")
def secured() -> Iterator[Redis]:
    with Redis(append_only=False, password=True) as server:
        yield server


def post(driver: RedisDriver, size: int = 10) -> str:
    (posted,) = driver.messages.post(QUEUE, [NewMessage(new_id(), b"x" * size, 3600)])
    assert isinstance(posted, str)
    return posted


def post_many(driver: RedisDriver, size: int) -> None:
    """Until the server refuses."""
    for _ in range(100_000):
        post(driver, size)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("redis://host/zero", "the database must be a number"),
        ("redis://host/0?pool=7", "unknown option pool"),
        ("redis://host/0?timeout=soon", "timeout must be a number"),
        ("redis://host/0?prefix=a{b}", "prefix must be a text without braces"),
        ("redis://host/0?ssl_ca_certs=x", "unknown option ssl_ca_certs"),
        ("unix://host/run/redis.sock", "write the path of the socket"),
        ("redis+sentinel://host", "name what Sentinel watches"),
        ("redis://host,other/0", "name one host only"),
        ("redis+cluster://host/1", "a cluster has one database only"),
        ("redis://host?wait_replicas=1&wait_timeout=9", "wait_timeout must be less than timeout"),
    ],
)
def test_a_uri_that_cannot_be_used_says_why(uri: str, said: str) -> None:
    with pytest.raises(BadUri, match=said):
        opened(uri)


def test_a_wrong_password_is_named_and_not_shown(secured: Redis) -> None:
    where = f"127.0.0.1:{secured.port}/0"
    for uri in (f"redis://mqcore:wrong-one@{where}", f"redis://:wrong-one@{where}"):
        with pytest.raises(Misconfigured, match="correct") as caught:
            opened(uri)
        assert "wrong-one" not in str(caught.value)
    with pytest.raises(Misconfigured, match="wants a password"):
        opened(f"redis://{where}")
    opened(secured.uri).close()


def test_a_database_that_does_not_exist_is_named(server: Redis) -> None:
    with pytest.raises(Misconfigured, match="no database of that number"):
        opened(f"redis://127.0.0.1:{server.port}/999")


def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        opened("redis://127.0.0.1:1/0")
    with pytest.raises(Unavailable):
        opened("redis+cluster://127.0.0.1:1")
    with pytest.raises(Unavailable):
        opened("redis+sentinel://127.0.0.1:1/mymaster")


def test_a_standalone_server_is_no_cluster_and_the_other_way_round(server: Redis) -> None:
    with pytest.raises(Misconfigured, match="use redis://"):
        opened(f"redis+cluster://127.0.0.1:{server.port}")
    with (
        Redis(append_only=False, settings=("cluster-enabled yes",)) as node,
        pytest.raises(Misconfigured, match=r"use redis\+cluster://"),
    ):
        opened(node.uri)


def test_a_replica_is_refused(server: Redis) -> None:
    replica_of = (f"replicaof 127.0.0.1 {server.port}",)
    with (
        Redis(append_only=False, settings=replica_of) as replica,
        pytest.raises((Misconfigured, Unavailable), match=r"replica|loading"),
    ):
        opened(replica.uri)


def test_a_primary_that_becomes_a_replica_and_comes_back(server: Redis) -> None:
    with Redis(append_only=False) as other:
        driver = opened(other.uri)
        driver.queues.create(QUEUE, {})
        posted = post(driver)
        other.cli("config", "set", "replica-read-only", "yes")
        other.cli("replicaof", "127.0.0.1", "1")
        with pytest.raises(Unavailable, match="read-only replica"):
            post(driver)
        other.cli("replicaof", "no", "one")
        assert driver.messages.get(QUEUE, posted).id == posted
        post(driver)
        driver.close()


def test_out_of_memory_is_named_and_consumers_go_on(server: Redis) -> None:
    driver = opened(server.fresh_database())
    driver.queues.create(QUEUE, {})
    posted = post(driver)
    used = int(redis.Redis(port=server.port).info("memory")["used_memory"])
    server.cli("config", "set", "maxmemory", str(used))
    try:
        with pytest.raises(Unavailable, match="out of memory"):
            post_many(driver, 10_000)
        request = ClaimRequest(new_id(), 1, 60, 0)
        (claim,) = driver.claims.claim(QUEUE, [request])
        assert [message.id for message in claim.messages] == [posted]  # type: ignore[union-attr]
        assert driver.messages.delete(QUEUE, [Handle(posted, (request.id,))]) == [None]
    finally:
        server.cli("config", "set", "maxmemory", "0")
    post(driver)
    driver.close()


def test_a_busy_script_and_its_end(server: Redis) -> None:
    driver = opened(with_options(server.fresh_database(), timeout=2))
    driver.queues.create(QUEUE, {})
    server.cli("config", "set", "busy-reply-threshold", "50")
    connection: Any = redis.Connection
    busy = connection(port=server.port)
    busy.send_command("EVAL", "while true do end", 0)
    try:
        with pytest.raises(Unavailable, match="busy with a script"):
            post_many(driver, 10)
    finally:
        server.cli("script", "kill")
        with pytest.raises(redis.ResponseError):
            busy.read_response()
        busy.disconnect()
    post(driver)
    driver.close()


def test_a_policy_that_evicts_is_refused_unless_allowed(server: Redis) -> None:
    server.cli("config", "set", "maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(Misconfigured, match="allkeys-lru"):
            opened(server.uri)
        opened(with_options(server.uri, allow_eviction="yes")).close()
        server.cli("config", "set", "maxmemory-policy", "volatile-lru")
        opened(server.uri).close()
    finally:
        server.cli("config", "set", "maxmemory-policy", "noeviction")


def test_a_key_of_another_type_is_named(server: Redis) -> None:
    uri = server.fresh_database()
    driver = opened(uri)
    driver.queues.create(QUEUE, {})
    other = redis.Redis.from_url(uri)
    other.set("mqcore:{0}:p=project:queue:ids", "mine")
    with pytest.raises(Unavailable, match="other data under keys that are ours"):
        post(driver)
    other.delete("mqcore:{0}:p=project:queue:ids")
    post(driver)
    driver.close()
    other.set("taken:layout", "mine")
    with pytest.raises(Misconfigured, match="choose another"):
        opened(with_options(uri, prefix="taken"))


KEYS = Keys("mqcore", 1)
OF_SUBSCRIPTIONS = (KEYS.of(QUEUE).agenda, *KEYS.of(QUEUE).subscriptions)
OF_QUEUE = (*OF_SUBSCRIPTIONS, *KEYS.of(QUEUE).queue, *KEYS.registers(QUEUE.project))


def subscribe(driver: RedisDriver) -> None:
    driver.subscriptions.create(QUEUE, NewSubscription(new_id(), "http://a", 60, {}))


@pytest.mark.parametrize(
    ("call", "key"),
    [
        *((lambda driver: driver.queues.create(QUEUE, {}), key) for key in OF_QUEUE),
        *((lambda driver: driver.queues.delete(QUEUE), key) for key in OF_QUEUE),
        *((subscribe, key) for key in OF_SUBSCRIPTIONS),
    ],
)
def test_a_key_of_another_type_is_met_before_anything_is_written(
    server: Redis, call: Callable[[RedisDriver], object], key: str
) -> None:
    server.cli("flushall")
    driver = opened(server.uri)
    other = redis.Redis.from_url(server.uri)
    if key == KEYS.floor(0):
        other.sadd(key, "mine")
    else:
        other.set(key, "mine")
    with pytest.raises(Unavailable, match="other data under keys that are ours"):
        call(driver)
    assert sorted(other.keys()) == sorted([key.encode(), b"mqcore:layout"])
    driver.close()


def test_a_queue_whose_record_was_evicted_is_missing_until_it_is_made_again(
    server: Redis,
) -> None:
    uri = server.fresh_database()
    driver = opened(uri)
    driver.queues.create(QUEUE, {})
    redis.Redis.from_url(uri).delete(KEYS.of(QUEUE).record)
    with pytest.raises(QueueNotFound):
        driver.queues.set_metadata(QUEUE, {"a": 1})
    with pytest.raises(QueueNotFound):
        post(driver)
    assert driver.queues.create(QUEUE, {})
    post(driver)
    driver.close()


@pytest.mark.parametrize("layout", [1, 2, 3, 99])
def test_another_layout_is_refused(server: Redis, layout: int) -> None:
    uri = server.fresh_database()
    redis.Redis.from_url(uri).hset("mqcore:layout", "version", layout)
    with pytest.raises(Misconfigured, match=f"layout {layout}"):
        opened(uri)


@pytest.mark.parametrize(
    ("fsync", "append_only", "durable"), [(True, True, True), (False, True, False)]
)
def test_durability_is_read_from_the_server(fsync: bool, append_only: bool, durable: bool) -> None:
    with Redis(fsync=fsync, append_only=append_only) as server:
        driver = opened(server.uri)
        assert (Capability.DURABLE in driver.capabilities) == durable
        driver.close()


RIGHTS = ("~mqcore:*", "+@read", "+@write", "+@scripting", "+@connection", "+info")


@pytest.mark.parametrize("rights", [("+config|get",), ()])
def test_a_user_with_few_rights_is_enough(rights: tuple[str, ...]) -> None:
    """Without the right to ask for the configuration, durability is not promised."""
    with Redis(password=True) as server:
        server.cli("acl", "setuser", "limited", "on", ">pw", *RIGHTS, *rights)
        driver = opened(f"redis://limited:pw@127.0.0.1:{server.port}/0")
        assert (Capability.DURABLE in driver.capabilities) == bool(rights)
        driver.queues.create(QUEUE, {})
        posted = post(driver)
        driver.queues.stats(QUEUE)
        assert [message.id for message in driver.messages.pop(QUEUE, 1)] == [posted]
        driver.collect()
        driver.volume()
        driver.queues.delete(QUEUE)
        driver.close()


def test_a_user_with_too_few_rights_is_told(secured: Redis) -> None:
    secured.cli("acl", "setuser", "reader", "on", ">pw", "~mqcore:*", "+@read", "+@connection")
    with pytest.raises(Misconfigured, match="ACL SETUSER"):
        opened(f"redis://reader:pw@127.0.0.1:{secured.port}/0")


def test_a_stalled_server_is_unavailable_and_recovers(server: Redis) -> None:
    driver = opened(with_options(server.fresh_database(), timeout=0.3, connect_timeout=0.3))
    driver.queues.create(QUEUE, {})
    new = NewMessage(new_id(), b"x", 3600)
    server.pause()
    try:
        with pytest.raises(Unavailable, match="did not answer in time"):
            driver.messages.post(QUEUE, [new])
    finally:
        server.resume()
    driver.messages.post(QUEUE, [new])
    assert [message.id for message in driver.messages.list(QUEUE).items] == [new.id]
    driver.close()


def test_acknowledged_messages_survive_sigkill() -> None:
    with Redis() as server:
        driver = opened(server.uri)
        driver.queues.create(QUEUE, {})
        posted = [post(driver) for _ in range(200)]
        request = ClaimRequest(new_id(), 5, 3600, 0)
        driver.claims.claim(QUEUE, [request])
        server.kill()
        with pytest.raises(Unavailable):
            driver.ping()
        server.start()
        found = driver.messages.list(QUEUE, limit=1000, include_claimed=True).items
        assert [message.id for message in found] == posted
        held = driver.claims.get(QUEUE, request.id).messages
        assert [message.id for message in held] == posted[:5]
        driver.close()


def test_a_socket_and_tls_work() -> None:
    settings = ("unixsocket redis.sock", "unixsocketperm 777")
    with Redis(append_only=False, settings=settings) as server:
        for scheme in ("unix", "redis+unix"):
            driver = opened(f"{scheme}://{server.folder}/redis.sock?db=1")
            driver.queues.create(QUEUE, {})
            post(driver)
            driver.close()
    with Redis(append_only=False, tls=True) as server:
        driver = opened(server.uri)
        driver.queues.create(QUEUE, {})
        post(driver)
        driver.close()
        with pytest.raises(Unavailable, match="CERTIFICATE"):
            opened(server.uri.partition("?")[0])


def test_replicas_that_do_not_acknowledge_are_told() -> None:
    with Redis(append_only=False) as server:
        driver = opened(with_options(server.uri, wait_replicas=1, wait_timeout=0.05))
        with pytest.raises(Unavailable, match="0 of 1 replicas"):
            driver.queues.create(QUEUE, {})
        driver.close()
