"""How long a connection may wait: for the next request, for the rest of its head, for an answer."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import Server, StartServer, posting, request, stalled

PING = request("GET /v2/ping", b"")
KEEP_ALIVE, REQUEST = 2, 1


@pytest.fixture
def server(start: StartServer) -> Server:
    group = "MQCORE_DRIVERS_TRANSPORT_WSGI_"
    times = {"KEEP_ALIVE": KEEP_ALIVE, "REQUEST_TIMEOUT": REQUEST}
    return start(env={group + name: str(seconds) for name, seconds in times.items()})


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    """A connection that has had an answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        ping(connection)
        yield connection


def ping(connection: socket.socket) -> None:
    connection.sendall(PING)
    assert connection.recv(65536).startswith(b"HTTP/1.1 204 ")


def test_one_that_asks_nothing_is_closed_after_keep_alive(server: Server) -> None:
    with connected(server) as connection:
        start = time.monotonic()
        assert connection.recv(65536) == b""
        assert time.monotonic() - start > 0.9 * KEEP_ALIVE


def test_one_that_asks_again_is_kept(server: Server) -> None:
    with connected(server) as connection:
        end = time.monotonic() + 2 * KEEP_ALIVE
        while time.monotonic() < end:
            time.sleep(0.3)
            ping(connection)


def test_a_later_head_has_no_more_time_than_the_first(server: Server) -> None:
    with connected(server) as connection:
        time.sleep(0.5 * REQUEST)
        start = time.monotonic()
        connection.sendall(PING[:12])
        assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - start > 0.9 * REQUEST


def test_one_that_waits_for_an_answer_is_kept(server: Server, tmp_path: Path) -> None:
    server.post("before")
    with connected(server) as connection:
        with stalled(tmp_path / "q.db"):
            connection.sendall(request("POST /v2/queues/q/messages", posting("late")))
            time.sleep(1.5 * KEEP_ALIVE)
        assert connection.recv(65536).startswith(b"HTTP/1.1 201 ")
        ping(connection)
    assert [message["body"] for message in server.claim()] == ["before", "late"]
