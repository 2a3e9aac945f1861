"""What statements say differently to different databases."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ClauseElement, ColumnElement, Executable, Select, Table, and_, or_, select
from sqlalchemy.dialects import mysql, postgresql, sqlite

from .schema import bodies, messages, metadata
from .statements import Database, Statement

__all__ = ["ChangeAndRead", "by_index", "insert_new", "upsert", "with_bodies"]

Core = Callable[[str], ClauseElement]
"""Makes a statement for the kind of database that has this name."""

AnyStatement = TypeVar("AnyStatement", bound=Executable)

MYSQL = "mysql"


def _insert(kind: str, table: Table) -> Any:
    return postgresql.insert(table) if kind == "postgresql" else sqlite.insert(table)


def by_index(name: str, statement: AnyStatement) -> AnyStatement:
    """The statement, for a database that must be told the index when it is not the primary key.

    An index is named after its table.
    """
    if isinstance(statement, Select):
        return statement.with_hint(metadata.tables[name.partition("_")[0]], name, MYSQL)
    return statement.execution_options(index=name)


def insert_new(table: Table, unique: Sequence[str]) -> Core:
    """INSERT that leaves out rows whose `unique` columns are there already."""

    def core(kind: str) -> ClauseElement:
        if kind == MYSQL:
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
        if kind == MYSQL:
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


def with_bodies(of_messages: Select[Any]) -> Core:
    """The messages and their bodies."""

    def core(kind: str) -> ClauseElement:
        mine = (bodies.c.queue_id == messages.c.queue_id, bodies.c.seq == messages.c.seq)
        columns = (bodies.c.body, bodies.c.checksum)
        if kind == "sqlite":
            return of_messages.add_columns(*columns).join_from(messages, bodies, and_(*mine))
        # A planner that knows too little of a queue may begin a join at the bodies.
        each = (select(one).where(*mine).scalar_subquery().label(one.name) for one in columns)
        return of_messages.add_columns(*each)

    return core


class ChangeAndRead:
    """An UPDATE of one row that answers with columns of the new row."""

    def __init__(
        self,
        table: Table,
        where: Sequence[ColumnElement[bool]],
        changes: Mapping[str, Any],
        read: Sequence[str],
        *,
        index: str | None = None,
    ) -> None:
        update, found = table.update().where(*where), select(*(table.c[name] for name in read))
        if index:
            update, found = by_index(index, update), by_index(index, found)
        update = update.values(changes)
        self._both = Statement(update.returning(*found.selected_columns))
        self._change = Statement(update)
        self._read = Statement(found.where(*where))

    def first(self, db: Database, values: Mapping[str, Any]) -> Any | None:
        """The columns; None when there is no such row."""
        if db.kind != MYSQL:
            return db.first(self._both, values)
        return db.first(self._read, values) if db.run(self._change, values) else None
