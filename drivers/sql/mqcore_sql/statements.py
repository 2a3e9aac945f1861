"""Statements of SQLAlchemy Core, compiled once.

`sqlalchemy.Connection.execute` spends 40 to 60 microseconds on each statement, which is more than
SQLite needs for most of ours. So a `Statement` keeps its text for each kind of database, and a
`Database` runs it on a cursor of the database's own module. Values go there and come back as they
are: none of SQLAlchemy's conversions, and no `IN` with a list but by `dialect.one_of`.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import ClauseElement, Connection, Dialect

__all__ = ["Database", "Statement"]

Values = Mapping[str, Any]
"""What a statement's parameters stand for; what it has no parameter for is left out."""


class Statement:
    """A statement of Core and what has been made of it."""

    def __init__(self, core: ClauseElement) -> None:
        self._core = core
        self._texts: dict[str, _Text] = {}

    def text(self, dialect: Dialect) -> "_Text":
        text = self._texts.get(dialect.name)
        if text is None:
            text = self._texts[dialect.name] = _Text(self._core, dialect)
        return text


class _Text:
    """A statement in the words of one kind of database."""

    row: Callable[[Any], Any] | None = None
    """Makes a named tuple; known since the first result."""

    def __init__(self, core: ClauseElement, dialect: Dialect) -> None:
        compiled: Any = core.compile(dialect=dialect)
        self.sql = str(compiled)
        self._names: Sequence[str] | None = compiled.positiontup
        self._take = itemgetter(*self._names) if self._names else None
        self._constants = {
            name: value
            for name, value in compiled.params.items()
            if not compiled.binds[name].required
        }

    def parameters(self, values: Values) -> Any:
        """The values as the cursor wants them."""
        if self._constants:
            values = {**self._constants, **values}
        if self._take is None:
            return values if self._names is None else ()
        taken = self._take(values)
        return taken if len(self._names or ()) > 1 else (taken,)


class Database:
    """Runs statements in the transaction of a connection. Rows are named tuples."""

    def __init__(self, connection: Connection) -> None:
        self._dialect = connection.dialect
        self._cursor: Any = connection.connection.cursor()

    def all(self, statement: Statement, values: Values) -> list[Any]:
        """The rows that it finds."""
        text = statement.text(self._dialect)
        cursor = self._cursor
        cursor.execute(text.sql, text.parameters(values))
        if text.row is None:
            names = [column[0] for column in cursor.description]
            row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]
            text.row = row._make
        return list(map(text.row, cursor.fetchall()))

    def first(self, statement: Statement, values: Values) -> Any | None:
        """The first row; None when there is none."""
        found = self.all(statement, values)
        return found[0] if found else None

    def one(self, statement: Statement, values: Values) -> Any:
        """The one row that there is."""
        (found,) = self.all(statement, values)
        return found

    def column(self, statement: Statement, values: Values) -> list[Any]:
        """The first column of the rows."""
        return [row[0] for row in self.all(statement, values)]

    def value(self, statement: Statement, values: Values) -> Any | None:
        """The first column of the first row; None when there is none."""
        found = self.all(statement, values)
        return found[0][0] if found else None

    def run(self, statement: Statement, values: Values) -> int:
        """Change something; how many rows."""
        text = statement.text(self._dialect)
        self._cursor.execute(text.sql, text.parameters(values))
        return int(self._cursor.rowcount)

    def run_many(self, statement: Statement, values: Sequence[Values]) -> int:
        """Change something once for each of the values; how many rows in all."""
        text = statement.text(self._dialect)
        self._cursor.executemany(text.sql, list(map(text.parameters, values)))
        return int(self._cursor.rowcount)
