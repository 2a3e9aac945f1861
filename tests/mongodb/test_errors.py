"""What a MongoDB that cannot be used is called."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import quote

import pytest
from mqcore_mongodb.driver import MongoDriver, open_driver

from mqcore.contract import BadUri, Misconfigured, NewMessage, TooLarge, Unavailable, new_id

from ..backends import MongoDB, MongoSet
from ..backends.base import free_port
from .conftest import QUEUE, post


def opened(uri: str) -> MongoDriver:
    return open_driver(uri, clock=time.time)


@pytest.fixture(scope="module")
def secured() -> Iterator[MongoDB]:
    """With TLS, SCRAM and a key file between its members."""
    with MongoDB(replica_set=True, tls=True, password=True) as server:
        yield server


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("mongodb://host/a.b", "the database must be a name"),
        ("mongodb://host/q?pool=7", "unknown option pool"),
        ("mongodb://host/q?timeout=soon", "timeout must be a number"),
        ("mongodb://host/q?tls_ca_file=x", "tls_... options need tls=yes"),
        ("mongodb://host/q?auth_mechanism=PLAIN", "auth_mechanism must be one of"),
        ("mongodb://user@host/q", "write the password of the user"),
        ("mongodb://host/q#a", "write a '#' as %23"),
        ("mongodb+srv://one,two/q", "write one name without a port"),
    ],
)
def test_a_uri_that_cannot_be_used_says_why(uri: str, said: str) -> None:
    with pytest.raises(BadUri, match=re.escape(said)):
        opened(uri)


def test_tls_and_a_password_are_all_that_is_needed(secured: MongoDB) -> None:
    with closing(opened(secured.fresh_database())) as driver:
        driver.queues.create(QUEUE, {})
        assert len(post(driver, 3)) == 3


def test_a_wrong_password_is_named_and_not_told(secured: MongoDB) -> None:
    wrong = secured.fresh_database().replace(quote(secured.password, safe=""), "sesame")
    with pytest.raises(Misconfigured, match="refuses the user or the password") as caught:
        opened(wrong)
    assert "sesame" not in str(caught.value)


def test_a_server_that_wants_a_user_says_so(secured: MongoDB) -> None:
    nobody = re.sub("//.*@", "//", secured.fresh_database())
    with pytest.raises(Misconfigured, match="wants a user"):
        opened(nobody)


def test_a_certificate_that_is_not_trusted_is_named(secured: MongoDB) -> None:
    uri = secured.fresh_database()
    distrusting = re.sub("&?tls_ca_file=[^&]*", "", uri) + "&primary_timeout=0.5"
    with pytest.raises(Misconfigured, match=r"not trusted; name \?tls_ca_file="):
        opened(distrusting)


def test_a_user_without_rights_on_the_database_is_told_which(secured: MongoDB) -> None:
    reader = {"createUser": "reader", "pwd": "secret", "roles": ["read"]}
    secured.admin(reader)
    secret = quote(secured.password, safe="")
    uri = secured.fresh_database().replace(f"{secured.user}:{secret}", "reader:secret")
    with pytest.raises(Misconfigured, match="grant it readWrite on the database"):
        opened(uri)


def test_rights_that_are_taken_away_later_are_named(secured: MongoDB) -> None:
    rights = {"createUser": "later", "pwd": "secret", "roles": ["readWriteAnyDatabase"]}
    secured.admin(rights)
    secret = quote(secured.password, safe="")
    uri = secured.fresh_database().replace(f"{secured.user}:{secret}", "later:secret")
    with closing(opened(uri)) as driver:
        driver.queues.create(QUEUE, {})
        (posted,) = post(driver, 1)
        secured.admin({"updateUser": "later", "roles": ["readAnyDatabase"]})
        with pytest.raises(Unavailable, match="grant it readWrite on the database"):
            post(driver, 1)
        secured.admin({"updateUser": "later", "roles": ["readWriteAnyDatabase"]})
        assert driver.messages.get(QUEUE, posted).id == posted


def test_another_replica_set_is_named(mongodb: MongoDB) -> None:
    uri = mongodb.fresh_database().replace("replica_set=rs0", "replica_set=rs1")
    with pytest.raises((Misconfigured, Unavailable), match="is of another replica set"):
        opened(f"{uri}&primary_timeout=0.5")


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="has no primary that can be reached"):
        opened(f"mongodb://127.0.0.1:{free_port()}/q?primary_timeout=0.1")


def test_a_member_without_a_primary_is_named() -> None:
    with MongoSet() as servers:
        secondary = next(node for node in servers.nodes if node is not servers.primary)
        with pytest.raises(Misconfigured, match="is not a primary"):
            opened(f"mongodb://127.0.0.1:{secondary.port}/q?direct=yes")
        for node in servers.nodes:
            if node is not secondary:
                node.kill()
        with pytest.raises(Unavailable, match="has no primary that can be reached"):
            opened(f"mongodb://127.0.0.1:{secondary.port}/q?replica_set=rs0&primary_timeout=0.5")


def test_an_old_server_is_refused(mongodb: MongoDB, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is not old; what is needed is newer."""
    monkeypatch.setattr("mqcore_mongodb.server.OLDEST", (99, 1))
    with pytest.raises(Misconfigured, match=r"has version \d+\.\d+; mqcore needs 99.1 or newer"):
        opened(mongodb.fresh_database())


def test_data_of_another_layout_is_refused(mongodb: MongoDB, uri: str) -> None:
    opened(uri).close()
    with mongodb.client() as client:
        numbers = client[uri.rpartition("/")[2].partition("?")[0]]["numbers"]
        numbers.update_one({"_id": "layout"}, {"$set": {"n": 99}})
    with pytest.raises(Misconfigured, match="has the layout 99"):
        opened(uri)


def test_a_message_that_no_document_holds_is_refused_and_nothing_is_stored(
    driver: MongoDriver,
) -> None:
    batch = [NewMessage(new_id(), b"x", 60), NewMessage(new_id(), b"x" * 16 * 2**20, 60)]
    with pytest.raises(TooLarge, match="takes up to"):
        driver.messages.post(QUEUE, batch)
    assert driver.messages.list(QUEUE).items == ()


def test_a_batch_larger_than_one_request_is_stored_as_a_whole(driver: MongoDriver) -> None:
    batch = [NewMessage(new_id(), b"x" * 2**20, 3600) for _ in range(60)]
    assert list(driver.messages.post(QUEUE, batch)) == [new.id for new in batch]
    assert len(driver.messages.list(QUEUE, limit=100).items) == 60


def test_several_open_an_empty_store_at_once(mongodb: MongoDB) -> None:
    uri = mongodb.fresh_database()
    with ThreadPoolExecutor(4) as pool:
        drivers = list(pool.map(opened, [uri] * 4))
    drivers[0].queues.create(QUEUE, {})
    assert all(driver.queues.exists(QUEUE) for driver in drivers)
    for driver in drivers:
        driver.close()
