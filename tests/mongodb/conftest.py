"""What tests of the MongoDB driver share: a store of their own on the common server."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from mqcore_mongodb.driver import MongoDriver, open_driver
from pymongo.database import Database

from mqcore.conformance import Clock
from mqcore.contract import Claim, ClaimRequest, NewMessage, QueueRef, new_id

from ..backends import MongoDB

QUEUE = QueueRef("project", "queue")


def new_messages(
    n: int, *, body: bytes = b"{}", ttl: int = 3600, client: str | None = None
) -> list[NewMessage]:
    return [NewMessage(new_id(), body, ttl, client=client) for _ in range(n)]


def post(driver: MongoDriver, n: int, *, ttl: int = 3600) -> list[str]:
    posted = driver.messages.post(QUEUE, new_messages(n, ttl=ttl))
    assert all(isinstance(each, str) for each in posted)
    return [str(each) for each in posted]


def claim(driver: MongoDriver, limit: int, *, ttl: int = 300) -> Claim | None:
    (made,) = driver.claims.claim(QUEUE, [ClaimRequest(new_id(), limit, ttl, 60)])
    assert made is None or isinstance(made, Claim)
    return made


def listed(driver: MongoDriver) -> list[str]:
    page = driver.messages.list(QUEUE, limit=10_000, include_claimed=True, include_delayed=True)
    return [message.id for message in page.items]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def uri(mongodb: MongoDB) -> str:
    return mongodb.fresh_database()


@pytest.fixture
def driver(uri: str, clock: Clock) -> Iterator[MongoDriver]:
    driver = open_driver(uri, clock=clock)
    driver.queues.create(QUEUE, {})
    yield driver
    driver.close()


@pytest.fixture
def database(mongodb: MongoDB, uri: str) -> Iterator[Database[dict[str, object]]]:
    """What the driver of the test keeps, past the driver."""
    with mongodb.client() as client:
        yield client[urlsplit(uri).path[1:]]
