"""PostgreSQL, by way of psycopg 3."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
from psycopg import errors
from psycopg.abc import RV, PQGen
from psycopg.types.numeric import Int8Dumper
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from mqcore.contract import (
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

from .arrays import ArrayDumper
from .client import CROWDED, FULL, MARGIN, READ_ONLY, SLOW, Client, Send, first_line
from .driver import SqlDriver
from .opening import open_on, upgrade_on, version_on
from .pipelined import PipelinedDatabase
from .statements import Database

__all__ = ["PostgresqlClient", "open_driver", "upgrade", "version"]

TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey")
SETTINGS = (
    # Plans that hold for long queues, whatever the sizes are at the moment.
    "-c enable_seqscan=off -c enable_bitmapscan=off -c enable_sort=off"
    " -c plan_cache_mode=force_generic_plan"
)
CHANNEL = "mqcore"
"""Where the servers on a database tell each other of messages. Known to it alone."""
KEYS = 400
"""How many keys of queues fit into one notification, which holds 8,000 bytes."""
NOTIFY = "SELECT pg_notify(%s, part) FROM unnest(%s::text[]) AS part"
ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
"""What finds out that the other end of a silent connection is gone."""
LOCK = 0x6D71636F7265
"""Of several processes that open an empty database at once, one makes the tables."""


class _Connection(psycopg.Connection[Any]):
    """Gives up on a server that says nothing at all."""

    patience: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        return super().wait(gen, interval, self.patience if timeout is None else timeout)


class PostgresqlClient(Client):
    dialect = PGDialect_psycopg(paramstyle="format")  # type: ignore[no-untyped-call]
    read = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    write = "BEGIN ISOLATION LEVEL READ COMMITTED"
    undoes_ddl = True

    def __init__(self, uri: StoreUri) -> None:
        super().__init__(uri)
        self.options: dict[str, Any] = {
            "host": uri.text("host", "") or self.host or None,
            "port": self.port,
            "user": self.user or None,
            "password": self.password or None,
            "dbname": self.database,
            "connect_timeout": self.connect_timeout,
            "application_name": "mqcore",
            "options": f"{SETTINGS} -c statement_timeout={int(self.timeout * 1000)}",
            **{name: uri.text(name, "") or None for name in TLS},
        }
        uri.done()

    def connect(self, **more: int) -> _Connection:
        options = self.options | more
        connection = _Connection.connect(**options, autocommit=True, prepare_threshold=0)
        connection.patience = self.timeout + MARGIN
        connection.prepared_max = 1000
        # All whole numbers alike, or a statement would be prepared for each mix of their sizes.
        connection.adapters.register_dumper(int, Int8Dumper)
        connection.adapters.register_dumper(list, ArrayDumper)
        return connection

    def be_patient(self, connection: _Connection, seconds: float | None) -> None:
        connection.patience = None if seconds is None else seconds + MARGIN
        connection.execute(f"SET statement_timeout = {int((seconds or 0) * 1000)}")

    def cursor(self, connection: Any) -> Any:
        return connection.cursor(binary=True)

    def database_on(self, connection: Any) -> Database:
        if psycopg.Pipeline.is_supported():
            return PipelinedDatabase(self.dialect, connection)
        return super().database_on(connection)

    def is_durable(self, connection: _Connection) -> bool:
        cursor = connection.execute(
            "SELECT current_setting('fsync'), current_setting('synchronous_commit')"
        )
        return "off" not in (cursor.fetchone() or ())

    def engine_name(self, connection: _Connection) -> str:
        return "postgresql+psycopg"

    def lock_tables(self, bound: Connection) -> None:
        bound.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})

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
            return Invalid(f"the database {self.place} cannot hold this value: {first_line(error)}")
        if isinstance(error, errors._WaitTimeout):
            return Unavailable(f"the database {self.place} gave no answer within statement_timeout")
        if advice := ADVICE.get(_state(error) or ""):
            return Unavailable(f"the database {self.place} {advice}")
        if isinstance(error, psycopg.Error):
            return Unavailable(f"the database {self.place} cannot be used: {first_line(error)}")
        raise error

    def waking(self, send: Send) -> SharedWaking:
        return SharedWaking(partial(_notify, send), self._listen)

    @contextmanager
    def _listen(self) -> Iterator[Receive]:
        try:
            with self.connect(**ALIVE) as connection:
                connection.execute(f"LISTEN {CHANNEL}")
                yield partial(_receive, connection)
        except Exception as error:
            raise self.translate(error) from error

    def opening(self, error: Exception) -> MQError:
        advice = WRONG.get(_state(error) or "")
        if advice:
            return Misconfigured(f"the database {self.place} {advice}")
        return self.translate(error)


TOO_MANY = "53300"

ADVICE = {
    "57014": SLOW,
    "53100": FULL,
    "25006": READ_ONLY,
    "42501": "refuses this user; grant it all rights on mqcore's tables",
    TOO_MANY: CROWDED,
}
"""What to do, by SQLSTATE."""

WRONG = {
    "28P01": "refuses the password; correct it in [storage] uri",
    "28000": "refuses this user or this kind of connection; correct the user in [storage] uri,"
    " set sslmode there, or allow it in pg_hba.conf",
    "3D000": "does not exist; create it (createdb), or name another in [storage] uri",
    "42501": "gives this user no right to create tables; grant CREATE on its schema",
}


SAID = (
    ("too many connections", TOO_MANY),
    ("too many clients", TOO_MANY),
    ("connection slots are reserved", TOO_MANY),
    ("password authentication failed", "28P01"),
    ("no password supplied", "28P01"),
    ("no pg_hba.conf entry", "28000"),
    ("role ", "28000"),
    ("does not exist", "3D000"),
    ("server does not support SSL", "28000"),
)
"""Parts of what a server says to a connection that it refuses, and the SQLSTATE of each."""


def _state(error: Exception) -> str | None:
    """The SQLSTATE, also of an error of connecting, for which psycopg has none."""
    state: str | None = getattr(error, "sqlstate", None)
    return state or next((each for part, each in SAID if part in str(error)), None)


def _notify(send: Send, keys: Collection[str]) -> None:
    """Tell all listeners. In the transactions of posts this would make their commits one by one."""
    listed = list(keys)
    parts = [" ".join(listed[at : at + KEYS]) for at in range(0, len(listed), KEYS)]
    send(NOTIFY, [CHANNEL, parts])


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
    return open_on(PostgresqlClient(StoreUri(uri)), clock, PostgresqlDriver)


def upgrade(uri: str) -> str:
    """See `mqcore.contract.Schema`."""
    return upgrade_on(PostgresqlClient(StoreUri(uri)))


def version(uri: str) -> str:
    """See `mqcore.contract.Schema`."""
    return version_on(PostgresqlClient(StoreUri(uri)))
