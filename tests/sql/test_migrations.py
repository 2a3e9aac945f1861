"""Bringing tables to another version, on a file and on a server, and who is refused meanwhile."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command, op
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from mqcore_sql import schema
from sqlalchemy import Engine, create_engine, text

from mqcore.conformance import Clock
from mqcore.contract import Misconfigured, NewMessage, NewSubscription, new_id
from mqcore.loader import bare_opener, schema_of
from tests.backends import MariaDB, PostgreSQL

from .conftest import QUEUE

Migrate = Callable[[Callable[[Config, str], None], str], None]
SERVERS = ["postgresql", "mariadb"]
STORES = ["sqlite", *SERVERS]
LIBRARIES = {"postgresql": "psycopg", "mariadb": "pymysql"}


@pytest.fixture
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/queues.db"
    server: PostgreSQL | MariaDB = request.getfixturevalue(request.param)
    return server.fresh_database()


def connect_to(uri: str) -> Engine:
    scheme, _, place = uri.partition(":")
    library = LIBRARIES.get(scheme)
    return create_engine(f"{scheme}+{library}:{place}" if library else uri)


@pytest.fixture
def migrate(uri: str) -> Migrate:
    """Runs a command of Alembic on the database."""

    def run(step: Callable[[Config, str], None], revision: str) -> None:
        config = Config()
        config.set_main_option("script_location", "mqcore_sql:migrations")
        engine = connect_to(uri)
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            step(config, revision)
        engine.dispose()

    return run


def said(*words: str) -> str:
    """What the command says."""
    done = subprocess.run(
        [sys.executable, "-m", "mqcore", *words], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("uri", STORES, indirect=True)
def test_what_is_stored_survives_the_way_down_to_the_second_schema_and_up_again(
    uri: str, migrate: Migrate, clock: Clock
) -> None:
    new, name = NewMessage(new_id(), b"1", 600), "http://a.example/" + 100 * "\U0001f600"
    driver = bare_opener(uri)(clock)
    driver.queues.create(QUEUE, {})
    driver.messages.post(QUEUE, [new])
    driver.subscriptions.create(QUEUE, NewSubscription(new_id(), name, 600, {}))
    driver.close()
    migrate(command.downgrade, "0002")
    migrate(command.upgrade, "head")
    driver = bare_opener(uri)(clock)
    assert [one.id for one in driver.messages.list(QUEUE).items] == [new.id]
    assert driver.queues.stats(QUEUE).free == 1
    assert driver.subscriptions.get_by_subscriber(QUEUE, name).subscriber == name
    driver.close()


@pytest.mark.parametrize("uri", STORES, indirect=True)
def test_the_way_down_ends_with_an_empty_database(uri: str, migrate: Migrate, clock: Clock) -> None:
    bare_opener(uri)(clock).close()
    migrate(command.downgrade, "base")
    migrate(command.upgrade, "head")
    driver = bare_opener(uri)(clock)
    assert driver.queues.create(QUEUE, {})
    driver.close()


@pytest.mark.parametrize("uri", SERVERS, indirect=True)
def test_older_tables_on_a_server_are_upgraded_on_demand_only(
    uri: str, migrate: Migrate, clock: Clock
) -> None:
    migrate(command.upgrade, "0002")
    with pytest.raises(Misconfigured, match="mqcore db upgrade"):
        bare_opener(uri)(clock)
    assert "schema 0002; this mqcore needs" in said("db", "version", uri)
    assert f"upgraded from 0002 to {schema.HEAD}" in said("db", "upgrade", uri)
    assert "nothing to do" in said("db", "upgrade", uri)
    bare_opener(uri)(clock).close()


@pytest.mark.parametrize("uri", STORES, indirect=True)
def test_newer_tables_are_refused_and_stay(uri: str, clock: Clock) -> None:
    bare_opener(uri)(clock).close()
    engine = connect_to(uri)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(Misconfigured, match=r"newer mqcore.*upgrade mqcore"):
        bare_opener(uri)(clock)
    assert "newer mqcore" in said("db", "upgrade", uri)
    assert "schema 9999 of a newer mqcore" in said("db", "version", uri)


@pytest.mark.parametrize("uri", STORES, indirect=True)
def test_several_that_open_an_empty_database_at_once_make_its_tables_once(
    uri: str, clock: Clock
) -> None:
    def create(_: int) -> bool:
        driver = bare_opener(uri)(clock)
        try:
            return driver.queues.create(QUEUE, {})
        finally:
            driver.close()

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(create, range(6))) == [False] * 5 + [True]


@pytest.mark.parametrize("uri", STORES, indirect=True)
def test_the_commands_say_what_is_there(uri: str) -> None:
    assert "empty" in said("db", "version", uri)
    assert f"schema {schema.HEAD} made" in said("db", "upgrade", uri)
    assert f"schema {schema.HEAD}, the newest" in said("db", "version", uri)


def test_a_store_without_tables_has_nothing_to_upgrade() -> None:
    assert schema_of("memory://") is None
    assert "no tables" in said("db", "version", "memory://")
    assert "no installed driver" in said("db", "version", "rabbit://")


@pytest.mark.parametrize("uri", SERVERS, indirect=True)
def test_a_password_stays_out_of_what_the_commands_say(uri: str) -> None:
    for action in ("upgrade", "version"):
        assert "%2F" not in said("db", action, uri)


@pytest.mark.parametrize("uri", ["mariadb"], indirect=True)
def test_tables_that_a_dead_process_left_half_made_are_made_anew(
    uri: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in ("create_index", "drop_table", "bulk_insert"):
        with monkeypatch.context() as patch:
            patch.setattr(op, step, dying)
            with pytest.raises(ZeroDivisionError):
                bare_opener(uri)(clock)
        assert "empty" in said("db", "version", uri)
    driver = bare_opener(uri)(clock)
    assert driver.queues.create(QUEUE, {})
    driver.close()
    assert f"schema {schema.HEAD}, the newest" in said("db", "version", uri)


@pytest.mark.parametrize("uri", ["mariadb"], indirect=True)
def test_tables_that_an_upgrade_left_half_done_are_refused(
    uri: str, migrate: Migrate, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(command.upgrade, "0002")
    schemas = schema_of(uri)
    assert schemas
    with monkeypatch.context() as patch:
        patch.setattr(op, "bulk_insert", dying)
        with pytest.raises(ZeroDivisionError):
            schemas.upgrade(uri)
    for use in (lambda: bare_opener(uri)(clock), lambda: schemas.upgrade(uri)):
        with pytest.raises(Misconfigured, match=r"from 0002 ended halfway.*restore the backup"):
            use()
    assert "restore the backup" in said("db", "version", uri)


@pytest.mark.parametrize("uri", SERVERS, indirect=True)
def test_alembic_finds_nothing_to_change(uri: str, clock: Clock) -> None:
    bare_opener(uri)(clock).close()
    engine = connect_to(uri)
    with engine.connect() as connection:
        options = {"version_table": schema.VERSION_TABLE}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def dying(*_: object, **__: object) -> None:
    raise ZeroDivisionError
