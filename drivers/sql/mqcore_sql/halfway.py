"""Where changes of tables cannot be undone: the mark of an upgrade that has not come to its end.

The mark is an empty table, since making a table is the one thing that is done or not done there.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, inspect, text

from mqcore.contract import Misconfigured

from .schema import VERSION_TABLE, metadata

__all__ = ["MAKING", "begin", "clear", "end", "refuse"]

MARK = "mqcore_upgrade_from_"
MAKING = f"{MARK}nothing"
"""There is nothing in tables that are still being made, so that they may be made anew."""


def begin(connection: Connection, version: str | None) -> None:
    connection.execute(text(f"CREATE TABLE {_mark(version)} (id INTEGER)"))


def end(connection: Connection, version: str | None) -> None:
    connection.execute(text(f"DROP TABLE {_mark(version)}"))


def clear(connection: Connection) -> None:
    """Drop what a process left that died while it made the tables."""
    ours = {VERSION_TABLE, *metadata.tables}
    there = inspect(connection).get_table_names()
    old = [name for name in there if name.partition("_0")[0] in ours]
    # The mark last, so that what dies here is done again, too.
    for name in [*old, *(name for name in there if name == MAKING)]:
        connection.execute(text(f"DROP TABLE {name}"))


def refuse(tables: Iterable[str], place: object) -> None:
    """Raises Misconfigured when an upgrade of tables that are in use ended halfway."""
    for name in tables:
        if name.startswith(MARK):
            raise Misconfigured(
                f"an upgrade of the database {place} from {name.removeprefix(MARK)} ended halfway,"
                " and such a database cannot undo it; restore the backup that was made before,"
                " then run: mqcore db upgrade"
            )


def _mark(version: str | None) -> str:
    return MAKING if version is None else f"{MARK}{version}"
