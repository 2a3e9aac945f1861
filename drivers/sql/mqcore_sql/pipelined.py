"""Statements that go to PostgreSQL together.

A round trip takes longer than most of our statements. So what nobody waits for goes with the next
statement whose answer somebody needs, the begin and the commit of a transaction too; and what
will be asked for in all likelihood is asked for at once.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
from sqlalchemy import Dialect

from .statements import Database, Statement, Text, Values

__all__ = ["PipelinedDatabase"]

Said = tuple[str, Sequence[Any]]


class PipelinedDatabase(Database):
    """Runs statements in pipelines of psycopg."""

    pipelined = True

    def __init__(self, dialect: Dialect, connection: "psycopg.Connection[Any]") -> None:
        # A new cursor must learn first how to say each value. The others of a transaction are not
        # kept: they would hold what they found.
        kept = vars(connection).setdefault("kept_cursors", [])
        if not kept:
            kept += [connection.cursor(binary=True), connection.cursor()]
        cursor, self._silent = kept
        super().__init__(dialect, cursor)
        self._connection = connection
        self._changes: list[Said] = []
        """What goes with the next statement."""
        self._questions: list[tuple[Text, Sequence[Any]]] = []
        """What is asked together with it."""
        self._answers: list[tuple[Said, list[Any]]] = []

    def begin(self, sql: str, parameters: Sequence[Any] = (), *, wait: bool = True) -> None:
        if wait:
            super().begin(sql, parameters)
        else:
            self._changes.append((sql, parameters))

    def all(self, statement: Statement, values: Values) -> list[Any]:
        text = statement.text(self._dialect, values)
        said = text.sql, text.parameters(values)
        for n, (known, rows) in enumerate(self._answers):
            if known == said:
                del self._answers[n]
                return rows
        self.execute(*said)
        return text.rows(self._cursor)

    def ahead(self, statement: Statement, values: Values) -> None:
        text = statement.text(self._dialect, values)
        self._questions.append((text, text.parameters(values)))

    def run(self, statement: Statement, values: Values) -> int:
        changed = super().run(statement, values)
        self._answers.clear()
        return changed

    def run_many(self, statement: Statement, values: Sequence[Values]) -> int:
        if len(values) > 1 and not statement.text_of_rows(self._dialect).arrays:
            self._flush()
        changed = super().run_many(statement, values)
        self._answers.clear()
        return changed

    def later(self, statement: Statement, values: Values) -> None:
        self._answers.clear()
        text = statement.text(self._dialect, values)
        self._changes.append((text.sql, text.parameters(values)))

    def later_many(self, statement: Statement, values: Sequence[Values]) -> None:
        if len(values) == 1:
            self.later(statement, values[0])
            return
        self._answers.clear()
        text = statement.text_of_rows(self._dialect)
        each = [text.columns(values)] if text.arrays else text.many(values)
        self._changes += ((text.sql, one) for one in each)

    def execute(self, sql: str, parameters: Sequence[Any]) -> None:
        changes, self._changes = self._changes, []
        questions, self._questions = self._questions, []
        if not (changes or questions):
            super().execute(sql, parameters)
            return
        # Each answer on a cursor of its own; those to changes are none.
        asked = [(*each, self._connection.cursor(binary=True)) for each in questions]
        try:
            with self._connection.pipeline():
                for said in changes:
                    self._silent.execute(*said)
                for text, given, cursor in asked:
                    cursor.execute(text.sql, given)
                self._cursor.execute(sql, parameters)
        except psycopg.OperationalError as error:
            if isinstance(error.__context__, psycopg.errors._WaitTimeout):
                raise error.__context__ from None  # and not that the pipeline cannot be left
            raise
        self.answered = True
        self._answers += (((text.sql, given), text.rows(cursor)) for text, given, cursor in asked)

    def _flush(self) -> None:
        if self._changes:
            self.execute(*self._changes.pop())
