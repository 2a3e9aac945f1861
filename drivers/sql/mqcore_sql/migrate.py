"""Bringing a database to the schema of this code, when it is opened."""

import random
import time
from typing import Any

from sqlalchemy import Connection, Engine, StaticPool, create_engine, inspect, text

from mqcore.contract import Misconfigured

from .errors import is_locked, translated
from .schema import HEAD, VERSION_TABLE, counters
from .server import Client
from .sqlite import Settings, share

__all__ = ["connect", "prepare"]


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
            version = _version(connection, settings)
            if version != HEAD:
                _upgrade(connection, version, settings.path)
            # SQLite begins to write on a read-only file too, and refuses the first change only.
            connection.execute(counters.update().values(value=counters.c.value))
        share(connection, settings)
    except Exception:
        connection.close()
        raise
    return connection


def _version(connection: Connection, settings: Settings) -> str | None:
    """The schema's version; None for an empty database."""
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return None
    if VERSION_TABLE not in tables:
        raise Misconfigured(
            f"the database {settings.path} belongs to another program; name another file"
        )
    found: str | None = connection.execute(
        text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant of ours
    ).scalar()
    return found


def _upgrade(connection: Connection, version: str | None, place: object) -> None:
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
            f" one knows up to {HEAD!r}; upgrade mqcore or name another file"
        )
    command.upgrade(config, "head")


LOCK = 0x6D71636F7265
"""Of several processes that open an empty database at once, one makes the tables."""


def prepare(client: Client, connection: Any, *, upgrade: bool = False) -> None:
    """Make the tables where there are none; upgrade older ones on demand only.

    Raises Misconfigured for tables that this code cannot work on.
    """
    engine = create_engine(
        client.dialect.name + "+" + client.dialect.driver + "://",
        creator=lambda: connection,
        poolclass=StaticPool,
        paramstyle="pyformat",
    )
    cursor = connection.cursor()
    cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    try:
        with engine.connect() as bound, bound.begin():
            _bring_up(bound, client.place, upgrade)
    finally:
        cursor.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))


def _bring_up(connection: Connection, place: str, upgrade: bool) -> None:
    version = None
    if VERSION_TABLE in inspect(connection).get_table_names():
        query = text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - of ours
        version = connection.execute(query).scalar()
    if version == HEAD:
        return
    if version is not None and version < HEAD and not upgrade:
        raise Misconfigured(
            f"the database {place} has the schema {version!r} and this mqcore needs {HEAD!r};"
            " stop the servers on it and run: mqcore db upgrade"
        )
    _upgrade(connection, version, place)
