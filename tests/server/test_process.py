"""Starting, stopping, dying and sharing."""

import contextlib
import os
import signal
import socket
import sqlite3
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

import httpx
import psutil
import pytest

from .conftest import HEADERS, StartServer, refused, until


def test_one_line_says_where_it_listens_and_where_the_data_is(
    start: StartServer, tmp_path: Path
) -> None:
    server = start()
    assert server.line.strip() == (
        f"mqcore listens on http://127.0.0.1:{server.port}, data is in sqlite:///{tmp_path}/q.db"
    )
    assert server.http.get("/ping").status_code == 204


def test_it_stops_on_sigterm_and_on_ctrl_c(start: StartServer) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        server = start()
        server.post(1)
        assert server.stop(number) == 0
        assert "Traceback" not in server.log()


def test_a_stop_finishes_what_is_in_flight(start: StartServer, tmp_path: Path) -> None:
    server = start()
    server.post("first")
    other = sqlite3.connect(tmp_path / "q.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    answers: list[httpx.Response] = []

    def post() -> None:
        body = {"messages": [{"body": "second", "ttl": 600}]}
        url = f"http://127.0.0.1:{server.port}/v2/queues/q/messages"
        answers.append(httpx.post(url, json=body, headers=HEADERS, timeout=30))

    in_flight = threading.Thread(target=post)
    in_flight.start()
    process = psutil.Process(server.process.pid)
    until(lambda: [c for c in process.net_connections() if c.status == "ESTABLISHED"])
    threading.Timer(0.5, lambda: server.process.send_signal(signal.SIGTERM)).start()
    threading.Timer(1.0, lambda: other.execute("COMMIT")).start()
    in_flight.join(30)
    assert server.process.wait(30) == 0
    assert answers[0].status_code == 201
    again = start()
    assert [message["body"] for message in again.claim()] == ["first", "second"]


def test_nothing_acknowledged_is_lost_when_it_is_killed(start: StartServer) -> None:
    server = start()
    acknowledged: list[str] = []

    def post() -> None:
        try:
            while True:
                acknowledged.extend(server.post("x"))
        except httpx.HTTPError:
            return

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(acknowledged) >= 200)
    server.process.kill()
    for thread in threads:
        thread.join()
    again = start()
    found: set[str] = set()
    while messages := again.claim():
        found |= {message["id"] for message in messages}
    assert set(acknowledged) <= found


def test_two_servers_on_one_file_share_the_messages_and_no_claim(start: StartServer) -> None:
    servers = [start(), start()]
    posted = servers[0].post(*range(200))
    got: list[list[str]] = [[], []]

    def drain(n: int) -> None:
        while messages := servers[n].claim(5):
            got[n] += [message["id"] for message in messages]

    threads = [threading.Thread(target=drain, args=(n,)) for n in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got[0] + got[1]) == sorted(posted)


def test_a_worker_that_dies_is_replaced(start: StartServer) -> None:
    server = start("--workers", "2")
    parent = psutil.Process(server.process.pid)
    until(lambda: len(parent.children()) == 2)
    server.post("kept")
    victim = parent.children()[0].pid
    os.kill(victim, signal.SIGKILL)
    until(lambda: len({child.pid for child in parent.children()} - {victim}) == 2)
    assert [message["body"] for message in server.claim()] == ["kept"]
    children = parent.children()
    assert server.stop() == 0
    assert not [child for child in children if child.is_running()]


def test_workers_stop_when_their_parent_is_killed(start: StartServer) -> None:
    server = start("--workers", "2")
    parent = psutil.Process(server.process.pid)
    until(lambda: len(parent.children()) == 2)
    children = parent.children()
    server.process.kill()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


def test_a_client_that_comes_while_workers_start_is_answered(start: StartServer) -> None:
    for _ in range(5):
        server = start("--workers", "2")
        soon = time.monotonic() + 0.5
        while time.monotonic() < soon:
            with contextlib.closing(HTTPConnection("127.0.0.1", server.port, timeout=5)) as client:
                client.request("GET", "/v2/ping", headers=HEADERS)
                assert client.getresponse().status == 204
        assert server.stop() == 0


@pytest.mark.parametrize("workers", ["1", "3"])
def test_a_stop_is_heard_while_workers_start(start: StartServer, workers: str) -> None:
    for hundredths in range(0, 16, 4):
        server = start("--workers", workers)
        time.sleep(hundredths / 100)
        assert server.stop() == 0


def test_memory_takes_one_worker(tmp_path: Path) -> None:
    said = refused(tmp_path, "--uri", "memory://", "--workers", "2", "--bind", "127.0.0.1:0")
    assert "workers to 1" in said


def test_an_address_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(tmp_path, "--uri", "memory://", "--bind", f"127.0.0.1:{port}")
    assert f"port {port}" in said
    assert "--bind" in said


def test_a_store_that_cannot_be_opened_is_explained(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"this is no database" * 1000)
    for uri, part in {
        "nosuch://host": "[storage] uri",
        "just-a-name": "[storage] uri",
        f"sqlite:///{tmp_path}/missing/q.db": "missing",
        f"sqlite:///{tmp_path}/broken.db": "broken.db",
        f"sqlite:///{tmp_path}": str(tmp_path),
        f"sqlite:///{tmp_path}/q.db?nosuch=1": "nosuch",
    }.items():
        assert part in refused(tmp_path, "--uri", uri, "--bind", "127.0.0.1:0")


def test_the_file_is_configured_by_a_config_file(start: StartServer, tmp_path: Path) -> None:
    config = tmp_path / "mqcore.conf"
    config.write_text("[transport]\nmax_message_ttl = 100000\ndefault_message_ttl = 77\n")
    server = start("--config-file", str(config), env={"MQCORE_TRANSPORT_DEFAULT_MESSAGE_TTL": "88"})
    assert server.http.get("/queues/q").json()["_default_message_ttl"] == 88


def test_a_store_that_is_busy_answers_503_and_then_works(
    start: StartServer, tmp_path: Path
) -> None:
    server = start("--uri", f"sqlite:///{tmp_path}/busy.db?busy_timeout=0.2")
    server.post("before")
    other = sqlite3.connect(tmp_path / "busy.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    body = {"messages": [{"body": "during", "ttl": 600}]}
    answer = server.http.post("/queues/q/messages", json=body)
    assert answer.status_code == 503
    assert set(answer.json()) == {"title", "description"}
    other.execute("ROLLBACK")
    server.post("after")
    assert [message["body"] for message in server.claim()] == ["before", "after"]
