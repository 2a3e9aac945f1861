"""A page that leaves out many messages of a client lets others have their turn meanwhile."""

import time
from typing import Any

import redis
from mqcore_redis.driver import open_driver

from mqcore.contract import NewMessage, Page, PageRequest, QueueRef, new_id

from .backends import Redis

QUEUE = QueueRef("project", "queue")
MANY = 3500
"""More than three scripts look at."""


def new(client: str) -> NewMessage:
    return NewMessage(new_id(), b"x", 3600, client=client)


def test_a_page_is_complete_and_made_in_short_scripts(redis_server: Redis) -> None:
    uri = redis_server.fresh_database()
    driver = open_driver(uri, clock=time.time)
    driver.queues.create(QUEUE, {})
    others = [new("you") for _ in range(3)]
    mine = [new("me") for _ in range(MANY)]
    driver.messages.post(QUEUE, [others[0], *mine, others[1], *(new("me") for _ in mine)])
    driver.messages.post(QUEUE, others[2:])
    before = scripts(uri)
    page = driver.messages.list(QUEUE, limit=10, hide_client="me")
    assert [message.id for message in page.items] == [each.id for each in others]
    assert scripts(uri) - before >= 2 * MANY // 1000
    first = driver.messages.list(QUEUE, limit=2, hide_client="me")
    assert [message.id for message in first.items] == [each.id for each in others[:2]]
    rest = driver.messages.list(QUEUE, marker=first.next, hide_client="me")
    assert [message.id for message in rest.items] == [others[2].id]
    end = driver.messages.list(QUEUE, marker=rest.next, hide_client="me")
    assert (end.items, end.next) == ((), None)
    driver.close()


def test_such_a_page_keeps_no_others_waiting(redis_server: Redis) -> None:
    uri = redis_server.fresh_database()
    driver = open_driver(uri, clock=time.time)
    driver.queues.create(QUEUE, {})
    posted = [*(new("me") for _ in range(MANY)), new("you")]
    driver.messages.post(QUEUE, posted)
    driver.messages.list_several(QUEUE, [PageRequest()])  # the server knows the script then
    before = scripts(uri)
    requests = [PageRequest(limit=3), PageRequest(hide_client="me"), PageRequest(limit=2)]
    first, long, last = driver.messages.list_several(QUEUE, requests)
    assert long is None
    assert scripts(uri) - before == len(requests)
    for page, size in ((first, 3), (last, 2)):
        assert isinstance(page, Page)
        assert [message.id for message in page.items] == [each.id for each in posted[:size]]
    driver.close()


def scripts(uri: str) -> int:
    """How many the server has run."""
    client: Any = redis.Redis.from_url(uri)
    return int(client.info("commandstats")["cmdstat_evalsha"]["calls"])
