"""OpenStack Swift in one process: `python swift_server.py FOLDER PORT REPLICAS [CERTIFICATE KEY]`.

Proxy, account, container and object servers are Swift's own. In place of memcached there is a
dict, which is as good as long as there is one proxy. The folder has swift.conf and one
configuration for each server.
"""

import logging
import sys
import time
from typing import Any

HOST = "127.0.0.1"
STORAGE = ("account", "container", "object")


class MemoryCache:
    """What Swift uses of a client of memcached."""

    def __init__(self) -> None:
        self._items: dict[str, tuple[Any, float]] = {}

    def get(self, key: str, raise_on_error: bool = False) -> Any:
        value, end = self._items.get(key, (None, 0.0))
        return value if not end or end > time.time() else None

    def set(self, key: str, value: Any, time: float = 0, **_: Any) -> None:
        self._items[key] = (value, _end(time))

    def incr(self, key: str, delta: int = 1, time: float = 0) -> int:
        value = max(0, int(self.get(key) or 0) + int(delta))
        self._items[key] = (value, _end(time))
        return value

    def decr(self, key: str, delta: int = 1, time: float = 0) -> int:
        return self.incr(key, -int(delta), time)

    def delete(self, key: str, server_key: Any = None) -> None:
        self._items.pop(key, None)

    def set_multi(
        self, mapping: dict[str, Any], server_key: str, time: float = 0, **_: Any
    ) -> None:
        for key, value in mapping.items():
            self.set(key, value, time=time)

    def get_multi(self, keys: list[str], server_key: str) -> list[Any]:
        return [self.get(key) for key in keys]


def _end(seconds: float) -> float:
    return time.time() + seconds if seconds else 0.0


class Work:
    """Around the proxy: counts requests and bytes, and says so at /work."""

    def __init__(self, app: Any) -> None:
        self._app, self._cache = app, MemoryCache()
        self._requests = self._bytes = 0

    def __call__(self, env: dict[str, Any], start_response: Any) -> Any:
        if env["PATH_INFO"] == "/work":
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [f"{self._requests} {self._bytes}".encode()]
        env["swift.cache"] = self._cache
        self._requests += 1
        self._bytes += int(env.get("CONTENT_LENGTH") or 0)
        return self._counted(self._app(env, start_response))

    def _counted(self, parts: Any) -> Any:
        try:
            for part in parts:
                self._bytes += len(part)
                yield part
        finally:
            if hasattr(parts, "close"):
                parts.close()


def to_stderr(*arguments: Any) -> None:
    """Swift's `log_custom_handlers`."""
    *_, fmt, logger, _adapted = arguments
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(fmt))
    logger.addHandler(handler)


def write_rings(folder: str, replicas: int, ports: dict[str, int]) -> None:
    from swift.common.ring import RingBuilder

    for role in STORAGE:
        builder = RingBuilder(part_power=1, replicas=replicas, min_part_hours=0)
        for number in range(replicas):
            device = {"id": number, "region": 1, "zone": number + 1, "weight": 1.0}
            builder.add_dev({**device, "ip": HOST, "port": ports[role], "device": f"d{number}"})
        builder.rebalance(seed=1)
        builder.get_ring().save(f"{folder}/{role}.ring.gz")


def serve(folder: str, port: int, replicas: int, tls: list[str]) -> None:
    import eventlet.hubs
    from swift.common import utils
    from swift.common.wsgi import get_hub

    eventlet.hubs.use_hub(get_hub())
    utils.monkey_patch()
    utils.set_swift_dir(folder)

    import eventlet.wsgi
    from swift.common.constraints import MAX_REQUEST_LINE
    from swift.common.http_protocol import SwiftHttpProtocol
    from swift.common.wsgi import loadapp

    sockets = {role: eventlet.listen((HOST, 0), backlog=512) for role in STORAGE}
    write_rings(folder, replicas, {role: s.getsockname()[1] for role, s in sockets.items()})
    # The one that clients ask comes last: who reaches it finds the others.
    sockets["proxy"] = eventlet.listen((HOST, port), backlog=512)
    if tls:
        certificate, key = tls
        sockets["proxy"] = eventlet.wrap_ssl(
            sockets["proxy"], certfile=certificate, keyfile=key, server_side=True
        )
    for role, sock in sockets.items():
        app = loadapp(f"{folder}/{role}-server.conf", global_conf={"log_name": f"{role}-server"})
        eventlet.spawn(
            eventlet.wsgi.server,
            sock,
            Work(app) if role == "proxy" else app,
            utils.NullLogger(),
            protocol=SwiftHttpProtocol,
            max_size=1024,
            socket_timeout=60,
            url_length_limit=MAX_REQUEST_LINE,
            capitalize_response_headers=False,
        )
    while True:
        eventlet.sleep(3600)


def main(folder: str, port: str, replicas: str, *tls: str) -> None:
    sys.modules["swift_server"] = sys.modules["__main__"]
    serve(folder, int(port), int(replicas), list(tls))


if __name__ == "__main__":
    main(*sys.argv[1:])
