"""What statements say differently to different databases."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ClauseElement, ColumnElement, Table, or_
from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["insert_new", "upsert"]

Core = Callable[[str], ClauseElement]
"""Makes a statement for the kind of database that has this name."""


def _insert(kind: str, table: Table) -> Any:
    return postgresql.insert(table) if kind == "postgresql" else sqlite.insert(table)


def insert_new(table: Table, unique: Sequence[str]) -> Core:
    """INSERT that leaves out rows whose `unique` columns are there already."""

    def core(kind: str) -> ClauseElement:
        made: ClauseElement = _insert(kind, table).on_conflict_do_nothing(index_elements=unique)
        return made

    return core


def upsert(table: Table, changes: Callable[[Any], dict[str, ColumnElement[Any]]]) -> Core:
    """INSERT, or where the primary key is there already, what `changes` makes of the new row.

    A row that would stay the same is locked, but not written again.
    """

    def core(kind: str) -> ClauseElement:
        new = _insert(kind, table)
        changed = changes(new.excluded)
        made: ClauseElement = new.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_=changed,
            where=or_(*(table.c[name].is_distinct_from(value) for name, value in changed.items())),
        )
        return made

    return core
