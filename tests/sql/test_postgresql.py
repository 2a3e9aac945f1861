"""A PostgreSQL that stalls, dies, or refuses: what a deployer and a caller are told."""

import time
from collections.abc import Iterator
from threading import Event, Thread
from urllib.parse import urlsplit

import pytest
from mqcore_sql import schema
from mqcore_sql.driver import SqlDriver
from mqcore_sql.postgresql import open_driver
from sqlalchemy import create_engine, func, select

from mqcore.contract import (
    BadUri,
    Claim,
    ClaimRequest,
    Handle,
    Misconfigured,
    NewMessage,
    Unavailable,
    new_id,
)
from tests.backends import PostgreSQL

from .conftest import QUEUE

TIMEOUTS = "statement_timeout=0.5&connect_timeout=1"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    """One that may be stalled and killed."""
    with PostgreSQL() as server:
        yield server


@pytest.fixture
def uri(server: PostgreSQL) -> str:
    return server.fresh_database()


@pytest.fixture
def driver(uri: str) -> Iterator[SqlDriver]:
    driver = open_driver(f"{uri}?{TIMEOUTS}", clock=time.time)
    driver.queues.create(QUEUE, {})
    yield driver
    driver.close()


def post(driver: SqlDriver) -> str:
    new = NewMessage(new_id(), b"1", 86_400)
    driver.messages.post(QUEUE, [new])
    return new.id


def test_a_stall_ends_in_unavailable_and_the_same_handle_goes_on_after_it(
    server: PostgreSQL, driver: SqlDriver
) -> None:
    before = post(driver)
    server.pause()
    try:
        for call in (post, SqlDriver.ping):
            with pytest.raises(Unavailable):
                call(driver)
    finally:
        server.resume()
    after = post(driver)
    listed = [one.id for one in driver.messages.list(QUEUE).items]
    assert {before, after} <= set(listed)


def test_nothing_acknowledged_is_lost_when_the_database_is_killed_under_load(
    server: PostgreSQL, driver: SqlDriver, uri: str
) -> None:
    acknowledged: list[str] = []
    deleted: list[str] = []
    stop = Event()

    def work() -> None:
        while not stop.is_set():
            try:
                acknowledged.append(post(driver))
                (claim,) = driver.claims.claim(QUEUE, [ClaimRequest(new_id(), 2, 600, 0)])
                if isinstance(claim, Claim) and len(acknowledged) % 3:
                    doomed = claim.messages[0].id
                    deleted.append(doomed)  # before: its answer may be lost
                    driver.messages.delete(QUEUE, [Handle(doomed, (claim.id,))])
            except Unavailable:
                stop.wait(0.01)

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        reached = len(acknowledged) + 40
        while len(acknowledged) < reached:
            time.sleep(0.01)
        server.kill()
        server.start()
    reached = len(acknowledged) + 40
    while len(acknowledged) < reached:
        time.sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    everything = driver.messages.list(
        QUEUE, limit=100_000, include_claimed=True, include_delayed=True
    )
    there = {one.id for one in everything.items}
    assert set(acknowledged) - set(deleted) <= there
    # The counts are those of the rows.
    stats = driver.queues.stats(QUEUE)
    held = sum(1 for one in everything.items if one.claim_id)
    assert (stats.total, stats.claimed) == (len(there), held)
    engine = create_engine(uri.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        rows = connection.execute(
            select(func.count()).where(schema.messages.c.queue_id != schema.BALLAST)
        ).scalar()
    engine.dispose()
    assert rows == stats.total


BAD = {
    "password": ("refuses the password", Misconfigured),
    "database": ("does not exist; create it", Misconfigured),
    "option": ("unknown option colour", BadUri),
    "sslmode": ("sslmode", Misconfigured),
    "port": ("cannot be used", Unavailable),
}


@pytest.mark.parametrize("part", BAD)
def test_what_is_wrong_is_named_without_the_password(uri: str, part: str) -> None:
    at = urlsplit(uri)
    wrong = {
        "password": at._replace(netloc=at.netloc.replace("mqcore:", "mqcore:wrong")),
        "database": at._replace(path="/elsewhere"),
        "option": at._replace(query="colour=red"),
        "sslmode": at._replace(query="sslmode=require"),
        "port": at._replace(netloc=at.netloc.replace(f":{at.port}", ":1")),
    }[part]
    said, kind = BAD[part]
    with pytest.raises(kind) as raised:
        open_driver(wrong.geturl(), clock=time.time)
    assert said in str(raised.value)
    for secret in (PostgreSQL.password, at.password or "", "wrong"):
        assert secret not in str(raised.value)


def test_a_user_without_rights_is_told_so(server: PostgreSQL, uri: str) -> None:
    server.sql("CREATE USER guest PASSWORD 'guest'", uri)
    at = urlsplit(uri)
    guest = at._replace(netloc=f"guest:guest@127.0.0.1:{at.port}").geturl()
    with pytest.raises(Misconfigured, match="grant CREATE"):
        open_driver(guest, clock=time.time)


def test_tls_is_verified() -> None:
    with PostgreSQL(fsync=False, tls=True) as server:
        open_driver(server.uri, clock=time.time).close()
        plain = urlsplit(server.uri)._replace(query="sslmode=disable").geturl()
        with pytest.raises(Misconfigured, match="sslmode"):
            open_driver(plain, clock=time.time)
