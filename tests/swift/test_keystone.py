"""Authentication by Keystone: by password and by an application credential."""

import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from mqcore_swift.driver import open_driver

from mqcore.contract import Misconfigured, Unavailable
from tests.backends import Swift

from .conftest import QUEUE, claim, post
from .keystone import CREDENTIAL, PASSWORD, PROJECT, SECRET, USER, Keystone, running


@pytest.fixture
def keystone(swift: Swift) -> Iterator[Keystone]:
    with running(swift) as server:
        yield server


def uri(keystone: Keystone, **options: str) -> str:
    """By password, unless told otherwise."""
    user, secret = USER, PASSWORD
    if options.get("auth") == "application_credential":
        user, secret = CREDENTIAL, SECRET
    else:
        options = {"auth": "password", "project": PROJECT, **options}
    user, secret = options.pop("user", user), options.pop("secret", secret)
    more = "&".join(f"{name}={value}" for name, value in options.items())
    where = f"127.0.0.1:{keystone.port}/v3"
    return f"swift://{user}:{quote(secret, safe='')}@{where}?container=by-keystone&{more}"


@pytest.mark.parametrize(
    "options",
    [{}, {"region": "one"}, {"auth": "application_credential"}, {"interface": "public"}],
)
def test_a_user_of_keystone_works(keystone: Keystone, options: dict[str, str]) -> None:
    driver = open_driver(uri(keystone, **options), clock=time.time)
    driver.queues.create(QUEUE, {})
    driver.messages.purge(QUEUE)
    posted = post(driver, 3)
    assert claim(driver) == posted
    assert keystone.issued == 1
    driver.close()


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"secret": "wrong"}, Misconfigured, "refuses the user or the key"),
        ({"project": "other"}, Misconfigured, "refuses the user or the key"),
        ({"user_domain": "other"}, Misconfigured, "refuses the user or the key"),
        ({"auth": "application_credential", "secret": "x"}, Misconfigured, "refuses the user"),
        ({"region": "three"}, Misconfigured, "correct .region= or .interface="),
        ({"interface": "internal"}, Unavailable, "cannot be reached"),
    ],
)
def test_what_keystone_refuses_is_said(
    keystone: Keystone, options: dict[str, str], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        open_driver(uri(keystone, **options), clock=time.time)


def test_an_address_that_is_not_keystones_is_refused(keystone: Keystone, swift: Swift) -> None:
    there = uri(keystone).replace(str(keystone.port), str(swift.port))
    with pytest.raises(Misconfigured, match="address is that of its authentication"):
        open_driver(there, clock=time.time)


def test_a_token_that_was_revoked_is_renewed(swift: Swift) -> None:
    with Swift() as own, running(own) as keystone:
        driver = open_driver(uri(keystone), clock=time.time)
        driver.queues.create(QUEUE, {})
        posted = post(driver)
        own.kill()
        own.start()
        assert claim(driver) == posted
        assert keystone.issued == 2
        driver.close()
