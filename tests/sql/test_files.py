"""Database files that cannot be used, and what the deployer is told."""

import os
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from mqcore_sql.driver import SqlDriver, open_driver
from sqlalchemy import Pool, event

from mqcore.conformance import Clock
from mqcore.contract import BadUri, Capability, Misconfigured, Unavailable

from .conftest import QUEUE, Open, new, post


@pytest.mark.parametrize(
    ("uri", "advice"),
    [
        ("sqlite://", "memory://"),
        ("sqlite:///", "memory://"),
        ("sqlite:///:memory:", "memory://"),
        ("sqlite://queues.db", "three slashes"),
        ("sqlite:///a#b.db", "%23"),
        ("sqlite:///a.db?busy_timeout=soon", "busy_timeout must be a number"),
        ("sqlite:///a.db?synchronous=off", "synchronous must be one of full, normal"),
        ("sqlite:///a.db?wal=1", "known options: busy_timeout, synchronous"),
        ("sqlite:///a%00b.db", "null character"),
    ],
)
def test_a_bad_uri_is_refused_with_advice(uri: str, advice: str, clock: Clock) -> None:
    with pytest.raises(BadUri, match=advice.replace("?", r"\?")):
        open_driver(uri, clock=clock)


def test_relative_and_escaped_paths(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for uri, name in (("sqlite:///a.db", "a.db"), ("sqlite:///b%23%3F%25 c.db", "b#?% c.db")):
        with closing(open_driver(uri, clock=clock)) as driver:
            driver.queues.create(QUEUE, {})
        assert (tmp_path / name).is_file()
        assert not (tmp_path / f"{name}-wal").exists(), "closing leaves one file"


def test_only_its_user_may_read_a_new_file(driver: SqlDriver, path: Path) -> None:
    driver.ping()
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0


def test_without_full_synchronous_nothing_is_declared_durable(open_handle: Open) -> None:
    assert Capability.DURABLE in open_handle().capabilities
    assert Capability.DURABLE not in open_handle("?synchronous=normal").capabilities


def test_a_missing_folder(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(Misconfigured, match="does not exist; create it"):
        open_driver(f"sqlite:///{tmp_path}/none/a.db", clock=clock)


def test_a_folder(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(Misconfigured, match="is a folder; name a file in it"):
        open_driver(f"sqlite:///{tmp_path}", clock=clock)


def test_a_file_in_place_of_the_folder(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="cannot be created"):
        open_driver(f"sqlite:///{tmp_path}/file/a.db", clock=clock)


def test_a_file_of_another_kind(path: Path, open_handle: Open) -> None:
    path.write_bytes(b"not a database, but a diary\n" * 500)
    with pytest.raises(Misconfigured, match="is not an SQLite database; name another file"):
        open_handle()
    assert path.read_bytes().startswith(b"not a database")


def test_the_database_of_another_program(path: Path, open_handle: Open) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()
    with pytest.raises(Misconfigured, match="belongs to another program"):
        open_handle()
    assert path.read_bytes() == before


def test_a_newer_schema(driver: SqlDriver, path: Path, open_handle: Open) -> None:
    driver.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE mqcore_version SET version_num = '9999'")
    with pytest.raises(Misconfigured, match=r"schema '9999' of a newer mqcore.*upgrade mqcore"):
        open_handle()


def test_a_damaged_file(driver: SqlDriver, path: Path, open_handle: Open) -> None:
    post(driver, 1000)
    driver.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(Misconfigured, match="is damaged; restore it from a backup"):
        open_handle()


@contextmanager
def unprivileged() -> Iterator[None]:
    """As a user whom permissions bind, also when the tests run as root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("what", ["file", "folder", "new file"])
def test_no_permission_to_write(what: str, clock: Clock) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "queues.db"
        if what != "new file":
            open_driver(f"sqlite:///{path}", clock=clock).close()
            path.chmod(0o444 if what == "file" else 0o666)
        Path(name).chmod(0o777 if what == "file" else 0o555)
        with unprivileged(), pytest.raises(Misconfigured, match="let this user"):
            open_driver(f"sqlite:///{path}", clock=clock)
        Path(name).chmod(0o700)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Somebody else is writing."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_a_locked_file_can_be_read_but_neither_written_nor_opened(
    path: Path, driver: SqlDriver, open_handle: Open
) -> None:
    hasty = open_handle("?busy_timeout=0.05")
    posted = post(driver, 3)
    with locked(path):
        with pytest.raises(Unavailable, match="locked by another process") as refused:
            hasty.messages.post(QUEUE, new(1))
        assert refused.value.__cause__ is not None
        with pytest.raises(Unavailable, match="raise busy_timeout"):
            open_handle("?busy_timeout=0.05")
        assert [each.id for each in hasty.messages.list(QUEUE).items] == posted
        assert hasty.queues.stats(QUEUE).free == 3
    assert len(post(hasty, 1)) == 1


def test_a_full_disk_loses_nothing_and_the_handle_works_on(open_handle: Open, path: Path) -> None:
    def small(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 200")

    event.listen(Pool, "connect", small)
    try:
        driver = open_handle()
        driver.queues.create(QUEUE, {})
        stored: list[str] = []

        def until_full() -> None:
            for _ in range(200):
                batch = new(100)
                driver.messages.post(QUEUE, batch)
                stored.extend(each.id for each in batch)

        with pytest.raises(Unavailable, match="cannot grow; make room on its disk"):
            until_full()
        assert stored
        listed = driver.messages.list(QUEUE, limit=100_000).items
        assert [each.id for each in listed] == stored
        assert driver.queues.stats(QUEUE).free == len(stored)
        taken = driver.messages.pop(QUEUE, 200)
        assert [each.id for each in taken] == stored[:200]
        assert len(post(driver, 10)) == 10
    finally:
        event.remove(Pool, "connect", small)


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.rename(f"{path}.old")])
def test_a_file_that_was_taken_away_takes_no_more_writes(
    harm: Callable[[Path], object], driver: SqlDriver, path: Path
) -> None:
    post(driver, 1)
    harm(path)
    for call in (driver.ping, lambda: post(driver, 1)):
        with pytest.raises(Unavailable, match="cannot be found any more"):
            call()


def test_a_file_that_was_replaced_takes_no_more_writes(
    driver: SqlDriver, path: Path, clock: Clock
) -> None:
    other = path.with_name("other.db")
    open_driver(f"sqlite:///{other}", clock=clock).close()
    other.rename(path)
    with pytest.raises(Unavailable, match="was removed or replaced while in use"):
        post(driver, 1)
