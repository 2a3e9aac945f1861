"""Listings that are held up: no message is in two claims, and none is lost."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from mqcore_swift.driver import SwiftDriver

from mqcore.contract import Unavailable, new_id
from tests.backends import Swift

from .conftest import QUEUE, Handles, claim, post


@contextmanager
def locked_again_and_again(database: Path, seconds: float) -> Iterator[None]:
    """Hold the lock for so long, then let go for a moment."""
    done = threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(database, timeout=60)) as connection:
            while not done.is_set():
                connection.execute("BEGIN IMMEDIATE")
                done.wait(seconds)
                connection.rollback()
                done.wait(0.2)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        yield
    finally:
        done.set()
        holder.join()


def databases(server: Swift, container: str) -> list[Path]:
    """Those of the container: one for each replica."""

    def name(path: Path) -> str:
        with closing(sqlite3.connect(path, timeout=60)) as connection:
            (found,) = connection.execute("SELECT container FROM container_info").fetchone()
        return str(found)

    return [path for path in server.container_databases() if name(path) == container]


def claim_all(driver: SwiftDriver) -> list[str]:
    """Claim until nothing is left, each time with the same id until there is an answer."""
    mine: list[str] = []
    claim_id = new_id()
    while True:
        try:
            got = claim(driver, 3, claim_id)
        except Unavailable:
            continue
        if not got:
            return mine
        mine += got
        claim_id = new_id()


@pytest.mark.parametrize(("replicas", "seconds"), [(1, 0.4), (3, 0.4), (3, 1.5)])
def test_claims_stay_exclusive(replicas: int, seconds: float) -> None:
    """Of three replicas, one is held up; longer than a second, and names are missing there."""
    with Swift(replicas=replicas, update_timeout=1) as server:
        handles = Handles(server.fresh_database())
        drivers = [handles.open() for _ in range(3)]
        drivers[0].queues.create(QUEUE, {})
        posted = [each for _ in range(3) for each in post(drivers[0], 8)]
        first, *_ = databases(server, handles.uri.partition("container=")[2])
        with locked_again_and_again(first, seconds), ThreadPoolExecutor(3) as pool:
            claimed = [each for some in pool.map(claim_all, drivers) for each in some]
        # A listing that lags may have hidden the last ones.
        for _ in range(20):
            claimed += claim_all(drivers[0])
        assert sorted(claimed) == posted
        handles.close()
