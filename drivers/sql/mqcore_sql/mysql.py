"""MariaDB and MySQL, by way of PyMySQL."""

import ssl
from math import ceil
from typing import Any

import pymysql
from pymysql import err
from pymysql.constants import CR, ER
from sqlalchemy import Connection, text
from sqlalchemy.dialects.mysql.mysqldb import MySQLCompiler_mysqldb
from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql

from mqcore.contract import (
    BadUri,
    Clock,
    Invalid,
    Misconfigured,
    MQError,
    StoreUri,
    TooLarge,
    Unavailable,
)

from .client import CROWDED, FULL, MARGIN, READ_ONLY, SLOW, Client, first_line
from .driver import SqlDriver
from .opening import open_on, upgrade_on, version_on

__all__ = ["MysqlClient", "open_driver", "upgrade", "version"]

VERIFYING = ("verify_ca", "verify_identity")
MODES = ("preferred", "disabled", "required", *VERIFYING)
SETTINGS = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',"
    " default_storage_engine = 'InnoDB'"
)
TO_LOCK = 50
"""Seconds to wait for another process that makes the tables."""


class _Connection(pymysql.Connection):
    """Tells a statement that is too large before it sends it: the server would just hang up."""

    max_statement: int | None = None

    def _create_ssl_ctx(self, given: ssl.SSLContext | dict[str, Any]) -> ssl.SSLContext:
        # For TLS that is not verified: PyMySQL reads all authorities of the system each time.
        return given if isinstance(given, ssl.SSLContext) else _UNVERIFIED

    def query(self, sql: str | bytes | bytearray, unbuffered: bool = False) -> int:
        data = sql.encode(self.encoding) if isinstance(sql, str) else sql
        if self.max_statement is not None and len(data) >= self.max_statement:
            raise _TooLong
        return super().query(data, unbuffered)

    @property
    def is_mariadb(self) -> bool:
        return "MariaDB" in self.get_server_info()  # type: ignore[no-untyped-call]

    def be_patient(self, seconds: float | None) -> None:
        """How long to wait for an answer from now on; None for as long as it takes."""
        self._read_timeout = self._write_timeout = seconds


_UNVERIFIED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_UNVERIFIED.check_hostname = False
_UNVERIFIED.verify_mode = ssl.CERT_NONE


class _TooLong(err.DataError):
    pass


class _Compiler(MySQLCompiler_mysqldb):
    """Names the index for each table: by itself, the optimizer walks over a small table.

    A change that walks waits for rows that others have locked, and locks rows that it leaves.
    """

    def visit_table(  # type: ignore[override]
        self, table: Any, asfrom: bool = False, fromhints: Any = None, **more: Any
    ) -> str:
        name: str = super().visit_table(table, asfrom=asfrom, **more)  # type: ignore[no-untyped-call]
        index = (fromhints or {}).get(table) or self.execution_options.get("index", "")
        if not index.startswith(f"{table.name}_"):
            index = "PRIMARY"
        return f"{name} FORCE INDEX ({index})" if asfrom else name

    def delete_table_clause(self, delete_stmt: Any, from_table: Any, *_: Any, **__: Any) -> str:
        name = self.preparer.format_table(from_table)
        return f"{name} USING {self.process(from_table, asfrom=True)}"


class _Dialect(MySQLDialect_pymysql):
    statement_compiler = _Compiler
    supports_statement_cache = False


class MysqlClient(Client):
    dialect = _Dialect(paramstyle="format")
    # Statements begin transactions by themselves (autocommit is off), these say of what kind.
    read = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
    write = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE"
    undoes_ddl = False

    def __init__(self, uri: StoreUri) -> None:
        super().__init__(uri)
        self.options: dict[str, Any] = {
            "host": self.host or None,
            "port": self.port or 0,
            "unix_socket": uri.text("unix_socket", "") or None,
            "user": self.user or None,
            "password": self.password.encode(),
            "database": self.database,
            "connect_timeout": self.connect_timeout,
            "read_timeout": self.connect_timeout,
            "write_timeout": self.connect_timeout,
            "charset": "utf8mb4",
            "init_command": SETTINGS,
            "program_name": "mqcore",
            **_tls(uri),
        }
        uri.done()

    def connect(self) -> _Connection:
        connection = _Connection(**self.options)
        self.be_patient(connection, self.timeout)
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@max_allowed_packet")
            (connection.max_statement,) = cursor.fetchone() or ()
        return connection

    def be_patient(self, connection: _Connection, seconds: float | None) -> None:
        connection.be_patient(None if seconds is None else seconds + MARGIN)
        longest = seconds or 0
        limit = (
            f"max_statement_time = {longest}"
            if connection.is_mariadb
            else f"max_execution_time = {int(longest * 1000)}"
        )
        with connection.cursor() as cursor:
            cursor.execute(
                f"SET SESSION {limit}, innodb_lock_wait_timeout = {ceil(longest) or 3600}"
            )

    def cursor(self, connection: Any) -> Any:
        return connection.cursor()

    def is_durable(self, connection: _Connection) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@innodb_flush_log_at_trx_commit")
            return cursor.fetchone() in ((1,), (3,))

    def engine_name(self, connection: _Connection) -> str:
        return f"{'mariadb' if connection.is_mariadb else 'mysql'}+pymysql"

    def lock_tables(self, bound: Connection) -> None:
        lock = text("SELECT GET_LOCK(CONCAT('mqcore.', LEFT(SHA2(DATABASE(), 256), 32)), :seconds)")
        if bound.execute(lock, {"seconds": TO_LOCK}).scalar() != 1:
            raise Unavailable(
                f"the tables of the database {self.place} are being made or upgraded by another"
                " process; start again when it is done"
            )

    def is_lost(self, error: Exception) -> bool:
        return isinstance(error, err.InterfaceError | err.InternalError) or (
            isinstance(error, err.Error) and (2000 <= _code(error) < 3000 or _code(error) in LOST)
        )

    def is_passing(self, error: Exception) -> bool:
        return isinstance(error, err.Error) and _code(error) in PASSING

    def translate(self, error: Exception) -> MQError:
        if isinstance(error, _TooLong):
            return TooLarge(
                f"the database {self.place} takes no value as large as this one; raise its"
                " max_allowed_packet to twice the largest body, or post less"
            )
        if isinstance(error, err.DataError | UnicodeEncodeError | OverflowError):
            return Invalid(f"the database {self.place} cannot hold this value: {_first(error)}")
        if isinstance(error, err.Error):
            advice = ADVICE.get(_code(error), f"cannot be used: {_first(error)}")
            return Unavailable(f"the database {self.place} {advice}")
        raise error

    def opening(self, error: Exception) -> MQError:
        unsafe = isinstance(getattr(error, "original_exception", None), ssl.SSLError)
        advice = NO_TLS if unsafe else WRONG.get(_code(error))
        if advice:
            return Misconfigured(f"the database {self.place} {advice}")
        return self.translate(error)


LOST = {
    *(ER.SERVER_SHUTDOWN, ER.FORCING_CLOSE, ER.NEW_ABORTING_CONNECTION, ER.ABORTING_CONNECTION),
    *(ER.NET_READ_ERROR, ER.NET_READ_INTERRUPTED, ER.NET_ERROR_ON_WRITE, ER.NET_WRITE_INTERRUPTED),
    *(1927, 4031),  # killed by MariaDB; idle for too long, by MySQL
}
PASSING = {ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT, ER.DUP_ENTRY}

_RIGHTS = "refuses this user; grant it all rights on mqcore's database"
ADVICE = {
    1969: SLOW,
    3024: SLOW,
    ER.LOCK_WAIT_TIMEOUT: "waited for another transaction for longer than statement_timeout;"
    " raise it in the storage URI",
    ER.CON_COUNT_ERROR: CROWDED,
    ER.TOO_MANY_USER_CONNECTIONS: CROWDED,
    ER.USER_LIMIT_REACHED: CROWDED,
    ER.DISK_FULL: FULL,
    ER.RECORD_FILE_FULL: FULL,
    ER.OPTION_PREVENTS_STATEMENT: READ_ONLY,
    1836: READ_ONLY,
    ER.TABLEACCESS_DENIED_ERROR: _RIGHTS,
    ER.DBACCESS_DENIED_ERROR: _RIGHTS,
}

NO_TLS = (
    "does not give the TLS that [storage] uri demands; correct ssl_mode, ssl_ca, ssl_cert and"
    " ssl_key there, or the server's certificate"
)
_LOGIN = (
    "refuses this user, the password or a connection without TLS; correct the user, the password"
    " or ssl_mode in [storage] uri"
)
WRONG = {
    ER.ACCESS_DENIED_ERROR: _LOGIN,
    ER.HOST_NOT_PRIVILEGED: _LOGIN,
    1698: _LOGIN,
    3159: "demands TLS; set ssl_mode=verify_identity (and ssl_ca) in [storage] uri",
    CR.CR_SSL_CONNECTION_ERROR: NO_TLS,
    ER.BAD_DB_ERROR: "does not exist; create it (CREATE DATABASE), or name another in"
    " [storage] uri",
    ER.DBACCESS_DENIED_ERROR: "does not exist, or gives this user no rights; create it, or grant"
    " ALL on it",
    ER.TABLEACCESS_DENIED_ERROR: "gives this user no right to create or use tables; grant ALL"
    " on it",
}


def _tls(uri: StoreUri) -> dict[str, Any]:
    """What PyMySQL must be told. Raises BadUri, and Misconfigured for files that are no good."""
    ca, cert, key = (uri.text(name, "") for name in ("ssl_ca", "ssl_cert", "ssl_key"))
    mode = uri.text("ssl_mode", "verify_identity" if ca or cert else "preferred", MODES)
    if ca and mode not in VERIFYING:
        raise BadUri(f"{uri}: ssl_ca needs ssl_mode verify_ca or verify_identity, not {mode}")
    if (cert or key) and mode in ("preferred", "disabled"):
        raise BadUri(f"{uri}: ssl_cert and ssl_key need another ssl_mode than {mode}")
    if mode == "preferred":
        return {}
    if mode == "disabled":
        return {"ssl_disabled": True}
    try:
        context = ssl.create_default_context(cafile=ca or None)
        context.check_hostname = mode == "verify_identity"
        if mode not in VERIFYING:
            context.verify_mode = ssl.CERT_NONE
        if cert:
            context.load_cert_chain(cert, key or None)
    except OSError as error:
        raise Misconfigured(
            f"{uri}: ssl_ca, ssl_cert or ssl_key cannot be used ({error.strerror or error}); name"
            " files in PEM format that this user can read"
        ) from error
    return {"ssl": context}


def _code(error: Exception) -> int:
    first = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0


def _first(error: Exception) -> str:
    said = error.args[1] if isinstance(error, err.Error) and len(error.args) > 1 else error
    return first_line(error, said)


def open_driver(uri: str, *, clock: Clock) -> SqlDriver:
    """Open `mariadb://user:password@host:port/database` (or `mysql://`).

    Creates the tables when none is there. Options: `pool_size`, the most connections of one
    process (20); `connect_timeout` (5) and `statement_timeout` (10) in seconds; `unix_socket`;
    `ssl_mode` (`preferred`, `disabled`, `required`, `verify_ca` or `verify_identity`, which is the
    default with `ssl_ca`), `ssl_ca`, `ssl_cert`, `ssl_key`: files in PEM format.
    """
    return open_on(MysqlClient(StoreUri(uri)), clock, SqlDriver)


def upgrade(uri: str) -> str:
    """See `mqcore.contract.Schema`."""
    return upgrade_on(MysqlClient(StoreUri(uri)))


def version(uri: str) -> str:
    """See `mqcore.contract.Schema`."""
    return version_on(MysqlClient(StoreUri(uri)))
