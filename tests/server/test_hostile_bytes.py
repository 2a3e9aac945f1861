"""Bytes that are no request, or one without an end: refused, and the next request is served."""

import signal
from collections.abc import Iterator

import pytest

from .conftest import HEAD, Server, error_of

POST = b"POST /v2/queues/q/messages HTTP/1.1\r\nHost: x\r\n" + HEAD


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    env = {"MQCORE_DRIVERS_TRANSPORT_WSGI_REQUEST_TIMEOUT": "1"}
    served = Server(folder, "--uri", f"sqlite:///{folder}/q.db", env=env)
    yield served
    served.stop(signal.SIGKILL)


@pytest.fixture
def server(one_server: Server) -> Iterator[Server]:
    yield one_server
    assert one_server.http.get("/ping").status_code == 204
    assert "Traceback" not in one_server.log()


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /v2/ping HTTP/9.9\r\n\r\n",
        b"GET /v2/ping HTTP/1.1\r\nHost: x\r\nClient-ID: a\x01b\r\n\r\n",
        b"GET /v2/ping HTTP/1.1\r\nHost: x\r\nBad Name: a\r\n\r\n",
        b"GET /v2/ping HTTP/1.1\r\nHost: x\r\nX: a\x00\r\n\r\n",
        POST + b"Content-Length: nonsense\r\n\r\n{}",
        POST + b"Content-Length: -1\r\n\r\n{}",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
def test_what_is_no_http_is_a_400_with_a_json_body(server: Server, data: bytes) -> None:
    status, body = error_of(server.raw(data))
    assert status == 400
    assert set(body) == {"title", "description"}


def test_a_head_without_an_end_is_cut_off_by_size(server: Server) -> None:
    status, body = error_of(server.raw(b"GET / HTTP/1.1\r\nX: " + b"a" * 1_000_000))
    assert (status, "65536" in body["description"]) == (431, True)


@pytest.mark.parametrize("data", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_never_ends_is_cut_off_by_time(server: Server, data: bytes) -> None:
    assert error_of(server.raw(data))[0] == 408


def test_a_body_that_never_ends_is_cut_off_by_time(server: Server) -> None:
    status, body = error_of(server.raw(POST + b"Content-Length: 100\r\n\r\n{"))
    assert status == 408
    assert set(body) == {"title", "description"}


def test_an_endless_chunked_body_is_cut_off_by_size(server: Server) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    answer = server.raw(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 100)
    assert error_of(answer)[0] == 400


def test_a_body_that_is_cut_short_stores_nothing(server: Server) -> None:
    server.post("before")
    body = b'{"messages": [{"body": "cut", "ttl": 600}]}'
    request = POST + b"Content-Length: %d\r\n\r\n" % (len(body) + 1) + body
    server.raw(request)
    assert [message["body"] for message in server.claim()] == ["before"]


def test_keep_alive_and_pipelined_requests_are_answered_in_order(server: Server) -> None:
    ping = b"GET /v2/ping HTTP/1.1\r\nHost: x\r\n" + HEAD + b"\r\n"
    last = ping.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answer = server.raw(ping * 2 + last)
    assert answer.count(b"HTTP/1.1 204") == 3
