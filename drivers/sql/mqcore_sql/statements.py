"""Statements of SQLAlchemy Core, compiled once.

`sqlalchemy.Connection.execute` spends 40 to 60 microseconds on each statement, which is more than
SQLite needs for most of ours. So a `Statement` keeps its text for each kind of database, and a
`Database` runs it on a cursor of the database's own module. Values go there and come back as they
are, without any of SQLAlchemy's conversions.
"""

from bisect import bisect_left
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ClauseElement,
    Dialect,
    Insert,
    any_,
    bindparam,
    func,
    select,
)
from sqlalchemy.sql.expression import BinaryExpression, ClauseList
from sqlalchemy.sql.visitors import iterate, replacement_traverse

__all__ = ["Database", "Statement", "Text", "Values"]

Values = Mapping[str, Any]
"""What a statement's parameters stand for; what it has no parameter for is left out."""


ROWS = -1
"""In the place of a length: the text for many rows."""
LENGTHS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""How many values an `IN` has in the text of a statement; fewer are filled up by repeating one."""


class Statement:
    """A statement of Core and what has been made of it.

    One of its parameters may be `expanding`: a list of 1 to 500 values. What databases say
    differently is a function that makes it for the kind of that name.
    """

    def __init__(self, core: ClauseElement | Callable[[str], ClauseElement]) -> None:
        self._core = core
        self._list = None if callable(core) else next((each.key for each in _lists(core)), None)
        self._texts: dict[tuple[str, int], Text] = {}

    def text(self, dialect: Dialect, values: Values) -> "Text":
        length = 0
        if self._list is not None and dialect.name != "postgresql":
            length = LENGTHS[bisect_left(LENGTHS, len(values[self._list]))]
        return self._texts.get((dialect.name, length)) or self._made(dialect, length)

    def text_of_rows(self, dialect: Dialect) -> "Text":
        """The text that is run once for each of many rows, or once for all of them."""
        return self._texts.get((dialect.name, ROWS)) or self._made(dialect, ROWS)

    def _made(self, dialect: Dialect, length: int) -> "Text":
        core = self._core(dialect.name) if callable(self._core) else self._core
        text = self._texts[dialect.name, length] = Text(core, dialect, self._list, length)
        return text


def _lists(core: ClauseElement) -> Iterator[BindParameter[Any]]:
    return (x for x in iterate(core) if isinstance(x, BindParameter) and x.expanding)


class Text:
    """A statement in the words of one kind of database, with a list of one length."""

    _row: Callable[[Any], Any] | None = None
    """Makes a named tuple; known since the first result."""

    def __init__(self, core: Any, dialect: Dialect, listed: str | None, length: int) -> None:
        if listed is not None:
            core = _with_list(core, length) if length else _with_array(core)
            listed = listed if length else None
        self.arrays = length == ROWS and isinstance(core, Insert) and dialect.name == "postgresql"
        """Whether it takes an array for each column, and all rows at once."""
        if self.arrays:
            core = _of_arrays(core)
        compiled = core.compile(dialect=dialect)
        self.sql = str(compiled)
        self._listed, self._length = listed, length
        names: Sequence[str] = compiled.positiontup
        self._constants = {
            name: value
            for name, value in compiled.params.items()
            if not compiled.binds[name].required
        }
        self._take = _taker(names)
        if listed is not None:
            first = names.index(f"{listed}_0")
            self._take = _taker(names[:first])
            self._take_rest = _taker(names[first + length :])

    def parameters(self, values: Values) -> tuple[Any, ...]:
        """The values in the order of the text."""
        if self._constants:
            values = {**self._constants, **values}
        if self._listed is None:
            return self._take(values)
        items = values[self._listed]
        filling = items[-1:] * (self._length - len(items))
        return (*self._take(values), *items, *filling, *self._take_rest(values))

    def many(self, values: Iterable[Values]) -> list[tuple[Any, ...]]:
        """The parameters for each of the values."""
        return list(map(self.parameters if self._constants else self._take, values))

    def columns(self, values: Iterable[Values]) -> list[list[Any]]:
        """The same as a list for each parameter."""
        return list(map(list, zip(*self.many(values), strict=True)))

    def rows(self, cursor: Any) -> list[Any]:
        """What the cursor found, as named tuples."""
        if self._row is None:
            names = [column[0] for column in cursor.description]
            row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]
            self._row = partial(tuple.__new__, row)  # `row._make` counts each time
        return list(map(self._row, cursor.fetchall()))


def _with_list(core: Any, length: int) -> Any:
    """The statement with so many parameters in the place of its list."""

    def replace(element: Any, **_: Any) -> Any:
        if isinstance(element, BindParameter) and element.expanding:
            names = (f"{element.key}_{n}" for n in range(length))
            return ClauseList(*(bindparam(name, type_=element.type) for name in names)).self_group()
        return None

    return replacement_traverse(core, {}, replace)


def _with_array(core: Any) -> Any:
    """The statement with an array in the place of its list."""

    def replace(element: Any, **_: Any) -> Any:
        if isinstance(element, BinaryExpression):
            values = element.right
            if isinstance(values, BindParameter) and values.expanding:
                array = bindparam(values.key, type_=ARRAY(element.left.type))
                return element.left == any_(array)
        return None

    return replacement_traverse(core, {}, replace)


def _of_arrays(core: Any) -> Any:
    """The INSERT with an array for each column."""
    columns = core.table.columns
    arrays = (bindparam(column.name, type_=ARRAY(column.type)) for column in columns)
    names = [column.name for column in columns]
    rows = func.unnest(*arrays).table_valued(*names).render_derived()
    return core.from_select(names, select(rows))


def _taker(names: Sequence[str]) -> Callable[[Values], tuple[Any, ...]]:
    """Takes the values of these names out of others."""
    if not names:
        return lambda _: ()
    take = itemgetter(*names)
    return take if len(names) > 1 else lambda values: (take(values),)


class Database:
    """Runs statements in the transaction of a cursor. Rows are named tuples."""

    pipelined = False
    """Whether several statements can go to the server in one round trip."""

    def __init__(self, dialect: Dialect, cursor: Any) -> None:
        self._dialect = dialect
        self._cursor = cursor
        self.answered = False
        """Whether the server has answered anything."""

    def begin(self, sql: str, parameters: Sequence[Any] = (), *, wait: bool = True) -> None:
        """Begin a transaction; without `wait`, with the first statement where that saves time."""
        self.execute(sql, parameters)

    def commit(self) -> None:
        """End the transaction."""
        self.execute("COMMIT", ())

    def execute(self, sql: str, parameters: Sequence[Any]) -> None:
        """Run a statement in the words of the database."""
        self._cursor.execute(sql, parameters)
        self.answered = True

    @property
    def kind(self) -> str:
        """The name of the kind of database."""
        return self._dialect.name

    @property
    def shared(self) -> bool:
        """Whether several transactions write at once."""
        return self._dialect.name != "sqlite"

    def storable(self, text: str) -> bool:
        """Whether the database can hold this text; what it cannot hold, it does not have."""
        if "\0" in text and self._dialect.name == "postgresql":
            return False
        if text.isascii():
            return True
        try:
            text.encode()
        except UnicodeEncodeError:
            return False
        return True

    def packed(self, text: str) -> str:
        """The text without what the database cannot hold: different for different texts."""
        if self._dialect.name != "postgresql":
            return text
        return text.replace("\x1a", "\x1a1").replace("\0", "\x1a0")

    def unpacked(self, text: str) -> str:
        """The text of which `packed` made this one."""
        if self._dialect.name != "postgresql":
            return text
        return text.replace("\x1a0", "\0").replace("\x1a1", "\x1a")

    def all(self, statement: Statement, values: Values) -> list[Any]:
        """The rows that it finds."""
        text = statement.text(self._dialect, values)
        self.execute(text.sql, text.parameters(values))
        return text.rows(self._cursor)

    def ahead(self, statement: Statement, values: Values) -> None:
        """`all` will be asked for this once: find it with the next statement, if that saves time.

        What is found is forgotten when something is changed before it is asked for.
        """

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
        text = statement.text(self._dialect, values)
        self.execute(text.sql, text.parameters(values))
        return int(self._cursor.rowcount)

    def run_many(self, statement: Statement, values: Sequence[Values]) -> int:
        """Change something once for each of the values, without lists; how many rows in all."""
        if len(values) == 1:
            return self.run(statement, values[0])
        text = statement.text_of_rows(self._dialect)
        if text.arrays:
            self.execute(text.sql, text.columns(values))
        else:
            self._cursor.executemany(text.sql, text.many(values))
        return int(self._cursor.rowcount)

    def later(self, statement: Statement, values: Values) -> None:
        """Change something, before or with the next statement; nobody asks how many rows."""
        self.run(statement, values)

    def later_many(self, statement: Statement, values: Sequence[Values]) -> None:
        """Change something once for each of the values, before or with the next statement."""
        self.run_many(statement, values)
