"""The proxy of the kit, between a client and a server that answers each line in capitals."""

import shutil
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mqcore.conformance.proxy import Proxy


class Shout(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        with suppress(ConnectionError):  # resetting connections is what the proxy is for
            self.shout(server)

    def shout(self, server: "Server") -> None:
        for line in self.rfile:
            server.lines.append(line)
            self.wfile.write(line.upper())


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Shout)
        self.lines: list[bytes] = []


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", server.server_address[1]) as proxy:
        yield proxy


class Client:
    def __init__(self, port: int, timeout: float = 10) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.file = self.socket.makefile("rb")

    def ask(self, line: bytes) -> bytes:
        """The reply; raises ConnectionError when the connection ends before it is complete."""
        self.socket.sendall(line)
        reply = self.file.readline()
        if not reply.endswith(b"\n"):
            raise ConnectionResetError(reply)
        return reply

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[Client]:
    client = Client(proxy.port)
    yield client
    client.close()


def test_everything_passes(proxy: Proxy, client: Client) -> None:
    large = b"a" * 1_000_000 + b"\n"
    assert client.ask(b"one\n") == b"ONE\n"
    assert client.ask(large) == large.upper()
    other = Client(proxy.port)
    assert other.ask(b"two\n") == b"TWO\n"
    other.close()
    assert client.ask(b"three\n") == b"THREE\n"


def test_the_end_of_a_connection_passes(server: Server, proxy: Proxy) -> None:
    client = Client(proxy.port)
    client.socket.sendall(b"last\n")
    client.socket.shutdown(socket.SHUT_WR)
    assert client.file.read() == b"LAST\n"
    client.close()


def test_a_cut_resets_open_and_new_connections(proxy: Proxy, client: Client) -> None:
    assert client.ask(b"one\n") == b"ONE\n"
    proxy.cut()
    with pytest.raises(ConnectionError):
        client.ask(b"two\n")
    with pytest.raises(ConnectionError):
        Client(proxy.port).ask(b"three\n")
    proxy.restore()
    assert Client(proxy.port).ask(b"four\n") == b"FOUR\n"


def test_a_black_hole_swallows_and_breaks_what_it_swallowed_from(
    server: Server, proxy: Proxy, client: Client
) -> None:
    idle = Client(proxy.port)
    assert idle.ask(b"one\n") == b"ONE\n"
    proxy.blackhole()
    client.socket.settimeout(0.05)
    with pytest.raises(TimeoutError):
        client.ask(b"two\n")
    late = Client(proxy.port, timeout=0.05)
    with pytest.raises(TimeoutError):
        late.ask(b"three\n")
    proxy.restore()
    assert idle.ask(b"four\n") == b"FOUR\n"
    assert Client(proxy.port).ask(b"five\n") == b"FIVE\n"
    client.socket.settimeout(10)
    with pytest.raises(ConnectionResetError):
        client.socket.recv(1)
    assert server.lines == [b"one\n", b"four\n", b"five\n"]


def test_a_delay_holds_replies_back(proxy: Proxy, client: Client) -> None:
    proxy.delay(0.1)
    began = time.monotonic()
    assert client.ask(b"one\n") == b"ONE\n"
    assert time.monotonic() - began >= 0.1
    proxy.restore()
    assert client.ask(b"two\n") == b"TWO\n"


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_reply_is_cut_after_some_bytes_once(proxy: Proxy, client: Client, after: int) -> None:
    proxy.cut_reply(after)
    assert proxy.pending
    with pytest.raises(ConnectionResetError) as caught:
        client.ask(b"four\n")
    assert caught.value.args[0] in (b"FOUR"[:after], 104)
    assert not proxy.pending
    assert Client(proxy.port).ask(b"five\n") == b"FIVE\n"


def test_bytes_are_counted_over_replies(proxy: Proxy, client: Client) -> None:
    proxy.cut_reply(6)
    assert client.ask(b"one\n") == b"ONE\n"
    with pytest.raises(ConnectionResetError):
        client.ask(b"two\n")


@pytest.mark.parametrize("skip", [0, 1, 2])
def test_a_reply_is_lost_after_the_server_acted(
    server: Server, proxy: Proxy, client: Client, skip: int
) -> None:
    client.ask(b"before\n")
    proxy.lose_reply(skip)
    for _ in range(skip):
        assert client.ask(b"well\n") == b"WELL\n"
        assert proxy.pending
    with pytest.raises(ConnectionResetError):
        client.ask(b"lost\n")
    assert server.lines[-1] == b"lost\n"
    assert not proxy.pending
    assert Client(proxy.port).ask(b"again\n") == b"AGAIN\n"


def test_a_large_request_is_one(server: Server, proxy: Proxy, client: Client) -> None:
    proxy.lose_reply(1)
    large = b"a" * 3_000_000 + b"\n"
    assert client.ask(large) == large.upper()
    with pytest.raises(ConnectionResetError):
        client.ask(b"lost\n")


def test_what_waits_for_its_moment_is_forgotten_when_restored(proxy: Proxy, client: Client) -> None:
    proxy.lose_reply()
    proxy.cut_reply(1)
    proxy.restore()
    assert not proxy.pending
    assert client.ask(b"one\n") == b"ONE\n"


def test_a_server_that_is_not_there_looks_like_one_that_died(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with Proxy("127.0.0.1", port) as proxy, pytest.raises(ConnectionError):
        Client(proxy.port).ask(b"one\n")


def test_closing_ends_everything(proxy: Proxy, client: Client) -> None:
    client.ask(b"one\n")
    proxy.close()
    proxy.close()
    with pytest.raises(ConnectionError):
        client.ask(b"two\n")
    with pytest.raises(ConnectionError):
        Client(proxy.port)


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
def test_a_lost_reply_of_redis_has_taken_effect(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    store = subprocess.Popen(
        ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
    )
    try:
        assert store.stdout is not None
        for line in store.stdout:
            if b"ready to accept connections" in line.lower():
                break
        with Proxy("127.0.0.1", port) as proxy:
            client = Client(proxy.port)
            assert client.ask(b"INCR a\r\n") == b":1\r\n"
            proxy.lose_reply()
            with pytest.raises(ConnectionResetError):
                client.ask(b"INCR a\r\n")
            assert Client(proxy.port).ask(b"INCR a\r\n") == b":3\r\n"
    finally:
        store.terminate()
        store.wait()
