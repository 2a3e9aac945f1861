"""A store behind TCP, for tests of the parts of the suite that need a network.

The server is the reference driver. The driver sends one pickled call at a time on one connection
and, after a lost one, connects again.
"""

import pickle
import socket
import socketserver
import threading
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from mqcore.conformance.calls import CONTROLLERS, methods_of
from mqcore.contract import Capability, Clock, Closed, Driver, MQError, QueueStats, Unavailable
from mqcore.memory import MemoryDriver
from mqcore.memory.store import Store

TIMEOUT = 5.0


class RemoteServer(socketserver.ThreadingTCPServer):
    """Serves a store in this process, whatever the time of the callers is."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store = Store()
        self.port: int = self.server_address[1]
        thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        thread.start()


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        with suppress(OSError, EOFError, pickle.UnpicklingError):  # the caller is gone
            while True:
                self.answer(*pickle.load(self.rfile))

    def answer(self, now: float, path: str, arguments: Any, options: Any) -> None:
        assert isinstance(self.server, RemoteServer)
        target: Any = MemoryDriver(self.server.store, lambda: now)
        try:
            for name in path.split("."):
                target = getattr(target, name)
            reply = (True, target(*arguments, **options))
        except (MQError, ValueError) as error:
            reply = (False, error)
        self.wfile.write(pickle.dumps(reply))


def _controller(driver: "RemoteDriver", name: str) -> Any:
    """A controller whose methods are all calls to the server."""

    def method(path: str) -> Any:
        return lambda _, *arguments, **options: driver.call(path, arguments, options)

    methods = {each: method(f"{name}.{each}") for each in methods_of(CONTROLLERS[name])}
    return type(name, (CONTROLLERS[name],), methods)()


class RemoteDriver(Driver):
    capabilities = (
        Capability.FIFO | Capability.DELAY | Capability.EXACT_STATS | Capability.ATOMIC_BATCH
    )

    def __init__(self, port: int, clock: Clock) -> None:
        self._port, self._clock = port, clock
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._closed = False
        for name in CONTROLLERS:
            setattr(self, name, _controller(self, name))

    def call(self, path: str, arguments: Any = (), options: Any = None) -> Any:
        with self._lock:
            if self._closed:
                raise Closed("this driver is closed; open another one")
            try:
                well, result = self._exchange((self._clock(), path, arguments, options or {}))
            except (OSError, EOFError, pickle.UnpicklingError) as error:
                self._disconnect()
                raise Unavailable("the store cannot be reached") from error
        if not well:
            raise result
        return result

    def _exchange(self, request: Any) -> Any:
        if self._connection is None:
            self._connection = socket.create_connection(("127.0.0.1", self._port), TIMEOUT)
        self._connection.sendall(pickle.dumps(request))
        with self._connection.makefile("rb") as reply:
            return pickle.load(reply)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def ping(self) -> None:
        self.call("ping")

    def volume(self) -> QueueStats:
        found: QueueStats = self.call("volume")
        return found

    def collect(self, limit: int = 1000) -> int:
        removed: int = self.call("collect", (limit,))
        return removed

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._disconnect()


def open_driver(uri: str, *, clock: Clock, kind: type[RemoteDriver] = RemoteDriver) -> RemoteDriver:
    """Open `remote://127.0.0.1:port`."""
    driver = kind(urlsplit(uri).port or 0, clock)
    driver.ping()
    return driver
