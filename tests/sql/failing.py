"""What holds when any database server stalls, dies, is full of connections, or refuses."""

import os
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from itertools import count
from threading import Event, Thread
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
from mqcore_sql import schema, tally
from mqcore_sql.driver import SqlDriver
from sqlalchemy import NullPool, create_engine, func, select
from sqlalchemy.exc import DBAPIError

from mqcore.contract import (
    Claim,
    ClaimRequest,
    Handle,
    Misconfigured,
    MQError,
    NewMessage,
    OpenDriver,
    Unavailable,
    new_id,
)
from tests.backends import Server

from .conftest import QUEUE

TIMEOUTS = "statement_timeout=0.5&connect_timeout=1"
Bad = dict[str, tuple[str, type[MQError]]]
Queries = dict[str, str]

RECOVERY = 2
"""Seconds after the return of the store in which a handle must go on."""


def post(driver: SqlDriver) -> str:
    new = NewMessage(new_id(), b"1", 86_400)
    driver.messages.post(QUEUE, [new])
    return new.id


def wait_for(acknowledged: list[str], more: int) -> None:
    reached = len(acknowledged) + more
    deadline = time.monotonic() + 60
    while len(acknowledged) < reached and time.monotonic() < deadline:
        time.sleep(0.005)
    assert len(acknowledged) >= reached


class FailingServer:
    """Tests of a server that may be stalled and killed."""

    kind: ClassVar[type[Server]]
    library: ClassVar[str]
    open_driver: ClassVar[OpenDriver]
    bad: ClassVar[Bad]
    """What a URI may have wrong: what is said of it."""
    queries: ClassVar[Queries]
    """Options that are wrong."""
    no_rights: ClassVar[str]
    stalled: ClassVar[str | None] = None
    """What is said when there is no answer, if anything certain."""

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Any]:
        with cls.kind() as server:
            yield server

    @pytest.fixture
    def uri(self, server: Server) -> str:
        return server.fresh_database()

    @pytest.fixture
    def driver(self, uri: str) -> Iterator[SqlDriver]:
        driver = self.open(f"{uri}?{TIMEOUTS}")
        driver.queues.create(QUEUE, {})
        yield driver
        driver.close()

    @abstractmethod
    def guest(self, server: Any, uri: str, *, rights: bool) -> str:
        """The URI for another user, who may have few connections and, unless told, no rights."""

    @abstractmethod
    def small(self) -> AbstractContextManager[tuple[str, Callable[[], object]]]:
        """The URI of a database that cannot hold 60 MB, and what makes it larger."""

    def open(self, uri: str) -> SqlDriver:
        opened = type(self).open_driver(uri, clock=time.time)
        assert isinstance(opened, SqlDriver)
        return opened

    def engine(self, uri: str) -> Any:
        at = urlsplit(uri)
        return create_engine(
            at._replace(scheme=f"{at.scheme}+{self.library}", query="").geturl(), poolclass=NullPool
        )

    def test_a_stall_ends_in_unavailable_and_the_same_handle_goes_on_after_it(
        self, server: Server, driver: SqlDriver
    ) -> None:
        before = post(driver)
        with ExitStack() as several:  # connections, that are idle then
            for _ in range(8):
                several.enter_context(driver._store.reading())
        server.pause()
        try:
            for call in (post, SqlDriver.ping):
                begin = time.monotonic()
                with pytest.raises(Unavailable, match=self.stalled):
                    call(driver)
                # The timeouts of a statement and of a connection, and the margin of both.
                assert time.monotonic() - begin < 6
        finally:
            server.resume()
        after = post(driver)
        listed = [one.id for one in driver.messages.list(QUEUE).items]
        assert {before, after} <= set(listed)

    def test_nothing_acknowledged_is_lost_when_the_database_is_killed_under_load(
        self, server: Server, driver: SqlDriver, uri: str
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
        try:
            for _ in range(2):
                wait_for(acknowledged, 40)
                server.kill()
                server.start()
                returned = time.monotonic()
                wait_for(acknowledged, 1)
                assert time.monotonic() - returned < RECOVERY
            wait_for(acknowledged, 40)
        finally:
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
        with self.engine(uri).connect() as connection:
            rows = connection.execute(
                select(func.count()).where(schema.messages.c.queue_id != schema.BALLAST)
            ).scalar()
        assert rows == stats.total

    def test_collecting_has_an_end_though_others_go_on_writing(
        self, driver: SqlDriver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        post(driver)
        fold, folds = tally.fold, count(1)

        def fold_beside_others(*arguments: Any) -> int:
            assert next(folds) < 50
            last = fold(*arguments)
            post(driver)
            return last

        monkeypatch.setattr(tally, "fold", fold_beside_others)
        driver.collect()
        assert driver.queues.stats(QUEUE).total == next(folds)

    def test_when_all_connections_are_taken_a_call_says_so_and_a_later_one_goes_on(
        self, server: Server, uri: str
    ) -> None:
        guest = self.guest(server, uri, rights=True)
        with closing(self.open(guest)) as driver, ExitStack() as taken:
            engine = self.engine(guest)
            with suppress(DBAPIError):
                for _ in range(20):
                    taken.enter_context(engine.connect())
            for call in (lambda: driver.queues.create(QUEUE, {}), lambda: self.open(guest)):
                with pytest.raises(Unavailable, match="no connection left; lower pool_size"):
                    call()
            taken.close()
            assert driver.queues.create(QUEUE, {})
            post(driver)

    def test_on_a_full_disk_nothing_is_lost_and_the_same_handle_goes_on_when_there_is_room(
        self,
    ) -> None:
        acknowledged: list[str] = []
        large = os.urandom(1_000_000)

        def post_large(driver: SqlDriver) -> None:
            new = NewMessage(new_id(), large, 600)
            driver.messages.post(QUEUE, [new])
            acknowledged.append(new.id)

        with ExitStack() as stack:
            uri, grow = stack.enter_context(self.small())
            driver = stack.enter_context(closing(self.open(uri)))
            driver.queues.create(QUEUE, {})

            def fill() -> None:
                for _ in range(60):
                    post_large(driver)

            with pytest.raises(Unavailable, match="cannot grow; make room on its disk"):
                fill()
            driver.ping()
            listed = [one.id for one in driver.messages.list(QUEUE, limit=100).items]
            assert listed == acknowledged
            grow()
            post_large(driver)
            assert driver.queues.stats(QUEUE).total == len(acknowledged)

    def test_what_is_wrong_is_named_without_the_password(self, server: Server, uri: str) -> None:
        at = urlsplit(uri)
        user = f"{at.username}:{at.password}@"
        wrong = {
            "user": at._replace(netloc=at.netloc.replace(user, f"nobody:{at.password}@")),
            "password": at._replace(netloc=at.netloc.replace(user, f"{at.username}:wrong@")),
            "database": at._replace(path="/elsewhere"),
            "no database": at._replace(path=""),
            "port": at._replace(netloc=at.netloc.replace(f":{at.port}", ":1")),
            **{name: at._replace(query=query) for name, query in self.queries.items()},
        }
        assert wrong.keys() == self.bad.keys()
        for part, (said, kind) in self.bad.items():
            with pytest.raises(kind) as raised:
                self.open(wrong[part].geturl())
            assert said in str(raised.value), part
            for secret in (Server.password, at.password or "", "wrong"):
                assert secret not in str(raised.value)

    def test_a_user_without_rights_is_told_so(self, server: Server, uri: str) -> None:
        with pytest.raises(Misconfigured, match=self.no_rights):
            self.open(self.guest(server, uri, rights=False))
