"""Lists as parameters of PostgreSQL."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from mqcore_sql.postgresql import PostgresqlClient

from mqcore.contract import StoreUri
from tests.backends import PostgreSQL


@pytest.fixture
def connection(postgresql: PostgreSQL) -> "Iterator[psycopg.Connection[Any]]":
    with PostgresqlClient(StoreUri(postgresql.fresh_database())).connect() as connection:
        yield connection


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("BIGINT", [1, -1, 2**63 - 1, -(2**63), None, 0]),
        ("SMALLINT", [3, 0, None]),
        ("DOUBLE PRECISION", [1.5, None, -1e300, 1e-300, 0.0]),
        ("TEXT", ["", "a,b", '"{}\\', "NULL", None, " ä\U0001f600 "]),
        ("VARCHAR(255)", ["x" * 255]),
        ("BYTEA", [b"", b"\0\xff", b"\\x00", None, b"x" * 300_000]),
        ("TEXT", [None, None]),
        ("BIGINT", [None]),
        ("BIGINT", []),
    ],
)
def test_a_list_arrives_as_it_is(
    kind: str, values: list[Any], connection: "psycopg.Connection[Any]"
) -> None:
    for _ in range(3):  # the statement is prepared at once
        cursor = connection.cursor(binary=True)
        cursor.execute(f"SELECT x FROM unnest(%s::{kind}[]) AS x", [values])
        assert [row[0] for row in cursor.fetchall()] == values


def test_lists_of_different_types_follow_each_other_on_one_cursor(
    connection: "psycopg.Connection[Any]",
) -> None:
    cursor = connection.cursor(binary=True)
    for values in ([1], ["a"], [None], [b"b"], [2]):
        cursor.execute("SELECT %s::TEXT[]", [[None if v is None else str(v) for v in values]])
        assert cursor.fetchone() == ([None if v is None else str(v) for v in values],)
    cursor.execute("SELECT %s::BIGINT[], %s::TEXT[]", [[1], ["1"]])
    assert cursor.fetchone() == ([1], ["1"])


@pytest.mark.parametrize("values", [[2**63], [1, 2**200], ["\0"], ["\ud800"]])
def test_what_the_server_cannot_hold_is_refused_and_the_connection_goes_on(
    values: list[Any], connection: "psycopg.Connection[Any]"
) -> None:
    kind = "TEXT" if isinstance(values[0], str) else "BIGINT"
    with pytest.raises((psycopg.DataError, UnicodeEncodeError)):
        connection.execute(f"SELECT %s::{kind}[]", [values])
    assert connection.execute("SELECT 1").fetchone() == (1,)
