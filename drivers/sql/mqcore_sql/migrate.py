"""Bringing a database to the schema of this code, when it is opened or on demand."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, StaticPool, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

from mqcore.contract import Misconfigured

from . import halfway
from .client import Client
from .errors import is_locked, translated
from .schema import HEAD, VERSION_TABLE, counters
from .sqlite import Settings, share

__all__ = ["connect", "describe", "find_version", "prepare", "read_version", "upgraded"]


def connect(engine: Engine, settings: Settings) -> Connection:
    """Connect, with the schema created or brought up to date in one transaction.

    Of several processes that open a new file at once, one does it and the others wait.
    Raises Unavailable and Misconfigured.
    """
    deadline = time.monotonic() + settings.busy_timeout
    with translated(settings.path, opening=True):
        while True:
            try:
                return _connect(engine, settings)
            except Exception as error:
                # SQLite does not wait by itself while another process turns on the WAL.
                if not is_locked(error) or time.monotonic() > deadline:
                    engine.dispose()
                    raise
                time.sleep(random.uniform(0.001, 0.02))  # noqa: S311 - only spreads the tries


def _connect(engine: Engine, settings: Settings) -> Connection:
    connection = engine.connect()
    try:
        with connection.begin():
            version = find_version(connection, settings.path)
            if version != HEAD:
                _upgrade(connection, version, settings.path)
            # SQLite begins to write on a read-only file too, and refuses the first change only.
            connection.execute(counters.update().values(value=counters.c.value))
        share(connection, settings)
    except Exception:
        connection.close()
        raise
    return connection


def find_version(connection: Connection, place: object) -> str | None:
    """The schema's version; None for an empty database. Raises Misconfigured."""
    tables = set(inspect(connection).get_table_names())
    if not tables or halfway.MAKING in tables:
        return None
    halfway.refuse(tables, place)
    if VERSION_TABLE not in tables:
        raise Misconfigured(
            f"the database {place} belongs to another program; name another one in [storage] uri"
        )
    query = text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant of ours
    found: str | None = connection.execute(query).scalar()
    return found


def describe(version: str | None) -> str:
    """What `mqcore db version` says of a schema."""
    if version is None:
        return "empty; the tables are made at the first start"
    if version == HEAD:
        return f"schema {HEAD}, the newest that this mqcore knows"
    if version > HEAD:
        return f"schema {version} of a newer mqcore; this one knows up to {HEAD}"
    return f"schema {version}; this mqcore needs {HEAD}"


def upgraded(version: str | None) -> str:
    """What `mqcore db upgrade` says, given the version that it found."""
    if version == HEAD:
        return f"schema {HEAD} already, nothing to do"
    return f"schema {HEAD} made" if version is None else f"upgraded from {version} to {HEAD}"


def _upgrade(
    connection: Connection, version: str | None, place: object, *, mark: bool = False
) -> None:
    """To the newest. With `mark`, the tables tell when that did not come to its end."""
    # Alembic is slow to import and hardly ever needed.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "mqcore_sql:migrations")
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version is not None and version not in known:
        raise Misconfigured(
            f"the database {place} has the schema {version!r} of a newer mqcore, and this"
            f" one knows up to {HEAD!r}; upgrade mqcore or name another database"
        )
    if mark:
        halfway.begin(connection, version)
    command.upgrade(config, "head")
    if mark:
        halfway.end(connection, version)


def prepare(client: Client, connection: Any, *, upgrade: bool = False) -> str | None:
    """Make the tables where there are none; upgrade older ones on demand only.

    All in one transaction of the connection, so that a process that dies leaves nothing half
    done, or where tables do not change in transactions, marked as half done. Returns the version
    that was found. Raises Misconfigured for tables that this code cannot work on.
    """
    with _bound(client, connection) as bound:
        client.lock_tables(bound)
        version = find_version(bound, client.place)
        if version is not None and version < HEAD and not upgrade:
            raise Misconfigured(
                f"the database {client.place} has the schema {version!r} and this mqcore needs"
                f" {HEAD!r}; stop the servers on it and run: mqcore db upgrade"
            )
        if version != HEAD:
            if version is None:
                halfway.clear(bound)
            _upgrade(bound, version, client.place, mark=not client.undoes_ddl)
    return version


def read_version(client: Client, connection: Any) -> str | None:
    """The version of the schema in the connection's database; None for an empty one."""
    with _bound(client, connection) as bound:
        return find_version(bound, client.place)


@contextmanager
def _bound(client: Client, connection: Any) -> Iterator[Connection]:
    """The connection in a transaction, as SQLAlchemy's; the library's own errors come out."""
    engine = create_engine(
        client.engine_name(connection) + "://",
        creator=lambda: connection,
        poolclass=StaticPool,
        paramstyle="pyformat",
    )
    try:
        with engine.connect() as bound, bound.begin():
            bound.exec_driver_sql(client.write)
            yield bound
    except DBAPIError as error:
        raise error.orig or error from error
