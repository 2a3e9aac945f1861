"""Opening a handle on a database server, and what `mqcore db` does there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from mqcore.contract import Clock, MQError

from . import migrate
from .client import Client
from .driver import SqlDriver
from .server import ServerStore

__all__ = ["open_on", "upgrade_on", "version_on"]

D = TypeVar("D", bound=SqlDriver)

TO_OPEN = 60
"""Seconds that each step of opening may take, once there is a connection."""


def open_on(client: Client, clock: Clock, kind: type[D]) -> D:
    """A handle of this kind; the tables are made when none is there."""
    with _opening(client) as connection:
        durable = client.is_durable(connection)
        migrate.prepare(client, connection)
    return kind(ServerStore(client, clock), durable=durable)


def upgrade_on(client: Client) -> str:
    """Upgrade the tables, however long that takes. See `mqcore.contract.Schema`."""
    with _opening(client) as connection:
        client.be_patient(connection, None)
        return migrate.upgraded(migrate.prepare(client, connection, upgrade=True))


def version_on(client: Client) -> str:
    """What the tables are of. See `mqcore.contract.Schema`."""
    with _opening(client) as connection:
        return migrate.describe(migrate.read_version(client, connection))


@contextmanager
def _opening(client: Client) -> Iterator[Any]:
    try:
        with client.connect() as connection:
            # Making tables, or waiting until another process has, takes longer than a call may.
            client.be_patient(connection, TO_OPEN)
            yield connection
    except MQError:
        raise
    except Exception as error:
        raise client.opening(error) from error
