"""A MariaDB that stalls, dies, or refuses: what a deployer and a caller are told."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import pytest
import trustme
from mqcore_sql.claims import _claim
from mqcore_sql.mysql import open_driver
from mqcore_sql.session import Work

from mqcore.contract import (
    BadUri,
    Capability,
    Claim,
    ClaimRequest,
    Misconfigured,
    NewMessage,
    QueueRef,
    TooLarge,
    Unavailable,
    new_id,
)
from tests.backends import MariaDB

from .conftest import QUEUE
from .failing import Bad, FailingServer, Queries, post


class SmallMariaDB(MariaDB):
    """All tables are in one file, whose size has a limit."""

    limit = "40M"

    def command(self) -> list[str]:
        file = f"--innodb-data-file-path=ibdata1:12M:autoextend:max:{self.limit}"
        return [*super().command(), file, "--innodb-file-per-table=OFF"]

    def grow(self) -> None:
        self.limit = "80M"
        self.stop()
        self.start()


class TestMariaDB(FailingServer):
    kind = MariaDB
    library = "pymysql"
    open_driver = staticmethod(open_driver)
    bad: ClassVar[Bad] = {
        "user": ("refuses this user, the password", Misconfigured),
        "password": ("refuses this user, the password", Misconfigured),
        "database": ("does not exist; create it", Misconfigured),
        "no database": ("name the database", BadUri),
        "port": ("cannot be used", Unavailable),
        "option": ("unknown option colour", BadUri),
        "TLS": ("does not give the TLS", Misconfigured),
        "mode": ("ssl_mode must be one of", BadUri),
        "file": ("name files in PEM format", Misconfigured),
    }
    queries: ClassVar[Queries] = {
        "option": "colour=red",
        "TLS": "ssl_mode=required",
        "mode": "ssl_mode=on",
        "file": "ssl_ca=/nowhere.pem",
    }
    no_rights = "gives this user no right"

    @pytest.fixture(autouse=True)
    def limit(self, server: MariaDB) -> None:
        server.sql("SET GLOBAL max_connections = 151")

    def guest(self, server: MariaDB, uri: str, *, rights: bool) -> str:
        at = urlsplit(uri)
        name = f"guest_{at.path[-12:]}"
        server.sql(f"CREATE USER {name} IDENTIFIED BY 'guest'")
        granted = "ALL" if rights else "SELECT"
        server.sql(f"GRANT {granted} ON {at.path[1:]}.* TO {name}")
        server.sql("SET GLOBAL max_connections = 10")
        return at._replace(netloc=f"{name}:guest@127.0.0.1:{server.port}").geturl()

    @contextmanager
    def small(self) -> Iterator[tuple[str, Callable[[], object]]]:
        with SmallMariaDB(fsync=False) as server:
            yield server.uri, server.grow

    def test_a_claim_locks_no_more_than_it_takes(self, uri: str) -> None:
        with closing(self.open(uri)) as driver, closing(self.open(uri)) as other:
            driver.queues.create(QUEUE, {})
            for _ in range(20):
                post(driver)

            def job(work: Work) -> None:
                """What others can do before the transaction of a claim ends."""
                (claim,) = _claim(work, QUEUE, [ClaimRequest(new_id(), 5, 60, 0)])
                with self.engine(uri).connect() as connection:
                    rest = "SELECT seq FROM messages FOR UPDATE SKIP LOCKED"
                    assert len(connection.exec_driver_sql(rest).all()) == 15
                (rest_of_them,) = other.claims.claim(QUEUE, [ClaimRequest(new_id(), 20, 60, 0)])
                assert isinstance(claim, Claim)
                assert isinstance(rest_of_them, Claim)
                assert (len(claim.messages), len(rest_of_them.messages)) == (5, 15)

            driver._store.write(job)
            assert driver.queues.stats(QUEUE).claimed == 20

    def test_a_database_that_a_user_may_not_see_is_named(self, server: MariaDB, uri: str) -> None:
        guest = urlsplit(self.guest(server, uri, rights=True))
        with pytest.raises(Misconfigured, match="does not exist, or gives this user no rights"):
            open_driver(guest._replace(path="/mysql").geturl(), clock=time.time)

    def test_a_body_that_is_too_large_for_a_packet_is_refused_and_the_handle_goes_on(
        self, server: MariaDB, uri: str
    ) -> None:
        driver = self.open(uri)
        driver.queues.create(QUEUE, {})
        ids = [new_id() for _ in range(3)]
        half = NewMessage(ids[0], b"x" * 8_000_000, 600)
        driver.messages.post(QUEUE, [half])
        with pytest.raises(TooLarge, match="max_allowed_packet"):
            driver.messages.post(QUEUE, [NewMessage(ids[1], b"x" * 17_000_000, 600)])
        driver.messages.post(QUEUE, [NewMessage(ids[2], b"1", 600)])
        assert [len(m.body) for m in driver.messages.list(QUEUE).items] == [8_000_000, 1]
        driver.close()

    def test_a_statement_that_waits_for_a_lock_too_long_is_given_up(self, uri: str) -> None:
        driver = self.open(f"{uri}?statement_timeout=1")
        driver.queues.create(QUEUE, {})
        with self.engine(uri).connect() as other:
            other.exec_driver_sql("SELECT * FROM numbers FOR UPDATE")
            with pytest.raises(Unavailable, match="statement_timeout"):
                driver.messages.post(QUEUE, [NewMessage(new_id(), b"1", 600)])
        driver.messages.post(QUEUE, [NewMessage(new_id(), b"1", 600)])
        assert driver.queues.stats(QUEUE).total == 1
        driver.close()

    def test_names_differ_by_case_accents_and_trailing_blanks(self, uri: str) -> None:
        driver = self.open(uri)
        names = ["a", "A", "\u00e4", "a ", "a\u0301", "\U0001f600", "\U0001f601", "\u00df", "ss"]
        for name in names:
            assert driver.queues.create(QueueRef("p", name), {"name": name})
        for name in names:
            assert driver.queues.get(QueueRef("p", name)).metadata == {"name": name}
        listed = [queue.name for queue in driver.queues.list("p", limit=100).items]
        assert listed == sorted(names)
        driver.close()

    def test_durability_is_as_the_server_is_set(self, server: MariaDB, uri: str) -> None:
        for setting, durable in ((1, True), (2, False), (0, False), (1, True)):
            server.sql(f"SET GLOBAL innodb_flush_log_at_trx_commit = {setting}")
            driver = self.open(uri)
            assert (Capability.DURABLE in driver.capabilities) is durable
            driver.close()


def test_tls_is_verified_and_demanded(tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(stranger)
    with MariaDB(fsync=False, tls=True) as server:
        at = urlsplit(server.uri)
        good = (at.query, f"{at.query}&ssl_mode=verify_ca", "ssl_mode=required", "")
        for query in good:
            open_driver(at._replace(query=query).geturl(), clock=time.time).close()
        bad = {
            "ssl_mode=disabled": "a connection without TLS",
            f"ssl_ca={stranger}": "does not give the TLS",
            "ssl_mode=verify_identity": "does not give the TLS",
        }
        for query, said in bad.items():
            with pytest.raises(Misconfigured, match=said):
                open_driver(at._replace(query=query).geturl(), clock=time.time)
