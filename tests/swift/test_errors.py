"""What goes wrong with Swift is said so that a deployer knows what to change."""

import re
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from mqcore_swift.driver import SwiftDriver, open_driver

from mqcore.conformance.proxy import Proxy
from mqcore.contract import BadUri, Misconfigured, Unavailable
from tests.backends import Swift

from .conftest import QUEUE, Handles, claim, post


def refusal(uri: str, kind: type[Exception] = Misconfigured) -> str:
    with pytest.raises(kind) as raised:
        open_driver(uri, clock=time.time)
    assert type(raised.value) is kind
    text = str(raised.value)
    assert "w%2Br" not in text
    assert Swift.password not in text
    return text


def with_user(uri: str, user: str, key: str) -> str:
    at = urlsplit(uri)
    place = at.netloc.rpartition("@")[2]
    return at._replace(netloc=f"{user}:{key}@{place}").geturl()


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("swift://host", "write the user and the key"),
        ("swift://u:k@host?container=a/b", "container must be a name"),
        ("swift://u:k@host?auth=password", "needs the project"),
        ("swift://u:k@host?auth=v2", "auth must be one of v1, password"),
        ("swift://u:k@host?ca=/x", "unknown option ca"),
        ("swift://u:k@host?region=x", "unknown option region"),
        ("swift://u:k@host?slow=0", "slow must be a number"),
        ("swift://u:k@one,two", "name one host only"),
        ("swift://u:k@host#x", "write a '#' as %23"),
    ],
)
def test_an_uri_that_cannot_be_used_says_why(uri: str, text: str) -> None:
    assert text in refusal(uri, BadUri)


def test_a_wrong_key_is_refused_when_it_is_opened(swift: Swift) -> None:
    text = refusal(with_user(swift.uri, "test%3Amqcore", "wrong"))
    assert "refuses the user or the key; correct them in the storage URI" in text


def test_an_address_that_is_not_of_the_authentication_is_refused(swift: Swift) -> None:
    at = urlsplit(swift.uri)
    assert "see whether the address" in refusal(at._replace(path="/nothing").geturl())


def test_a_user_without_rights_is_refused_when_it_is_opened(swift: Swift) -> None:
    stranger = with_user(swift.uri, "test%3Astranger", urlsplit(swift.uri).password or "")
    assert "give it the right to read and write" in refusal(stranger)


def test_a_certificate_that_cannot_be_verified_is_refused() -> None:
    with Swift(tls=True) as server:
        assert "name its ?ca=" in refusal(re.sub("&ca=[^&]*", "", server.uri))
        open_driver(server.uri, clock=time.time).close()


def test_a_server_that_is_not_there_is_unavailable(swift: Swift) -> None:
    with Proxy("127.0.0.1", swift.port) as proxy:
        uri = swift.uri.replace(str(swift.port), str(proxy.port))
    assert "cannot be reached" in refusal(uri, Unavailable)


@pytest.fixture
def driver(handles: Handles) -> SwiftDriver:
    made = handles.open()
    made.queues.create(QUEUE, {})
    return made


def test_a_container_that_was_deleted_is_named(
    driver: SwiftDriver, handles: Handles, swift: Swift
) -> None:
    post(driver, 2)
    container = handles.uri.partition("container=")[2]
    for name in driver._store.requests.names(""):
        swift.admin("DELETE", f"/{container}/{name}")
    swift.admin("DELETE", f"/{container}")
    for call in (lambda: post(driver), lambda: driver.messages.list(QUEUE), driver.ping):
        with pytest.raises(Unavailable, match=f"lacks the container '{container}'"):
            call()
    handles.open()  # makes it
    driver.queues.create(QUEUE, {})
    assert claim(driver) == []


@pytest.mark.parametrize("limited", ["account", "container"])
def test_a_full_account_refuses_posts_and_consumers_go_on(limited: str) -> None:
    """What they write has no bytes but its name."""
    with Swift() as server:
        handles = Handles(server.fresh_database())
        driver = handles.open()
        driver.queues.create(QUEUE, {})
        posted = post(driver, 2, b"x" * 2000)
        if limited == "account":
            server.admin("POST", X_Account_Meta_Quota_Bytes="3000")
        else:
            container = handles.uri.partition("container=")[2]
            server.admin("POST", f"/{container}", X_Container_Meta_Quota_Bytes="6000")
        with pytest.raises(Unavailable, match="raise its quota"):
            post(driver, 2, b"x" * 2000)
        assert claim(driver) == posted
        driver.messages.purge(QUEUE)
        assert claim(driver) == []
        handles.close()


def test_a_full_account_is_emptied_by_its_consumers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mqcore_swift.trim.EVERY", 2)
    with Swift() as server:
        handles = Handles(server.fresh_database())
        driver = handles.open()
        driver.queues.create(QUEUE, {})
        for _ in range(3):
            post(driver, 2, b"x" * 2000)
        container = handles.uri.partition("container=")[2]
        full = int(server.admin("HEAD", f"/{container}")[1]["x-container-bytes-used"])
        server.admin("POST", f"/{container}", X_Container_Meta_Quota_Bytes=str(full))
        driver.messages.purge(QUEUE)
        handles.clock.advance(3600)
        driver.collect()
        left = int(server.admin("HEAD", f"/{container}")[1]["x-container-bytes-used"])
        assert left < full / 2
        handles.close()


def test_a_proxy_that_answers_503_is_unavailable_and_nothing_is_lost() -> None:
    with Swift() as server:
        handles = Handles(server.fresh_database())
        driver = handles.open()
        driver.queues.create(QUEUE, {})
        posted = post(driver, 3)
        objects = server.folder / "devices" / "d0" / "objects"
        away = objects.with_name("away")
        objects.rename(away)
        objects.write_text("no folder")
        with pytest.raises(Unavailable, match="refuses for now: 503"):
            post(driver)
        objects.unlink()
        away.rename(objects)
        posted += post(driver)
        assert claim(driver) == posted
        handles.close()


@pytest.fixture
def proxied(swift: Swift) -> Iterator[tuple[Handles, Proxy]]:
    with Proxy("127.0.0.1", swift.port) as proxy:
        uri = swift.fresh_database().replace(f":{swift.port}/", f":{proxy.port}/")
        made = Handles(uri)
        yield made, proxy
        made.close()


def test_a_store_that_does_not_answer_is_unavailable(proxied: tuple[Handles, Proxy]) -> None:
    handles, proxy = proxied
    handles.uri += "&timeout=0.3"
    driver = handles.open()
    driver.queues.create(QUEUE, {})
    posted = post(driver)
    proxy.blackhole()
    with pytest.raises(Unavailable, match=r"did not answer in time; raise .timeout="):
        post(driver)
    proxy.restore()
    assert claim(driver) == posted


def test_a_slow_store_says_which_setting_bounds_it(proxied: tuple[Handles, Proxy]) -> None:
    handles, proxy = proxied
    uri = handles.uri
    handles.uri = uri.replace("slow=10", "slow=0.05")
    driver = handles.open()
    proxy.delay(0.1)
    with pytest.raises(Unavailable, match=r"is too slow.*raise .slow="):
        driver.queues.create(QUEUE, {})
    proxy.restore()
    handles.uri = uri
    quick = handles.open()
    quick.queues.create(QUEUE, {})
    assert claim(quick) == []


def test_connections_that_were_cut_while_idle_are_no_error(proxied: tuple[Handles, Proxy]) -> None:
    handles, proxy = proxied
    driver = handles.open()
    driver.queues.create(QUEUE, {})
    for _ in range(3):
        post(driver)
        proxy.cut()
        proxy.restore()
    assert len(claim(driver)) == 3


def test_tokens_that_expire_under_load_are_renewed() -> None:
    with Swift(token_life=1) as server:
        handles = Handles(server.fresh_database())
        driver = handles.open()
        driver.queues.create(QUEUE, {})
        posted: list[str] = []
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            posted += post(driver)
        assert claim(driver, 10_000) == posted
        server.kill()
        server.start()  # and has forgotten all tokens
        assert len(driver.messages.list(QUEUE, include_claimed=True).items) == 10
        handles.close()
