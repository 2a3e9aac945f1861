"""Connections whose users give way while the server has not answered."""

import os
import socket
from functools import partial
from queue import Empty, LifoQueue
from typing import Any

import redis

from mqcore.contract import elsewhere, ready

__all__ = [
    "Cooperative",
    "CooperativeConnection",
    "CooperativeSocket",
    "CooperativeUnixConnection",
    "FreeConnections",
]

_redis: Any = redis


class CooperativeSocket:
    """A connected socket with a timeout, and so one that the system never lets block.

    What redis-py sends and receives with gives way; the rest it calls is passed on: `settimeout`,
    `fileno`, `shutdown`, `close`, and a look at what has come, with flags.
    """

    def __init__(self, plain: socket.socket) -> None:
        self._plain = plain

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    def sendall(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._plain.fileno(), left) :]
            except BlockingIOError:
                self._ready(to_write=True)

    def recv_into(self, buffer: bytearray) -> int:
        while True:
            try:
                return os.readv(self._plain.fileno(), [buffer])
            except BlockingIOError:
                self._ready()

    def recv(self, size: int, *flags: int) -> bytes:
        """Of redis-py's own parser, which it takes where hiredis is missing."""
        if flags:
            return self._plain.recv(size, *flags)
        while True:
            try:
                return os.read(self._plain.fileno(), size)
            except BlockingIOError:
                self._ready()

    def _ready(self, *, to_write: bool = False) -> None:
        ready(self._plain.fileno(), to_write=to_write, timeout=self._plain.gettimeout())


class Cooperative:
    """What makes a connection of redis-py one whose users give way."""

    def _connect(self) -> CooperativeSocket:
        """Called by redis-py, which then says who we are by the socket that this returns."""
        connect: Any = super()
        return CooperativeSocket(elsewhere(connect._connect))


class CooperativeConnection(Cooperative, _redis.Connection):  # type: ignore[misc]
    """By TCP, without TLS."""


class CooperativeUnixConnection(Cooperative, _redis.UnixDomainSocketConnection):  # type: ignore[misc]
    """By a socket in the file system."""


class FreeConnections(LifoQueue[Any]):
    """What a pool keeps its free connections in. Who finds none waits on a thread."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        try:
            return super().get(block=False)
        except Empty:
            if not block:
                raise
        return elsewhere(partial(super().get, timeout=timeout))
