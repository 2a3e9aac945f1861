"""What the servers are set to, read when a store is opened."""

from dataclasses import dataclass
from typing import Any

from redis.cluster import RedisCluster
from redis.exceptions import ResponseError

from mqcore.contract import Misconfigured

from .address import Address
from .connect import Client

__all__ = ["inspect", "layout"]

LAYOUT = 4
"""The version of how data is stored."""
PARTITIONS = 64
"""How many parts the projects of a Cluster are in; any other store has one."""

OLDEST = (6, 2)


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one server. None is what this user may not ask for."""

    policy: str | None
    durable: bool


def inspect(client: Client, address: Address) -> bool:
    """Refuse servers that cannot be used; whether each keeps on disk what it acknowledges."""
    found = [_settings(one, address) for one in _servers(client)]
    for settings in found:
        # Our keys have no ttl of Redis's own, so that a volatile policy cannot take them.
        if (settings.policy or "").startswith("allkeys-") and not address.allow_eviction:
            raise Misconfigured(
                f"the Redis server {address.place} may evict messages (maxmemory-policy is"
                f" {settings.policy}); set it to noeviction, or write ?allow_eviction=yes"
            )
    return all(settings.durable for settings in found)


def layout(client: Client, address: Address) -> int:
    """Write down how data is laid out, or read how it is; return the number of partitions."""
    key = f"{address.prefix}:layout"
    partitions = PARTITIONS if address.kind == "cluster" else 1
    client.hsetnx(key, "version", str(LAYOUT))
    client.hsetnx(key, "partitions", str(partitions))
    version, parts = client.hmget(key, ["version", "partitions"])
    if int(version) != LAYOUT:
        raise Misconfigured(
            f"the data in {address.place} under the prefix {address.prefix!r} has the layout"
            f" {int(version)}, and this mqcore knows {LAYOUT};"
            " use the mqcore that wrote it, or another ?prefix="
        )
    return int(parts)


def _servers(client: Client) -> list[Any]:
    if not isinstance(client, RedisCluster):
        return [client]
    cluster: Client = client
    return [node.redis_connection for node in cluster.get_primaries()]


def _settings(server: Any, address: Address) -> Settings:
    info = server.info()
    version = tuple(int(part) for part in str(info["redis_version"]).split(".")[:2])
    if version < OLDEST:
        raise Misconfigured(
            f"the Redis server {address.place} has version {info['redis_version']};"
            " mqcore needs 6.2 or newer"
        )
    if info["cluster_enabled"] and address.kind != "cluster":
        raise Misconfigured(f"{address.place} is a node of a cluster; use redis+cluster://")
    if info["role"] != "master":
        raise Misconfigured(
            f"the Redis server {address.place} is a replica, which takes no writes;"
            " name its primary, or use redis+sentinel://"
        )
    return Settings(info.get("maxmemory_policy"), _durable(server))


def _config(server: Any, *names: str) -> dict[str, str] | None:
    """Managed services and ACLs forbid CONFIG; then None."""
    found: dict[str, str] = {}
    try:
        for name in names:
            found.update(server.config_get(name))
    except ResponseError:
        return None
    return found


def _durable(server: Any) -> bool:
    found = _config(server, "appendonly", "appendfsync", "no-appendfsync-on-rewrite")
    return found is not None and list(found.values()) == ["yes", "always", "no"]
