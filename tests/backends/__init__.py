"""Real servers for tests: found on this machine, started in a temporary folder, gone at the end.

One module for each kind. A server is private to its process: its own folder, and a free port of
127.0.0.1. `tests/conftest.py` has one of each kind for all tests that do not need one of their own.
"""

from .base import Missing, Server
from .mariadb import MariaDB
from .mongodb import MongoDB, MongoSet
from .postgresql import PostgreSQL
from .redis import Redis
from .redis_sets import RedisCluster, RedisSentinel
from .swift import Swift

__all__ = [
    "MariaDB",
    "Missing",
    "MongoDB",
    "MongoSet",
    "PostgreSQL",
    "Redis",
    "RedisCluster",
    "RedisSentinel",
    "Server",
    "Swift",
]
