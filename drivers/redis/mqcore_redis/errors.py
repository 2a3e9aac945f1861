"""The only place that names the exceptions of redis-py."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions

from mqcore.contract import Misconfigured, MQError, Unavailable

__all__ = ["is_astray", "is_lost", "is_script_missing", "translate", "translated"]

_UNFIT = (
    ("WRONGPASS", "refuses the user or the password; correct them in the storage URI"),
    ("invalid username-password", "refuses the user or the password; correct them in the URI"),
    ("invalid password", "refuses the password; correct it in the storage URI"),
    ("without any password configured", "has no password; take it out of the storage URI"),
    ("NOAUTH", "wants a password; write it into the storage URI, as in redis://:PASSWORD@host"),
    ("Authentication required", "wants a password; write it into the storage URI"),
    ("DB index is out of range", "has no database of that number; choose another in the URI"),
    ("invalid DB index", "has no database of that number; choose another in the URI"),
    ("READONLY", "is a read-only replica; name its primary, or use redis+sentinel://"),
    ("read only replica", "is a read-only replica; name its primary, or use redis+sentinel://"),
    ("NOPERM", "does not let this user run what is needed; allow it with ACL SETUSER"),
    ("no permissions", "does not let this user run what is needed; allow it with ACL SETUSER"),
    ("MOVED", "is a node of a Redis Cluster; use redis+cluster://"),
    ("Cluster mode is not enabled", "is not in cluster mode; use redis://"),
    ("WRONGTYPE", "has other data under keys that are ours; choose another ?prefix= in the URI"),
)
"""What the deployer must change, when it is met while opening."""

_REFUSED = (
    ("OOM", "is out of memory; raise its maxmemory, or let messages be consumed"),
    ("command not allowed when used memory", "is out of memory; raise its maxmemory"),
    ("BUSY", "is busy with a script of somebody else; try again, or run SCRIPT KILL on it"),
    ("Script killed", "had the call killed by an administrator; try again"),
    ("LOADING", "is still loading its data; try again"),
    ("MISCONF", "refuses writes because it cannot save to disk; see its log"),
    ("NOREPLICAS", "refuses writes because it has too few replicas"),
    ("CLUSTERDOWN", "is down as a cluster: some slots have no node; see CLUSTER INFO"),
    ("not covered", "is down as a cluster: some slots have no node; see CLUSTER INFO"),
    ("TRYAGAIN", "is moving these keys to another node; try again"),
    ("AskError", "is moving these keys to another node; try again"),
    ("MASTERDOWN", "has lost its primary; try again after the failover"),
    ("No master found", "has no primary of that name that Sentinel knows to be up"),
    ("max number of clients", "has too many clients; raise its maxclients"),
    ("No connection available", "has all connections of this handle in use; raise ?pool_size="),
    ("Too many connections", "has all connections of this handle in use; raise ?pool_size="),
)


def translate(error: Exception, place: str, *, opening: bool = False) -> MQError:
    """Say it as an error of the contract. Raises `error` itself when it is none of redis-py's."""
    if not isinstance(error, (exceptions.RedisError, exceptions.RedisClusterException, OSError)):
        raise error
    text = f"{type(error).__name__} {error}"
    for sign, advice in _UNFIT:
        if sign in text:
            kind = Misconfigured if opening else Unavailable
            return kind(f"the Redis server {place} {advice}")
    for sign, advice in _REFUSED:
        if sign in text:
            return Unavailable(f"the Redis server {place} {advice}")
    if isinstance(error, exceptions.TimeoutError):
        return Unavailable(
            f"the Redis server {place} did not answer in time; raise ?timeout= if it is only slow"
        )
    if isinstance(error, exceptions.ResponseError):
        return Unavailable(f"the Redis server {place} refused: {error}")
    return Unavailable(f"the Redis server {place} cannot be reached: {error}")


@contextmanager
def translated(place: str, *, opening: bool = False) -> Iterator[None]:
    """Around calls that do I/O: raise what went wrong as an error of the contract."""
    try:
        yield
    except MQError:
        raise
    except Exception as error:
        raise translate(error, place, opening=opening) from error


def is_lost(error: Exception) -> bool:
    """Whether the connection broke, or led to the wrong node, so that another one may do."""
    return type(error) in (exceptions.ConnectionError, exceptions.MovedError)


def is_astray(error: Exception) -> bool:
    """Whether the keys may be on another node by now."""
    return is_lost(error) or type(error) is exceptions.TimeoutError


def is_script_missing(error: Exception) -> bool:
    return isinstance(error, exceptions.NoScriptError)
