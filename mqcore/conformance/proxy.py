"""A TCP proxy that behaves badly on demand, to stand between a driver and its store.

with Proxy("127.0.0.1", 6379) as proxy:
    driver = open_driver(f"redis://127.0.0.1:{proxy.port}", clock=clock)
    proxy.cut()      # as `break_backend`
    proxy.restore()  # as `repair_backend`
"""

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

__all__ = ["Proxy"]

CHUNK = 65_536
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on with no time: closing resets the connection, as a dead peer does."""


class Proxy:
    """Listens on `port` of 127.0.0.1 and passes everything on, until it is told otherwise."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._links: set[_Link] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._clear()
        self._acceptor = threading.Thread(target=self._accept, name="mqcore-proxy", daemon=True)
        self._acceptor.start()

    def _clear(self) -> None:
        self._refusing = False
        self._swallowing = False
        self._delay = 0.0
        self._bytes_left: int | None = None
        self._requests_left: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def restore(self) -> None:
        """Pass everything on again. Connections that lost something meanwhile are reset."""
        with self._lock:
            self._clear()
            for link in self._links:
                if link.torn:
                    link.reset()

    def cut(self) -> None:
        """Reset all connections, and each new one at once, until `restore`."""
        with self._lock:
            self._refusing = True
            for link in self._links:
                link.reset()

    def blackhole(self) -> None:
        """Accept and take in everything, and pass nothing on, until `restore`."""
        with self._lock:
            self._swallowing = True

    def delay(self, seconds: float) -> None:
        """Pass each part of a reply on after this time, until `restore`."""
        with self._lock:
            self._delay = seconds

    def cut_reply(self, after: int) -> None:
        """Reset the connection, once, when so many more bytes of replies have been passed on."""
        with self._lock:
            self._bytes_left = after

    def lose_reply(self, skip: int = 0) -> None:
        """Pass the next request on and reset the connection, once, when the store has replied.

        The store has then acted, and the driver cannot know. With `skip`, so many requests and
        their replies go well before. A request is what is sent between two replies.
        """
        with self._lock:
            self._requests_left = skip

    @property
    def pending(self) -> bool:
        """Whether `cut_reply` or `lose_reply` still waits for its moment."""
        with self._lock:
            waiting = any(link.doomed for link in self._links)
            return waiting or not (self._bytes_left is None and self._requests_left is None)

    def close(self) -> None:
        """Stop listening and reset all connections. Idempotent."""
        self._closed.set()
        with suppress(OSError):  # closed before
            # A thread that waits in accept keeps the port open beyond close.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            link = _Link(client)
            with self._lock:
                self._links.add(link)
                if self._refusing:
                    link.reset()
            threading.Thread(target=self._connect, args=(link,), daemon=True).start()

    def _connect(self, link: "_Link") -> None:
        if self._reach(link):
            replies = threading.Thread(target=self._pass_replies, args=(link,), daemon=True)
            replies.start()
            self._pass_requests(link)
            replies.join()
        with self._lock:
            self._links.discard(link)
            link.close()

    def _reach(self, link: "_Link") -> bool:
        """Connect to the store; False when the link is dead, from either end."""
        try:
            server = socket.create_connection(self._target, timeout=10)
            server.settimeout(None)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self._drop(link)
            return False
        with self._lock:
            link.server.close()
            link.server = server
            return not link.dead

    def _pass_requests(self, link: "_Link") -> None:
        while part := _receive(link.client):
            with self._lock:
                if self._swallowing:
                    link.torn = True
                    continue
                if link.replied and self._requests_left is not None:
                    link.doomed = self._requests_left == 0
                    self._requests_left = None if link.doomed else self._requests_left - 1
                link.replied = False
            if link.dead or not _send(link.server, part):
                break
        link.finish(link.server)

    def _pass_replies(self, link: "_Link") -> None:
        while part := _receive(link.server):
            self._closed.wait(self._delay)
            with self._lock:
                if self._swallowing:
                    link.torn = True
                    continue
                if link.doomed:
                    link.reset()
                    return
                link.replied = True
                last = self._bytes_left is not None and self._bytes_left <= len(part)
                if self._bytes_left is not None:
                    part = part[: self._bytes_left]
                    self._bytes_left = None if last else self._bytes_left - len(part)
            if link.dead or not _send(link.client, part):
                break
            if last:
                self._drop(link)
                return
        link.finish(link.client)

    def _drop(self, link: "_Link") -> None:
        with self._lock:
            link.reset()


class _Link:
    """A connection of the driver, and the one to the store that belongs to it."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.server = socket.socket()
        # A request in several parts must not wait for the kernel to join them.
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.replied = True
        """Whether the last thing that passed was a reply."""
        self.doomed = False
        """Whether it will be reset in place of the next reply."""
        self.dead = False
        self.torn = False
        """Whether something that it should have passed on was swallowed."""

    def reset(self) -> None:
        """Pass nothing on any more; the threads that wait for something are woken up."""
        self.dead = True
        for end in (self.client, self.server):
            with suppress(OSError):  # it may be over already
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.shutdown(socket.SHUT_RD)

    def finish(self, end: socket.socket) -> None:
        """Say to one end that the other one has nothing more to say."""
        if not self.dead:
            with suppress(OSError):  # it may be over already
                end.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Only when no thread works on it: a number of a closed socket may be another's next."""
        self.client.close()
        self.server.close()


def _receive(end: socket.socket) -> bytes:
    """The next bytes; none when the connection is over, however it ended."""
    try:
        return end.recv(CHUNK)
    except OSError:
        return b""


def _send(end: socket.socket, part: bytes) -> bool:
    """Send it all; False when the connection is over."""
    try:
        end.sendall(part)
    except OSError:
        return False
    return True
