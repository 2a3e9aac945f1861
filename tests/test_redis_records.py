"""A message is one record in Redis: what never changes of it, of any size."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from mqcore_redis.driver import RedisDriver, open_driver
from mqcore_redis.values import id_in, posted_at, to_id, to_message, to_record

from mqcore.contract import (
    ClaimRequest,
    DeadLetter,
    Handle,
    Message,
    NewMessage,
    QueueRef,
    new_id,
)

from .backends import Redis

QUEUE = QueueRef("project", "queue")
DEAD = QueueRef("project", "dead")
LONG = 70_000
"""More than two bytes can count."""


@pytest.fixture
def driver(redis_server: Redis) -> Iterator[RedisDriver]:
    with closing(open_driver(redis_server.fresh_database(), clock=time.time)) as driver:
        for queue in (QUEUE, DEAD):
            driver.queues.create(queue, {})
        yield driver


@pytest.mark.parametrize("client", [None, "", "c", "ä" * 9, "c" * LONG])
@pytest.mark.parametrize("checksum", [None, "", "MD5:0", "s" * LONG])
@pytest.mark.parametrize("body", [b"", b"{}", b"\x00" * 300])
def test_a_record_gives_back_what_went_in(
    client: str | None, checksum: str | None, body: bytes
) -> None:
    new = NewMessage(new_id(), body, 2**40, 0, client, checksum)
    record = to_record(new, 1.5)
    assert (id_in(record), posted_at(record)) == (to_id(new.id), 1.5)
    found = to_message(record, 0, 2, "claim")
    assert found == Message(new.id, body, 2**40, 1.5, "claim", 2, checksum)
    assert to_message(record, 60, 0, None).ttl == 60


def test_long_texts_come_back_and_hide_and_move(driver: RedisDriver) -> None:
    mine = NewMessage(new_id(), b"mine", 600, 0, "me" * LONG, "sum" * LONG)
    other = NewMessage("any text \N{SNOWMAN}", b"other", 600, 0, "me" * LONG + "!", None)
    late = NewMessage(new_id(), b"late", 600, 0, "you", None)
    driver.messages.post(QUEUE, [mine, other, late])
    found = driver.messages.list(QUEUE).items
    assert [(one.id, one.body, one.checksum) for one in found] == [
        (new.id, new.body, new.checksum) for new in (mine, other, late)
    ]
    hidden = driver.messages.list(QUEUE, hide_client=mine.client).items
    assert [one.id for one in hidden] == [other.id, late.id]
    ids = [new_id(), new_id()]
    driver.claims.claim(QUEUE, [ClaimRequest(ids[0], 3, 900, 60)])
    driver.claims.release(QUEUE, ids[0])
    letter = DeadLetter(DEAD.name, 1, 30)
    assert driver.claims.claim(QUEUE, [ClaimRequest(ids[1], 3, 900, 60, letter)]) == [None]
    moved = driver.messages.list(DEAD).items
    assert [(one.id, one.ttl, one.checksum, one.claim_count) for one in moved] == [
        (new.id, 30, new.checksum, 0) for new in (mine, other, late)
    ]


def test_who_deletes_by_force_deletes_what_is_there(driver: RedisDriver) -> None:
    posted = [NewMessage(new_id(), b"x", 600) for _ in range(4)]
    driver.messages.post(QUEUE, posted)
    driver.claims.claim(QUEUE, [ClaimRequest(new_id(), 2, 60, 60)])
    ids = [posted[0].id, "missing", posted[0].id, posted[3].id]
    handles = [Handle(each, force=True) for each in ids]
    assert driver.messages.delete(QUEUE, handles) == [None] * 4
    left = driver.messages.list(QUEUE, include_claimed=True).items
    assert [one.id for one in left] == [posted[1].id, posted[2].id]
    stats = driver.queues.stats(QUEUE)
    assert (stats.free, stats.claimed) == (1, 1)
