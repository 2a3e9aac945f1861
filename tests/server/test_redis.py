"""A server on Redis, whose calls share the event loop: the store stalls, dies and comes back."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ..backends import Redis
from .conftest import Server, StartServer, until
from .test_overload import Posters


@pytest.fixture
def store() -> Iterator[Redis]:
    with Redis() as server:
        yield server


@pytest.fixture
def server(start: StartServer, store: Redis) -> Server:
    return start("--uri", f"{store.uri}?timeout=1&connect_timeout=1")


def test_many_at_once_get_each_message_once(server: Server) -> None:
    posted, taken = set[str](), list[str]()

    def post(n: int) -> None:
        posted.update(server.post(*range(n % 7 + 1)))

    def take(_: int) -> None:
        for message in server.claim(limit=5):
            taken.append(message["href"].partition("?")[0].rpartition("/")[2])
            assert server.http.delete(message["href"].removeprefix("/v2")).status_code == 204

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(post, range(200)))
        list(pool.map(take, range(300)))
    assert sorted(taken) == sorted(posted)
    assert "Traceback" not in server.log()


def test_more_than_a_socket_holds_comes_through_whole(server: Server) -> None:
    bodies = [f"{n}" * 60_000 for n in range(100, 140)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(server.post, bodies))
        claims = list(pool.map(lambda _: server.claim(limit=20), range(2)))
    assert sorted(message["body"] for claim in claims for message in claim) == bodies


def test_one_connection_is_enough(start: StartServer, store: Redis) -> None:
    server = start("--uri", f"{store.uri}?timeout=5&pool_size=1")
    queues = [f"q{n}" for n in range(20)]
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda queue: [server.post(n, queue=queue) for n in range(20)], queues))
        found = list(pool.map(lambda queue: server.claim(queue=queue), queues))
    assert [len(one) for one in found] == [20] * 20


def test_lost_connections_are_replaced_while_others_wait_for_one(
    start: StartServer, store: Redis
) -> None:
    server = start("--uri", f"{store.uri}?timeout=5&pool_size=1")
    with Posters(server.port, 16, "x") as posters:
        for _ in range(10):
            until(lambda at=posters.statuses[201]: posters.statuses[201] > at + 50, 3)  # type: ignore[misc]
            store.cli("client", "kill", "type", "normal")
    assert set(posters.statuses) == {201}


def test_a_store_that_stalls_holds_nobody_up_who_does_not_need_it(
    server: Server, store: Redis
) -> None:
    with Posters(server.port, 8, "x") as posters:
        until(lambda: posters.statuses[201] > 100)
        store.pause()
        try:
            for round_ in range(3):
                until(lambda at=posters.statuses[503] + 8 * round_: posters.statuses[503] > at)  # type: ignore[misc]
                assert server.http.get("/").status_code == 200
        finally:
            store.resume()
        until(lambda at=posters.statuses[201]: posters.statuses[201] > at + 100)  # type: ignore[misc]
    assert set(posters.statuses) == {201, 503}
    total = server.http.get("/queues/q/stats").json()["messages"]["total"]
    # A post that was given up may have been stored nonetheless.
    assert total >= posters.statuses[201]
    assert "Traceback" not in server.log()


def test_a_store_that_dies_and_comes_back_is_used_again_and_nothing_is_lost(
    server: Server, store: Redis
) -> None:
    with Posters(server.port, 8, "x") as posters:
        for _ in range(2):
            until(lambda at=posters.statuses[201]: posters.statuses[201] > at + 50)  # type: ignore[misc]
            store.kill()
            until(lambda at=posters.statuses[503]: posters.statuses[503] > at + 20)  # type: ignore[misc]
            store.start()
    server.post("recovered")
    total = server.http.get("/queues/q/stats").json()["messages"]["total"]
    assert total >= posters.statuses[201] + 1
    assert set(posters.statuses) <= {201, 503}
    assert "Traceback" not in server.log()


def test_a_stop_waits_for_the_calls_in_flight(start: StartServer, store: Redis) -> None:
    server = start("--uri", store.uri)
    server.post("before")
    store.pause()
    posting = threading.Thread(target=server.post, args=("during",))
    try:
        posting.start()
        threading.Event().wait(0.2)  # the post is on its way
        server.process.terminate()
    finally:
        store.resume()
    posting.join()
    assert server.stop() == 0
    assert start("--uri", store.uri).http.get("/queues/q/stats").json()["messages"]["total"] == 2
