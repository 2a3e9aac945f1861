"""The migrations and the tables that the code works on."""

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from mqcore_sql import migrations, schema, sqlite
from mqcore_sql.driver import SqlDriver, open_driver
from sqlalchemy import create_engine

from mqcore.conformance import Clock

from .conftest import QUEUE


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


def test_a_file_of_the_first_schema_is_upgraded_with_its_messages(path: Path, clock: Clock) -> None:
    """Three clients posted 300 old runs: some expired, some not."""
    config = Config()
    config.set_main_option("script_location", "mqcore_sql:migrations")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    now = int(clock())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "INSERT INTO queues VALUES (1, ?, ?, '{}', 1, 400000)", (QUEUE.project, QUEUE.name)
        )
        for run in range(300):
            end, seq = now + (0 if run < 290 else 60), run * 1024 + 7
            row = (seq, f"m{run}", now - 60, f"c{run // 100}", end)
            connection.execute(
                "INSERT INTO messages VALUES (1, ?, ?, ?, ?, 60, ?, 0, 0, NULL, 0)", row
            )
            connection.execute("INSERT INTO bodies VALUES (1, ?, ?, NULL)", (seq, b"1"))
            connection.execute(
                "INSERT INTO segments VALUES (1, ?, ?, ?, ?)", (run, end, end, f"c{run // 100}")
            )
        connection.commit()
    with closing(open_driver(f"sqlite:///{path}", clock=clock)) as driver:
        kept = [f"m{run}" for run in range(290, 300)]
        assert [each.id for each in driver.messages.list(QUEUE, limit=100).items] == kept
        assert driver.messages.list(QUEUE, hide_client="c2").items == ()
        assert len(driver.messages.list(QUEUE, limit=100, hide_client="c0").items) == 10
        clock.advance(60)
        driver.collect(10_000)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM segments").fetchone() == (0,)


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
    wanted = {(*names, stat) for names, stat in sqlite.STATISTICS.items()}
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("ANALYZE")
        assert set(connection.execute("SELECT * FROM sqlite_stat1")) != wanted
        open_driver(f"sqlite:///{path}", clock=clock).close()
        assert set(connection.execute("SELECT * FROM sqlite_stat1")) == wanted
        indexes = connection.execute("SELECT tbl_name, name FROM sqlite_master WHERE type='index'")
        tables = {(table, table) for table, _ in sqlite.STATISTICS}
        assert sqlite.STATISTICS.keys() <= set(indexes) | tables
