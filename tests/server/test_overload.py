"""More than the store can take, and clients that take without giving: others are still served."""

import http.client
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Self

import httpx
import psutil

from .conftest import HEADERS, StartServer, posting, request, stalled, until

OTHER = {**HEADERS, "X-Project-ID": "other"}


def test_a_stalled_store_refuses_more_than_may_wait_and_loses_nothing(
    start: StartServer, tmp_path: Path
) -> None:
    limits = {"MAX_WAITING": "30", "MAX_WAITING_PER_PROJECT": "20"}
    server = start(env={f"MQCORE_DRIVERS_TRANSPORT_WSGI_{k}": v for k, v in limits.items()})
    server.post("warm", queue="other")
    clients = 60
    statuses: Counter[int] = Counter()

    def post(n: int) -> None:
        answer = httpx.post(
            f"http://127.0.0.1:{server.port}/v2/queues/q{n % 20}/messages",
            headers=HEADERS,
            content=posting(n),
            timeout=30,
        )
        statuses[answer.status_code] += 1
        if answer.status_code == 503:
            assert answer.headers["Retry-After"]
            assert "of this project" in answer.json()["description"]

    with ThreadPoolExecutor(clients) as pool:
        with stalled(tmp_path / "q.db"):
            jobs = [pool.submit(post, n) for n in range(clients)]
            until(lambda: statuses[503] == clients - 20, 4)
            # Another project has room and a thread, and reading needs no lock.
            listed = server.http.get("/queues/other/messages", headers=OTHER)
            assert listed.status_code == 200
            assert not statuses[201]
        for job in jobs:
            job.result(30)
    assert statuses == {201: 20, 503: clients - 20}
    totals = [server.http.get(f"/queues/q{n}/stats") for n in range(20)]
    stored = [one.json()["messages"]["total"] for one in totals if one.status_code == 200]
    assert sum(stored) == 20
    server.post("recovered")


class Posters:
    """Clients that post again as soon as they have an answer, until they are told to stop."""

    def __init__(self, port: int, clients: int, body: str) -> None:
        self.statuses: Counter[int] = Counter()
        self._port, self._content = port, posting(body)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._post) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _post(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        with closing(connection):
            while not self._stop.is_set():
                connection.request("POST", "/v2/queues/q/messages", self._content, HEADERS)
                answer = connection.getresponse()
                answer.read()
                self.statuses[answer.status] += 1


def test_ten_times_the_load_costs_no_memory_and_is_over_at_once(
    start: StartServer, tmp_path: Path
) -> None:
    """The store takes a few posts each time that another program lets go of its lock."""
    limits = {"MAX_WAITING": "8", "MAX_WAITING_PER_PROJECT": "8"}
    server = start(env={f"MQCORE_DRIVERS_TRANSPORT_WSGI_{k}": v for k, v in limits.items()})
    memory = psutil.Process(server.process.pid).memory_info
    with Posters(server.port, 24, "x" * 50_000) as posters:

        def offer(refused: int) -> int:
            """Go on until so many more were refused; how much memory the server has then."""
            enough = posters.statuses[503] + refused
            while posters.statuses[503] < enough:
                with stalled(tmp_path / "q.db"):
                    until(lambda at=posters.statuses[503]: posters.statuses[503] > at + 160)  # type: ignore[misc]
                until(lambda at=posters.statuses[201]: posters.statuses[201] > at)  # type: ignore[misc]
            return int(memory().rss)

        warm = offer(1000)
        assert offer(4000) < warm + 20_000_000
        refused, stored = posters.statuses[503], posters.statuses[201]
        assert refused > 9 * stored
    assert set(posters.statuses) == {201, 503}
    server.http.timeout = httpx.Timeout(2)
    server.post("recovered")
    total = server.http.get("/queues/q/stats").json()["messages"]["total"]
    assert total == posters.statuses[201] + 1


def test_a_stall_far_longer_than_the_timeout_is_survived(
    start: StartServer, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path}/q.db?busy_timeout=0.1"
    server = start("--uri", uri)
    server.post("before")
    with stalled(tmp_path / "q.db"), Posters(server.port, 8, "x") as posters:
        for round_ in range(10):
            until(lambda at=8 * round_: posters.statuses[503] > at)  # type: ignore[misc]
            assert server.http.get("/queues/q/messages", headers=OTHER).status_code == 200
    assert set(posters.statuses) == {503}
    server.post("after")
    assert [message["body"] for message in server.claim()] == ["before", "after"]
    assert "Traceback" not in server.log()


def test_slow_heads_and_bodies_do_not_hinder_others(start: StartServer) -> None:
    server = start("--uri", "memory://")
    post = request("POST /v2/queues/q/messages", posting("slow"))
    with ExitStack() as stack:
        for n in range(200):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            slow.sendall(post[: len(post) - 5] if n % 2 else post[:50])
        ids = server.post(1, 2, 3)
        assert len(server.claim()) == len(ids)


def test_connections_that_come_and_go_leave_nothing_behind(start: StartServer) -> None:
    server = start("--uri", "memory://")
    server.post("before")
    process = psutil.Process(server.process.pid)
    before = process.num_fds()
    halves = [b"", b"GET /v2/pi", request("POST /v2/queues/q/messages", posting("x"))[:-3]]
    for n in range(600):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(halves[n % 3])
    until(lambda: process.num_fds() <= before)
    assert [message["body"] for message in server.claim()] == ["before"]
    assert "Traceback" not in server.log()


def test_who_closes_its_half_of_the_connection_has_left(start: StartServer) -> None:
    """Its claim may be made, and is released then."""
    server = start()
    server.post("one")
    for n in range(400):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(request("POST /v2/queues/q/claims", b'{"ttl": 600}'))
            time.sleep(n % 40 * 0.00005)  # about as long as a claim takes
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65536)
        if answer.startswith(b"HTTP/1.1 201"):  # it was quicker; so we release it
            location = answer.partition(b"Location: ")[2] or answer.partition(b"location: ")[2]
            server.http.delete(location.split(b"\r\n")[0].decode().removeprefix("/v2"))
        until(server.claim_and_release, 10)


def test_pipelined_posts_are_stored_in_order(start: StartServer) -> None:
    server = start()
    posts = [request("POST /v2/queues/q/messages", posting(n)) for n in range(50)]
    last = request("GET /v2/ping", b"", b"Connection: close\r\n")
    assert server.raw(b"".join(posts) + last).count(b"HTTP/1.1 201") == 50
    found: list[int] = []
    while claimed := server.claim():
        found += [message["body"] for message in claimed]
    assert found == list(range(50))
