"""Handles of one process on one Cluster share a client, and end it together."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from mqcore_redis.driver import open_driver
from mqcore_redis.shared import SharedClients

from mqcore.contract import Closed

from .backends import RedisCluster


class Client:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        assert not self.closed
        self.closed = True


def test_the_last_one_closes() -> None:
    clients = SharedClients()
    first, second = (clients.take("a", Client) for _ in range(2))
    other = clients.take("b", Client)
    assert first is second is not other
    clients.give_back("a")
    assert not first.closed
    clients.give_back("a")
    assert first.closed
    assert not other.closed
    assert clients.take("a", Client) is not first


def test_two_that_make_one_at_once_keep_one() -> None:
    clients = SharedClients()
    made: list[Client] = []
    met = threading.Barrier(2)

    def make() -> Client:
        met.wait()
        made.append(Client())
        return made[-1]

    taken: list[Any] = []
    work: Callable[[], None] = lambda: taken.append(clients.take("a", make))  # noqa: E731
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken[0] is taken[1]
    assert sorted(client.closed for client in made) == [False, True]
    clients.give_back("a")
    clients.give_back("a")
    assert all(client.closed for client in made)


def test_closing_one_handle_leaves_the_others_alone(redis_cluster: RedisCluster) -> None:
    uri = redis_cluster.fresh_database()
    first, second = (open_driver(uri, clock=time.time) for _ in range(2))
    first.close()
    first.close()
    with pytest.raises(Closed):
        first.ping()
    second.ping()
    third = open_driver(uri, clock=time.time)
    second.close()
    third.ping()
    third.close()
