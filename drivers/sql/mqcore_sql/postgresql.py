"""PostgreSQL, by way of psycopg 3."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import unquote

import psycopg
from psycopg import errors
from psycopg.abc import RV, PQGen
from psycopg.types.numeric import Int8Dumper
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from mqcore.contract import (
    BadUri,
    Capability,
    Clock,
    Invalid,
    Misconfigured,
    MQError,
    Receive,
    SharedWaking,
    StoreUri,
    TooLarge,
    Unavailable,
)

from . import migrate
from .driver import SqlDriver
from .server import Client, ServerStore

__all__ = ["open_driver", "upgrade", "version"]

TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey")
SETTINGS = (
    # Plans that hold for long queues, whatever the sizes are at the moment.
    "-c enable_seqscan=off -c enable_bitmapscan=off -c enable_sort=off"
    " -c plan_cache_mode=force_generic_plan"
)
MARGIN = 1.0
"""Seconds that the server has beyond the timeout to say that a statement timed out."""
CHANNEL = "mqcore"
"""Where the servers on a database tell each other of messages. Known to it alone."""
KEYS = 400
"""How many keys of queues fit into one notification, which holds 8,000 bytes."""
NOTIFY = "SELECT pg_notify(%s, part) FROM unnest(%s::text[]) AS part"
ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
"""What finds out that the other end of a silent connection is gone."""
TO_OPEN = 60
"""Seconds that each step of opening may take, once there is a connection."""


class _Connection(psycopg.Connection[Any]):
    """Gives up on a server that says nothing at all."""

    patience: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        return super().wait(gen, interval, self.patience if timeout is None else timeout)


class _Postgresql(Client):
    dialect = PGDialect_psycopg(paramstyle="format")  # type: ignore[no-untyped-call]
    read = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    write = "BEGIN ISOLATION LEVEL READ COMMITTED"

    def __init__(self, uri: StoreUri) -> None:
        self.place = str(uri)
        self.pool_size = int(uri.number("pool_size", 20, least=1, most=1000))
        self.timeout = uri.number("statement_timeout", 10, least=0.1, most=3600)
        connect_timeout = uri.number("connect_timeout", 5, least=1, most=3600)
        parts = uri.parts
        self.options: dict[str, Any] = {
            "host": uri.text("host", "") or unquote(parts.hostname or "") or None,
            "port": parts.port,
            "user": unquote(parts.username or "") or None,
            "password": unquote(parts.password or "") or None,
            "dbname": unquote(parts.path.removeprefix("/")),
            "connect_timeout": int(connect_timeout),
            "application_name": "mqcore",
            "options": f"{SETTINGS} -c statement_timeout={int(self.timeout * 1000)}",
            **{name: uri.text(name, "") or None for name in TLS},
        }
        uri.done()
        if not self.options["dbname"]:
            raise BadUri(f"{uri}: name the database, as in postgresql://user@host/database")

    def connect(self, **more: int) -> _Connection:
        options = self.options | more
        connection = _Connection.connect(**options, autocommit=True, prepare_threshold=0)
        connection.patience = self.timeout + MARGIN
        connection.prepared_max = 1000
        # All whole numbers alike, or a statement would be prepared for each mix of their sizes.
        connection.adapters.register_dumper(int, Int8Dumper)
        return connection

    def cursor(self, connection: Any) -> Any:
        return connection.cursor(binary=True)

    def is_lost(self, error: Exception) -> bool:
        if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return False
        state = error.sqlstate
        return state is None or (state[:2] in ("08", "57") and state != "57014")

    def is_passing(self, error: Exception) -> bool:
        return isinstance(
            error,
            errors.DeadlockDetected
            | errors.SerializationFailure
            | errors.LockNotAvailable
            | errors.UniqueViolation,
        )

    def translate(self, error: Exception) -> MQError:
        if isinstance(error, errors.ProgramLimitExceeded):
            return TooLarge(f"the database {self.place} cannot hold a value that large")
        if isinstance(error, psycopg.DataError | UnicodeEncodeError | OverflowError):
            return Invalid(f"the database {self.place} cannot hold this value: {_first(error)}")
        for kind, advice in ADVICE:
            if isinstance(error, kind):
                return Unavailable(f"the database {self.place} {advice}")
        if isinstance(error, psycopg.Error):
            return Unavailable(f"the database {self.place} cannot be used: {_first(error)}")
        raise error

    def waking(self, store: ServerStore) -> SharedWaking:
        return SharedWaking(partial(_notify, store), self._listen)

    @contextmanager
    def _listen(self) -> Iterator[Receive]:
        try:
            with self.connect(**ALIVE) as connection:
                connection.execute(f"LISTEN {CHANNEL}")
                yield partial(_receive, connection)
        except Exception as error:
            raise self.translate(error) from error

    def opening(self, error: Exception) -> MQError:
        """What the deployer must change, when it is met while opening."""
        state = getattr(error, "sqlstate", None) or _state(str(error))
        text = WRONG.get(state or "")
        if text:
            return Misconfigured(f"the database {self.place} {text}")
        return self.translate(error)


ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (errors.QueryCanceled, "took longer than statement_timeout; raise it in the storage URI"),
    (errors.DiskFull, "cannot grow; make room on its disk"),
    (
        errors.TooManyConnections,
        "has no connection left; lower pool_size, or raise its max_connections",
    ),
    (errors.ReadOnlySqlTransaction, "is read-only; name the primary server"),
    (errors.InsufficientPrivilege, "refuses this user; grant it all rights on mqcore's tables"),
    (errors._WaitTimeout, "gave no answer within statement_timeout"),
)

WRONG = {
    "28P01": "refuses the password; correct it in [storage] uri",
    "28000": "refuses this user or this kind of connection; correct the user in [storage] uri,"
    " set sslmode there, or allow it in pg_hba.conf",
    "3D000": "does not exist; create it (createdb), or name another in [storage] uri",
    "42501": "gives this user no right to create tables; grant CREATE on its schema",
}


def _state(text: str) -> str | None:
    """The state of an error of connecting, which psycopg does not tell apart."""
    for part, state in (
        ("password authentication failed", "28P01"),
        ("no password supplied", "28P01"),
        ("no pg_hba.conf entry", "28000"),
        ("role ", "28000"),
        ("does not exist", "3D000"),
        ("server does not support SSL", "28000"),
    ):
        if part in text:
            return state
    return None


def _first(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _notify(store: ServerStore, keys: Collection[str]) -> None:
    """Tell all listeners. In the transactions of posts this would make their commits one by one."""
    listed = list(keys)
    parts = [" ".join(listed[at : at + KEYS]) for at in range(0, len(listed), KEYS)]
    store.send(NOTIFY, [CHANNEL, parts])


def _receive(connection: _Connection, seconds: float) -> list[str]:
    heard = connection.notifies(timeout=seconds, stop_after=1)
    return [key for notice in heard for key in notice.payload.split()]


class PostgresqlDriver(SqlDriver):
    """A handle on a database that tells its clients of messages."""

    capabilities = SqlDriver.capabilities | Capability.WAKING


def open_driver(uri: str, *, clock: Clock) -> PostgresqlDriver:
    """Open `postgresql://user:password@host:port/database`, creating the tables when none is there.

    Options: `pool_size`, the most connections of one process (20); `connect_timeout` (5) and
    `statement_timeout` (10) in seconds; `host`, a folder with a socket; `sslmode`, `sslrootcert`,
    `sslcert`, `sslkey` as libpq has them.
    """
    client = _Postgresql(StoreUri(uri))
    with _opening(client) as connection:
        durable = _is_durable(connection)
        migrate.prepare(client, connection)
    return PostgresqlDriver(ServerStore(client, clock), durable=durable)


def upgrade(uri: str) -> str:
    """Upgrade the tables, however long that takes. See `mqcore.contract.Schema`."""
    client = _Postgresql(StoreUri(uri))
    with _opening(client) as connection:
        connection.patience = None
        connection.execute("SET statement_timeout = 0")
        return migrate.upgraded(migrate.prepare(client, connection, upgrade=True))


def version(uri: str) -> str:
    """What the tables are of. See `mqcore.contract.Schema`."""
    client = _Postgresql(StoreUri(uri))
    with _opening(client) as connection:
        return migrate.describe(migrate.read_version(client, connection))


@contextmanager
def _opening(client: _Postgresql) -> Iterator[_Connection]:
    try:
        with client.connect() as connection:
            # Making tables, or waiting until another process has, takes longer than a call may.
            connection.patience = TO_OPEN + MARGIN
            connection.execute(f"SET statement_timeout = {TO_OPEN * 1000}")
            yield connection
    except MQError:
        raise
    except Exception as error:
        raise client.opening(error) from error


def _is_durable(connection: psycopg.Connection[Any]) -> bool:
    """Whether a commit waits for the disk."""
    cursor = connection.execute(
        "SELECT current_setting('fsync'), current_setting('synchronous_commit')"
    )
    return "off" not in (cursor.fetchone() or ())
