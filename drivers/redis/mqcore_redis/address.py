"""Reading the storage URI."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from mqcore.contract import BadUri, StoreUri

__all__ = ["Address", "read"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where the store is and how to talk to it.

    `options` are those of a connection, in redis-py's words. `nodes` are the hosts to ask, several
    for Sentinel and Cluster; `service` is Sentinel's name for the primary.
    """

    place: str
    kind: str
    nodes: tuple[tuple[str, int], ...]
    service: str
    pool_size: int
    timeout: float
    prefix: str
    allow_eviction: bool
    wait_replicas: int
    wait_timeout: float
    sentinel: dict[str, Any] = field(repr=False)
    options: dict[str, Any] = field(repr=False)


def read(uri: str) -> Address:
    """Take the URI apart. Raises BadUri, which names the part that is wrong."""
    parsed = StoreUri(uri)
    kind = parsed.scheme.removeprefix("redis+")
    timeout = parsed.number("timeout", 5, least=0.05, most=3600)
    tls = kind == "rediss" or (
        kind in ("sentinel", "cluster") and parsed.text("tls", "no", ("no", "yes")) == "yes"
    )
    options: dict[str, Any] = {
        "username": _decoded(parsed.parts.username),
        "password": _decoded(parsed.parts.password),
        "socket_timeout": timeout,
        "socket_connect_timeout": parsed.number("connect_timeout", 5, least=0.05, most=3600),
        **(_tls(parsed) if tls else {}),
    }
    wait_replicas = int(parsed.number("wait_replicas", 0, least=0, most=100))
    address = Address(
        place=str(parsed),
        kind="tcp" if kind in ("redis", "rediss") else kind,
        nodes=_nodes(parsed, kind),
        service=_service(parsed) if kind == "sentinel" else "",
        pool_size=int(parsed.number("pool_size", 64, least=1, most=10_000)),
        timeout=timeout,
        prefix=_prefix(parsed),
        allow_eviction=parsed.text("allow_eviction", "no", ("no", "yes")) == "yes",
        wait_replicas=wait_replicas,
        wait_timeout=_wait_timeout(parsed, timeout) if wait_replicas else 0,
        sentinel=_sentinel(parsed) if kind == "sentinel" else {},
        options=options,
    )
    if kind == "unix":
        options["path"] = _path(parsed)
    if kind != "cluster":
        options["db"] = _database(parsed, kind)
    elif parsed.parts.path not in ("", "/"):
        raise BadUri(f"{parsed}: a cluster has one database only; leave out {parsed.parts.path}")
    if parsed.parts.fragment:
        raise BadUri(f"{parsed}: write a '#' as %23")
    parsed.done()
    return address


def _wait_timeout(uri: StoreUri, timeout: float) -> float:
    wait = uri.number("wait_timeout", min(1, timeout / 2), least=0.001, most=3600)
    if wait >= timeout:
        raise BadUri(f"{uri}: wait_timeout must be less than timeout, which is {timeout:g}")
    return wait


def _decoded(text: str | None) -> str | None:
    return unquote(text) if text else None


def _tls(uri: StoreUri) -> dict[str, Any]:
    files = {
        name: uri.text(name, "") or None for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
    }
    check = uri.text("ssl_check_hostname", "yes", ("yes", "no")) == "yes"
    return {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": check, **files}


def _sentinel(uri: StoreUri) -> dict[str, Any]:
    return {
        "username": uri.text("sentinel_username", "") or None,
        "password": uri.text("sentinel_password", "") or None,
    }


def _nodes(uri: StoreUri, kind: str) -> tuple[tuple[str, int], ...]:
    if kind == "unix":
        return ()
    several = kind in ("sentinel", "cluster")
    hosts = uri.hosts() if several else ((uri.parts.hostname, uri.parts.port),)
    usual = 26379 if kind == "sentinel" else 6379
    return tuple((host or "127.0.0.1", port or usual) for host, port in hosts)


def _service(uri: StoreUri) -> str:
    name = unquote(uri.parts.path.removeprefix("/"))
    if not name or "/" in name:
        raise BadUri(
            f"{uri}: name what Sentinel watches, as in redis+sentinel://host:26379/mymaster"
        )
    return name


def _path(uri: StoreUri) -> str:
    if uri.parts.hostname or not uri.parts.path.startswith("/"):
        raise BadUri(f"{uri}: write the path of the socket as unix:///run/redis/redis.sock")
    return unquote(uri.parts.path)


def _database(uri: StoreUri, kind: str) -> int:
    if kind in ("unix", "sentinel"):
        text = uri.text("db", "0")
    else:
        text = uri.parts.path.removeprefix("/") or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise BadUri(f"{uri}: the database must be a number like 0, not {text!r}")
    return int(text)


def _prefix(uri: StoreUri) -> str:
    prefix = uri.text("prefix", "mqcore")
    if not prefix or not prefix.isprintable() or set(prefix) & set("{}: "):
        raise BadUri(f"{uri}: prefix must be a text without braces, colons and spaces")
    return prefix
