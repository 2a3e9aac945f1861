"""What differs between servers: the library that talks to one, and its words and errors."""

import abc
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote

from sqlalchemy import Connection, Dialect

from mqcore.contract import BadUri, LocalWaking, MQError, StoreUri, Waking

from .statements import Database

__all__ = ["CROWDED", "FULL", "MARGIN", "READ_ONLY", "SLOW", "Client", "Send", "first_line"]

MARGIN = 1.0
"""Seconds that the server has beyond the timeout to say that a statement timed out."""

SLOW = "took longer than statement_timeout; raise it in the storage URI"
CROWDED = "has no connection left; lower pool_size, or raise its max_connections"
FULL = "cannot grow; make room on its disk"
READ_ONLY = "is read-only; name the primary server"

Send = Callable[[str, Sequence[object]], None]
"""Runs a statement that is a transaction by itself."""


class Client(abc.ABC):
    """How to talk to the server that a URI names, with the options that all kinds have."""

    dialect: Dialect
    """Of the statements that traffic runs."""
    read: str
    """Begins a transaction that sees one moment."""
    write: str
    """Begins a transaction whose every statement sees what is committed."""
    undoes_ddl: bool
    """Whether a transaction that is undone takes changes of tables with it."""

    def __init__(self, uri: StoreUri) -> None:
        self.place = str(uri)
        """The URI without secrets."""
        self.pool_size = int(uri.number("pool_size", 20, least=1, most=1000))
        self.timeout = uri.number("statement_timeout", 10, least=0.1, most=3600)
        """Seconds after which a statement is given up."""
        self.connect_timeout = int(uri.number("connect_timeout", 5, least=1, most=3600))
        parts = uri.parts
        self.host = unquote(parts.hostname or "")
        self.port = parts.port
        self.user = unquote(parts.username or "")
        self.password = unquote(parts.password or "")
        self.database = unquote(parts.path.removeprefix("/"))
        if not self.database:
            raise BadUri(f"{uri}: name the database, as in {uri.scheme}://user@host/database")

    @abc.abstractmethod
    def connect(self) -> Any:
        """Open a connection that begins no transaction by itself."""

    @abc.abstractmethod
    def be_patient(self, connection: Any, seconds: float | None) -> None:
        """Let each statement take so long from now on; None for as long as it takes."""

    @abc.abstractmethod
    def cursor(self, connection: Any) -> Any: ...

    def database_on(self, connection: Any) -> Database:
        """Runs the statements of one transaction."""
        return Database(self.dialect, self.cursor(connection))

    @abc.abstractmethod
    def is_durable(self, connection: Any) -> bool:
        """Whether a commit waits for the disk."""

    @abc.abstractmethod
    def engine_name(self, connection: Any) -> str:
        """What SQLAlchemy calls this kind of server and this library."""

    @abc.abstractmethod
    def lock_tables(self, bound: Connection) -> None:
        """Wait until no other process makes or upgrades the tables, and keep others from it."""

    @abc.abstractmethod
    def is_lost(self, error: Exception) -> bool:
        """Whether the connection is of no use any more."""

    @abc.abstractmethod
    def is_passing(self, error: Exception) -> bool:
        """Whether another transaction was in the way, so that another try may succeed."""

    @abc.abstractmethod
    def translate(self, error: Exception) -> MQError:
        """Say it as an error of the contract. Raises `error` when it is none of the store's."""

    @abc.abstractmethod
    def opening(self, error: Exception) -> MQError:
        """The same while opening: what the deployer must change is Misconfigured."""

    def waking(self, send: Send) -> Waking:
        """What gives hints: within this process, where the server cannot tell its clients."""
        return LocalWaking(self.place)


def first_line(error: Exception, said: object = None) -> str:
    """The beginning of what the error says, or of `said`; its kind when that is nothing."""
    text = str(error if said is None else said)
    return next(iter(text.splitlines()), type(error).__name__)
