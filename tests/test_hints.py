"""Hints by way of a server: very many at once, and a user who may not hear them."""

import threading
import time
from urllib.parse import urlsplit

from mqcore_redis.driver import open_driver as open_redis
from mqcore_sql.postgresql import open_driver as open_postgresql

from mqcore.contract import NewMessage, QueueRef, new_id

from .backends import PostgreSQL, Redis


def test_more_queues_than_fit_into_one_notification_are_hinted_at(postgresql: PostgreSQL) -> None:
    driver = open_postgresql(postgresql.fresh_database(), clock=time.time)
    queues = [QueueRef("p", f"queue-{number}") for number in range(1000)]
    connected, heard = threading.Event(), [threading.Event() for _ in queues]
    driver.watch(QueueRef("p", "nothing"), connected.set)
    assert connected.wait(30)
    for queue, event in zip(queues, heard, strict=True):
        driver.watch(queue, event.set)
    for queue in queues:
        driver._store.waking.tell(queue)
    assert all(event.wait(30) for event in heard)
    driver.close()


def test_a_redis_user_without_rights_to_channels_posts_all_the_same() -> None:
    with Redis(append_only=False) as server:
        server.cli("acl", "setuser", "mute", "on", ">secret", "~*", "+@all", "resetchannels")
        uri = urlsplit(server.uri)._replace(netloc=f"mute:secret@127.0.0.1:{server.port}").geturl()
        driver = open_redis(uri, clock=time.time)
        queue = QueueRef("p", "q")
        driver.queues.create(queue, {})
        stop = driver.watch(queue, lambda: None)
        ids = [new_id() for _ in range(3)]
        for each in ids:
            driver.messages.post(queue, [NewMessage(each, b"{}", 60)])
        assert [message.id for message in driver.messages.list(queue).items] == ids
        stop()
        driver.close()
