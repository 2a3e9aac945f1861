"""The migrations and the tables that the code works on."""

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from mqcore_sql import migrations, schema
from mqcore_sql.driver import SqlDriver
from sqlalchemy import create_engine


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
    del migrated[schema.VERSION_TABLE]
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
