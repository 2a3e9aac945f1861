"""Bodies that are slow, cut off, too long or encoded, and what becomes of the connection."""

import gzip
import socket
from collections.abc import Iterator

import pytest

from mqcore.transport.settings import AppSettings

from .live import CLIENT_ID, Api, Live, refused, serve

MESSAGES = "/v2/queues/q/messages"
GOOD = b'{"messages": [{"body": 1}]}'


def head(api: Api, *headers: str, method: str = "POST", path: str = MESSAGES) -> bytes:
    """The head of a request as bytes."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: x",
        f"Client-ID: {CLIENT_ID}",
        f"X-Project-ID: {api.project}",
        *headers,
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def answer(connection: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
    return data


def one_answer(connection: socket.socket) -> bytes:
    """One response without a body, or with one that says its length."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(1)
        assert chunk, data
        data += chunk
    for line in data.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            for _ in range(int(value)):
                data += connection.recv(1)
    return data


class TestTooLong:
    def test_a_declared_length_is_refused_at_once(self, api: Api) -> None:
        with api.live.connect() as connection:
            connection.sendall(head(api, "Content-Length: 99999999999"))
            text = one_answer(connection)
        assert text.startswith(b"HTTP/1.1 400 ")
        assert b"connection: close" in text
        assert b"262144" in text

    def test_a_client_that_sends_it_all_reads_the_answer(self, api: Api) -> None:
        body = b"x" * 5_000_000
        refused(api.send(MESSAGES, content=body), 400, "Invalid request", "262144")
        assert api.send(MESSAGES, content=GOOD).status_code == 201

    def test_the_connection_stays_until_all_was_sent(self, api: Api) -> None:
        body = b"x" * 5_000_000
        with api.live.connect() as connection:
            connection.sendall(head(api, f"Content-Length: {len(body)}") + body)
            assert one_answer(connection).startswith(b"HTTP/1.1 400 ")
            assert answer(connection) == b""

    def test_chunks_are_counted(self, api: Api) -> None:
        def chunks() -> Iterator[bytes]:
            for _ in range(100):
                yield b" " * 10_000

        refused(api.send(MESSAGES, content=chunks()), 400, "Invalid request", "262144")
        assert api.send(MESSAGES, content=GOOD).status_code == 201

    def test_an_endless_body_is_cut_off(self, api: Api) -> None:
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        with api.live.connect() as connection:
            connection.sendall(head(api, "Transfer-Encoding: chunked"))
            sent = 0
            try:
                while sent < 200_000_000:
                    connection.sendall(chunk)
                    sent += len(chunk)
            except OSError:
                pass
        assert sent < 100_000_000
        assert api.get("/v2/ping").status_code == 204

    def test_chunks_up_to_the_limit_are_fine(self, api: Api) -> None:
        body = GOOD.ljust(262144)
        chunks = (body[start : start + 4096] for start in range(0, len(body), 4096))
        assert api.send(MESSAGES, content=chunks).status_code == 201

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "/v2/queues/q/claims"),
            ("POST", "/v2/queues/q/purge"),
            ("POST", "/v2/queues/q/share"),
            ("POST", "/v2/queues/q/subscriptions"),
            ("PATCH", "/v2/queues/q/claims/c"),
            ("PUT", "/v2/queues/q"),
        ],
    )
    def test_every_body_has_a_limit(self, api: Api, method: str, path: str) -> None:
        def chunks() -> Iterator[bytes]:
            for _ in range(20):
                yield b" " * 10_000

        response = api.http.request(method, path, content=chunks())
        assert response.status_code == 400
        assert "65536" in response.json()["description"]


class TestConnection:
    def test_a_body_that_nobody_wants_is_read_away(self, api: Api) -> None:
        body = b'{"some": "body"}'
        length = f"Content-Length: {len(body)}"
        with api.live.connect() as connection:
            for _ in range(2):
                connection.sendall(head(api, length, method="GET") + body)
                text = one_answer(connection)
                assert text.startswith(b"HTTP/1.1 200 ")
                assert b"connection: close" not in text

    def test_a_refused_request_leaves_the_connection_open(self, api: Api) -> None:
        path = "/v2/queues/b@d/messages"
        with api.live.connect() as connection:
            for _ in range(2):
                connection.sendall(head(api, "Content-Length: 2", path=path) + b"{}")
                assert one_answer(connection).startswith(b"HTTP/1.1 400 ")

    def test_expect_continue(self, api: Api) -> None:
        with api.live.connect() as connection:
            length = f"Content-Length: {len(GOOD)}"
            connection.sendall(head(api, length, "Expect: 100-continue"))
            assert one_answer(connection).startswith(b"HTTP/1.1 100 ")
            connection.sendall(GOOD)
            assert one_answer(connection).startswith(b"HTTP/1.1 201 ")

    def test_expect_continue_is_not_asked_for_what_is_too_long(self, api: Api) -> None:
        with api.live.connect() as connection:
            connection.sendall(head(api, "Content-Length: 9999999", "Expect: 100-continue"))
            assert one_answer(connection).startswith(b"HTTP/1.1 400 ")


class TestCutOff:
    @pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
    def test_half_a_body_stores_nothing(self, api: Api, framing: str) -> None:
        with api.live.connect() as connection:
            sent = GOOD if "Length" in framing else b"1b\r\n" + GOOD + b"\r\n"
            connection.sendall(head(api, framing) + sent)
        assert api.get("/v2/ping").status_code == 204
        assert api.http.head("/v2/queues/q").status_code == 404

    def test_bytes_that_are_no_chunks(self, api: Api) -> None:
        with api.live.connect() as connection:
            connection.sendall(head(api, "Transfer-Encoding: chunked") + b"zz\r\n")
            assert answer(connection).startswith(b"HTTP/1.1 400 ")
        assert api.get("/v2/ping").status_code == 204


@pytest.fixture(scope="module")
def hasty() -> Iterator[Live]:
    with serve(AppSettings(request_timeout=0.2)) as live:
        yield live


class TestSlow:
    @pytest.mark.parametrize("part", [b"", GOOD[:5]])
    @pytest.mark.parametrize("framing", ["Content-Length: 27", "Transfer-Encoding: chunked"])
    def test_a_body_must_come_in_time(self, hasty: Live, framing: str, part: bytes) -> None:
        api = hasty.api()
        sent = part if "Length" in framing or not part else b"5\r\n" + part + b"\r\n"
        with hasty.connect() as connection:
            connection.sendall(head(api, framing) + sent)
            text = answer(connection)
        assert text.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in text
        assert b'{"title":"Request timeout","description":"send the body within 0.2' in text
        assert api.get("/v2/ping").status_code == 204


class TestEncoded:
    @pytest.mark.parametrize("encoding", ["gzip", "br", "x-unknown"])
    def test_content_encodings_are_refused(self, api: Api, encoding: str) -> None:
        response = api.send(
            MESSAGES, content=gzip.compress(GOOD), headers={"Content-Encoding": encoding}
        )
        refused(response, 415, "Unsupported media type", "Content-Encoding")

    def test_one_of_several_is_refused_too(self, api: Api) -> None:
        headers = [("Content-Encoding", "gzip"), ("Content-Encoding", "identity")]
        response = api.send(MESSAGES, content=GOOD, headers=headers)
        refused(response, 415, "Unsupported media type", "Content-Encoding")

    def test_identity_is_none(self, api: Api) -> None:
        response = api.send(MESSAGES, content=GOOD, headers={"Content-Encoding": "identity"})
        assert response.status_code == 201


def test_strange_bytes_in_a_query(api: Api) -> None:
    for raw in (b"\xff\xfe", "é".encode()):
        request = head(api, method="GET", path="/v2/queues?marker=MARKER")
        with api.live.connect() as connection:
            connection.sendall(request.replace(b"MARKER", raw))
            assert answer(connection).startswith(b"HTTP/1.1 400 ")
    assert api.get("/v2/queues?marker=%FF%FE&limit=5").status_code == 200


def test_control_characters_in_a_header(api: Api) -> None:
    with api.live.connect() as connection:
        connection.sendall(head(api, "X-Other: a\x00b\x1b", method="GET"))
        assert answer(connection).startswith(b"HTTP/1.1 400 ")
    assert api.get("/v2/ping").status_code == 204


def test_pipelined_requests(api: Api) -> None:
    with api.live.connect() as connection:
        post = head(api, f"Content-Length: {len(GOOD)}") + GOOD
        connection.sendall(post * 3 + head(api, method="GET", path="/v2/ping"))
        statuses = [one_answer(connection)[9:12] for _ in range(4)]
    assert statuses == [b"201", b"201", b"201", b"204"]
