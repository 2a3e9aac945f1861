"""Making redis-py's client for an address."""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import redis
import redis.sentinel
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry

from .address import Address
from .cooperative import (
    Cooperative,
    CooperativeConnection,
    CooperativeUnixConnection,
    FreeConnections,
)
from .errors import is_astray
from .shared import SharedClients

__all__ = ["Client", "connect", "disconnect", "is_cooperative", "server_of"]

Client = Any
"""A `redis.Redis` or `RedisCluster`; their annotations are too few for us."""

_made: Any = redis
_clusters = SharedClients()


def connect(address: Address) -> Client:
    """A client that repeats nothing by itself: `Store.run` knows what may be repeated."""
    options: dict[str, Any] = {
        **address.options,
        "protocol": 2,
        "max_connections": address.pool_size,
        "retry": Retry(NoBackoff(), 0),
    }
    if address.kind == "cluster":
        return _clusters.take(_key(address), partial(_cluster, address, options))
    if address.kind == "sentinel":
        return _by_sentinel(address, options)
    tls = options.pop("ssl", False)
    if address.kind == "unix":
        kind: Any = CooperativeUnixConnection
    else:
        options["host"], options["port"] = address.nodes[0]
        kind = redis.SSLConnection if tls else CooperativeConnection
    pool = _made.BlockingConnectionPool(
        connection_class=kind,
        queue_class=FreeConnections,
        timeout=address.timeout,
        **options,
    )
    return redis.Redis.from_pool(pool)


def disconnect(client: Client, address: Address) -> None:
    """Close what `connect` made; that of a Cluster when no other handle of this process uses it."""
    if address.kind == "cluster":
        _clusters.give_back(_key(address))
    else:
        client.close()


def is_cooperative(client: Client) -> bool:
    """Whether those who wait for its server give way."""
    if not isinstance(client, redis.Redis):
        return False
    return issubclass(client.connection_pool.connection_class, Cooperative)


@contextmanager
def server_of(client: Client, key: str) -> Iterator[Client]:
    """The one server of the key. A Cluster is asked again when that is lost or says MOVED."""
    if not isinstance(client, RedisCluster):
        yield client
        return
    cluster: Client = client
    try:
        yield cluster.get_redis_connection(cluster.get_node_from_key(key))
    except Exception as error:
        if is_astray(error):
            cluster.nodes_manager.initialize()
        raise


def _key(address: Address) -> Hashable:
    return address.nodes, address.pool_size, str(address.options)


def _cluster(address: Address, options: dict[str, Any]) -> Client:
    made: tuple[Any, Any] = RedisCluster, ClusterNode
    cluster, node = made
    nodes = [node(host, port) for host, port in address.nodes]
    return cluster(startup_nodes=nodes, **options)


def _by_sentinel(address: Address, options: dict[str, Any]) -> Client:
    shared = ("socket_timeout", "socket_connect_timeout", "retry", "protocol")
    asking = {**address.sentinel, **{name: options[name] for name in shared}}
    sentinel = _made.sentinel.Sentinel(address.nodes, sentinel_kwargs=asking)
    pool = _made.sentinel.SentinelConnectionPool(address.service, sentinel, **options)
    return redis.Redis.from_pool(pool)
