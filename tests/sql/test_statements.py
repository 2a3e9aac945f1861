"""Statements of SQLAlchemy Core on the cursor of the database's own module."""

from collections.abc import Iterator

import pytest
from mqcore_sql.schema import graves, metadata
from mqcore_sql.statements import Database, Statement
from sqlalchemy import bindparam, create_engine, select

INSERT = Statement(graves.insert())
FOUND = Statement(
    select(graves.c.queue_id, (graves.c.queue_id * bindparam("by")).label("product"))
    .where(
        graves.c.queue_id > bindparam("least"),
        graves.c.queue_id.in_(bindparam("ids", expanding=True)),
        graves.c.queue_id < bindparam("most"),
    )
    .order_by(graves.c.queue_id)
)
DELETE = Statement(graves.delete().where(graves.c.queue_id == bindparam("q")))


@pytest.fixture
def db() -> Iterator[Database]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        db = Database(connection.dialect, connection.connection.cursor())
        assert db.run_many(INSERT, [{"queue_id": n} for n in range(1000)]) == 1000
        yield db
    engine.dispose()


@pytest.mark.parametrize("n", [1, 2, 3, 499, 500])
def test_a_list_stands_among_other_parameters(n: int, db: Database) -> None:
    ids = list(range(0, 2 * n, 2))
    found = db.all(FOUND, {"by": 3, "least": -1, "ids": ids, "most": 2000, "unused": None})
    assert [row.queue_id for row in found] == ids
    assert [row.product for row in found] == [3 * each for each in ids]


def test_what_a_statement_says_itself_need_not_be_given(db: Database) -> None:
    one = Statement(select(graves.c.queue_id).where(graves.c.queue_id == 7))
    assert db.column(one, {}) == [7]
    moved = Statement(
        graves.update().where(graves.c.queue_id == bindparam("q")).values(queue_id=4000)
    )
    assert db.run(moved, {"q": 7}) == 1
    assert db.value(one, {}) is None


def test_a_value_that_is_missing_is_an_error(db: Database) -> None:
    with pytest.raises(KeyError):
        db.run(DELETE, {})


def test_changes_tell_how_many_rows_they_changed(db: Database) -> None:
    assert db.run(DELETE, {"q": 5}) == 1
    assert db.run(DELETE, {"q": 5}) == 0
    assert db.run_many(DELETE, [{"q": n} for n in range(10)]) == 9
