"""What statements say differently to different databases."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ClauseElement, Column, ColumnElement, Table, Update, or_, select
from sqlalchemy.dialects import mysql, postgresql, sqlite

from .statements import Database, Statement

__all__ = ["ChangeAndRead", "insert_new", "upsert"]

Core = Callable[[str], ClauseElement]
"""Makes a statement for the kind of database that has this name."""

MYSQL = ("mysql", "mariadb")


def _insert(kind: str, table: Table) -> Any:
    return postgresql.insert(table) if kind == "postgresql" else sqlite.insert(table)


def insert_new(table: Table, unique: Sequence[str]) -> Core:
    """INSERT that leaves out rows whose `unique` columns are there already."""

    def core(kind: str) -> ClauseElement:
        if kind in MYSQL:
            same = table.c[unique[0]]
            made: ClauseElement = mysql.insert(table).on_duplicate_key_update({same.name: same})
        else:
            made = _insert(kind, table).on_conflict_do_nothing(index_elements=unique)
        return made

    return core


def upsert(table: Table, changes: Callable[[Any], dict[str, ColumnElement[Any]]]) -> Core:
    """INSERT, or where the primary key is there already, what `changes` makes of the new row.

    A row that would stay the same is locked, but not written again.
    """

    def core(kind: str) -> ClauseElement:
        if kind in MYSQL:
            new = mysql.insert(table)
            made: ClauseElement = new.on_duplicate_key_update(changes(new.inserted))
        else:
            new = _insert(kind, table)
            changed = changes(new.excluded)
            made = new.on_conflict_do_update(
                index_elements=list(table.primary_key.columns),
                set_=changed,
                where=or_(
                    *(table.c[name].is_distinct_from(value) for name, value in changed.items())
                ),
            )
        return made

    return core


class ChangeAndRead:
    """An UPDATE of one row that answers with columns of the new row; None when there is none."""

    def __init__(self, update: Update, *columns: Column[Any]) -> None:
        self._both = Statement(update.returning(*columns))
        self._change = Statement(update)
        self._read = Statement(select(*columns).where(*update._where_criteria))

    def first(self, db: Database, values: dict[str, Any]) -> Any | None:
        if db.kind not in MYSQL:
            return db.first(self._both, values)
        return db.first(self._read, values) if db.run(self._change, values) else None

    def one(self, db: Database, values: dict[str, Any]) -> Any:
        found = self.first(db, values)
        assert found is not None  # noqa: S101 - the migrations made the row
        return found
