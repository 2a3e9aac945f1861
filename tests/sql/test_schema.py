"""The migrations and the tables that the code works on."""

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from mqcore_sql import dialect, migrations, schema
from mqcore_sql.driver import SqlDriver, open_driver
from sqlalchemy import create_engine

from mqcore.conformance import Clock


def definitions(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {name: " ".join(sql.split()) for name, sql in rows}


def test_the_migrations_make_the_tables_that_the_code_knows(
    driver: SqlDriver, path: Path, tmp_path: Path
) -> None:
    driver.ping()
    declared = tmp_path / "declared.db"
    engine = create_engine(f"sqlite:///{declared}")
    schema.metadata.create_all(engine)
    engine.dispose()
    migrated = definitions(path)
    for ours_alone in (schema.VERSION_TABLE, "sqlite_stat1"):
        del migrated[ours_alone]
    assert migrated == definitions(declared)


def test_alembic_finds_nothing_to_change(driver: SqlDriver, path: Path) -> None:
    driver.ping()
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        options = {"version_table": schema.VERSION_TABLE}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_the_newest_migration_is_the_one_that_the_code_expects() -> None:
    scripts = ScriptDirectory(migrations.__path__[0])
    assert scripts.get_current_head() == schema.HEAD


def test_the_file_lets_readers_and_a_writer_work_side_by_side(
    driver: SqlDriver, path: Path
) -> None:
    driver.ping()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_planner_keeps_our_sizes_when_somebody_had_the_file_analysed(
    path: Path, clock: Clock
) -> None:
    open_driver(f"sqlite:///{path}", clock=clock).close()
    wanted = {(*names, stat) for names, stat in dialect.STATISTICS.items()}
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("ANALYZE")
        assert set(connection.execute("SELECT * FROM sqlite_stat1")) != wanted
        open_driver(f"sqlite:///{path}", clock=clock).close()
        assert set(connection.execute("SELECT * FROM sqlite_stat1")) == wanted
        indexes = connection.execute("SELECT tbl_name, name FROM sqlite_master WHERE type='index'")
        tables = {(table, table) for table, _ in dialect.STATISTICS}
        assert dialect.STATISTICS.keys() <= set(indexes) | tables
