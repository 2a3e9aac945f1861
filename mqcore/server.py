"""The server: a listening socket, a store, and one or more worker processes."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator

import uvicorn
import uvloop

from .config import ServerSettings, Settings
from .contract import Misconfigured, StoreUri
from .housekeeping import Housekeeping
from .loader import open_store
from .logs import configure as configure_logs
from .service import Service
from .transport.app import build_app
from .transport.bridge import Bridge
from .transport.protocol import bounded_protocol
from .transport.settings import AppSettings

__all__ = ["serve"]

log = logging.getLogger(__name__)

BACKLOG = 2048
LOOPBACK = ("127.0.0.1", "::1", "localhost")
ACCEPTED = 16
"""New connections accepted at a time: the loop (libuv) takes one from each socket it listens on,
then serves all connections that it has, and in a storm of connects the last would wait long."""
STOPS = (signal.SIGINT, signal.SIGTERM)
MIN_LIFE = 1.0
"""A worker that ends sooner (seconds) is not replaced at once, lest a broken one spins."""


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; what is in flight then is finished. Returns an exit code.

    Raises Misconfigured and Unavailable when it cannot start.
    """
    configure_logs(settings.log)
    for warning in settings.warnings:
        log.warning("%s", warning)
    if settings.server.bind not in LOOPBACK:
        log.warning(
            "there is no authentication: whoever reaches %s is believed to be any project; "
            "let only trusted clients reach it",
            settings.server.bind,
        )
    with _listen(settings.server) as listener:
        if settings.server.workers == 1:
            uvloop.run(_work(settings, listener, announce=True))
            return 0
        # Opened once by the parent, so that what is wrong with the store is said once.
        store = open_store(settings.storage_uri)
        store.close()
        if store.local:
            raise Misconfigured(
                f"{StoreUri(settings.storage_uri)} lives inside one process: "
                "set [drivers:transport:wsgi] workers to 1, or [storage] uri to another store"
            )
        return _Workers(settings, listener).supervise()


def _listen(server: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in server.bind else socket.AF_INET
    try:
        listener = socket.create_server((server.bind, server.port), family=family, backlog=BACKLOG)
    except OSError as exc:
        raise Misconfigured(
            f"cannot listen on {server.bind} port {server.port}: {exc.strerror or exc}; set "
            "[drivers:transport:wsgi] bind and port (or --bind HOST:PORT) to a free address"
        ) from exc
    # All workers and duplicates share this flag. One that began to wait for a connection which
    # another took would do nothing else.
    listener.setblocking(False)
    return listener


def _announce(settings: Settings, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    where = f"[{host}]" if ":" in host else host
    print(  # noqa: T201 - the one line that a person who starts a server waits for
        f"mqcore listens on http://{where}:{port}, data is in {StoreUri(settings.storage_uri)}",
        flush=True,
    )


class _Server(uvicorn.Server):
    """uvicorn, with a call when it accepts connections and has the signals.

    The call says whether to stop at once.
    """

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], bool]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.should_exit |= self._on_start()


async def _work(settings: Settings, listener: socket.socket, *, announce: bool) -> None:
    """One worker, until it is told to stop."""
    # uvicorn takes the signals while it serves, and repeats the one that stopped it when it is
    # done. Ours are for before and after: we end by returning.
    stops: list[int] = []
    for number in STOPS:
        signal.signal(number, lambda number, _: stops.append(number))
    driver = open_store(settings.storage_uri)
    try:
        with Housekeeping(driver):
            server = settings.server
            bridge = Bridge(
                server.storage_threads if driver.blocking else 0,
                cooperative=driver.cooperative,
                max_waiting=server.max_waiting,
                max_waiting_per_project=server.max_waiting_per_project,
            )
            service = Service(driver, limits=settings.limits)
            app = build_app(
                service,
                bridge,
                AppSettings(
                    admin_mode=server.admin_mode,
                    trust_identity_headers=server.trust_identity_headers,
                    signed_url_key=settings.signed_url_key,
                    request_timeout=server.request_timeout,
                ),
            )
            config = uvicorn.Config(
                app,
                http=bounded_protocol(
                    max_head=server.max_header_size, head_timeout=server.request_timeout
                ),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=server.keep_alive,
                timeout_graceful_shutdown=server.shutdown_timeout,
            )

            def started() -> bool:
                if announce:
                    _announce(settings, listener)
                return bool(stops)

            _relax_collector()
            more = [listener.dup() for _ in range(ACCEPTED - 1)]
            try:
                await _Server(config, started).serve(sockets=[listener, *more])
            finally:
                await bridge.close()
    finally:
        driver.close()


def _relax_collector() -> None:
    """Have Python look for cycles of garbage where they may be: among what is young.

    Requests leave few cycles, and a look at everything stops all threads, the longer the more a
    store in memory holds: with the defaults it took an eighth of the time of a post, and made the
    slowest of a hundred wait four times as long.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 5, 1000)


class _Workers:
    """The parent of several workers: starts them, replaces those that die, stops them."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._settings = settings
        self._listener = listener
        self._started: dict[int, float] = {}
        self._stopping = False

    def supervise(self) -> int:
        for number in STOPS:
            signal.signal(number, self._stop)
        _announce(self._settings, self._listener)
        for _ in range(self._settings.server.workers):
            self._start()
        while self._started:
            pid, status = os.wait()
            lived = time.monotonic() - self._started.pop(pid, 0.0)
            if not self._stopping:
                log.error("worker %d ended by itself (status %d); starting another", pid, status)
                time.sleep(max(0.0, MIN_LIFE - lived))
                self._start()
        return 0

    def _stop(self, *_: object) -> None:
        self._stopping = True
        for pid in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def _start(self) -> None:
        with _stops_held():
            if self._stopping:
                return
            parent = os.getpid()
            pid = os.fork()
            if pid:
                self._started[pid] = time.monotonic()
                return
            for number in STOPS:
                signal.signal(number, signal.SIG_DFL)
        code = 1
        try:
            uvloop.run(self._child(parent))
            code = 0
        except BaseException:
            log.exception("the worker cannot go on")
        finally:
            sys.stdout.flush()
            os._exit(code)

    async def _child(self, parent: int) -> None:
        watch = asyncio.create_task(self._follow(parent))
        await _work(self._settings, self._listener, announce=False)
        watch.cancel()

    @staticmethod
    async def _follow(parent: int) -> None:
        """Stop when the parent is gone: nobody else would stop us."""
        while os.getppid() == parent:
            await asyncio.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def _stops_held() -> Iterator[None]:
    """Have a stop wait, which a worker that is just being made would never hear of."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
