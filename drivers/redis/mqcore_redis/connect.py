"""Making redis-py's client for an address."""

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from .address import Address

__all__ = ["Client", "connect"]

Client = redis.Redis | RedisCluster


def connect(address: Address) -> Client:
    """A client that repeats nothing by itself: `Store.run` knows what may be repeated."""
    options: dict[str, Any] = {**address.options, "protocol": 2}
    tls = options.pop("tls", False)
    never = Retry(NoBackoff(), 0)
    if address.kind == "cluster":
        nodes = [ClusterNode(host, port) for host, port in address.nodes]
        return RedisCluster(
            startup_nodes=nodes,
            retry=never,
            max_connections=address.pool_size,
            **({"ssl": True} if tls else {}),
            **options,
        )
    options["retry"] = never
    if address.kind == "sentinel":
        return _by_sentinel(address, {**options, **({"ssl": True} if tls else {})})
    if address.kind == "unix":
        kind: Any = redis.UnixDomainSocketConnection
    else:
        options["host"], options["port"] = address.nodes[0]
        kind = redis.SSLConnection if tls else redis.Connection
    pool = redis.BlockingConnectionPool(
        max_connections=address.pool_size,
        timeout=address.timeout,
        connection_class=kind,
        **options,
    )
    return redis.Redis(connection_pool=pool)


def _by_sentinel(address: Address, options: dict[str, Any]) -> Client:
    timeouts = {name: options[name] for name in ("socket_timeout", "socket_connect_timeout")}
    asking = {**address.sentinel, **timeouts, "retry": options["retry"], "protocol": 2}
    sentinel = Sentinel(address.nodes, sentinel_kwargs=asking)
    pool = SentinelConnectionPool(
        address.service, sentinel, max_connections=address.pool_size, **options
    )
    return redis.Redis(connection_pool=pool)
