"""What a user reads, and what a log says, when the server or its store fails."""

import asyncio
import json
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import pytest

from mqcore.contract import Closed, Unavailable
from mqcore.logs import request_id
from mqcore.memory import MemoryDriver, open_driver
from mqcore.transport.edge import Edge

from .live import Api, Clock, refused, serve

SECRET = "SELECT password FROM x"
FAILING: list[tuple[str, str, Any]] = [
    ("GET", "/v2/queues", None),
    ("PUT", "/v2/queues/q", None),
    ("GET", "/v2/queues/q", None),
    ("HEAD", "/v2/queues/q", None),
    ("DELETE", "/v2/queues/q", None),
    ("GET", "/v2/queues/q/stats", None),
    ("POST", "/v2/queues/q/purge", None),
    ("POST", "/v2/queues/q/messages", {"messages": [{"body": 1}]}),
    ("GET", "/v2/queues/q/messages", None),
    ("GET", "/v2/queues/q/messages?ids=a", None),
    ("GET", "/v2/queues/q/messages/m", None),
    ("DELETE", "/v2/queues/q/messages/m", None),
    ("DELETE", "/v2/queues/q/messages?ids=a", None),
    ("DELETE", "/v2/queues/q/messages?pop=1", None),
    ("POST", "/v2/queues/q/claims", None),
    ("GET", "/v2/queues/q/claims/c", None),
    ("PATCH", "/v2/queues/q/claims/c", {}),
    ("DELETE", "/v2/queues/q/claims/c", None),
    ("GET", "/v2/queues/q/subscriptions", None),
    ("POST", "/v2/queues/q/subscriptions", {"subscriber": "http://x"}),
    ("GET", "/v2/queues/q/subscriptions/s", None),
    ("PATCH", "/v2/queues/q/subscriptions/s", {"ttl": 60}),
    ("DELETE", "/v2/queues/q/subscriptions/s", None),
    ("PUT", "/v2/queues/q/subscriptions/s/confirm", {"confirmed": True}),
]


class Failing:
    """A controller whose every method raises."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def fail(*_: object, **__: object) -> NoReturn:
            raise self._error from ValueError(SECRET)

        return fail


def failing_driver(error: Exception) -> MemoryDriver:
    driver = open_driver("memory://", clock=Clock())
    for name in ("queues", "messages", "claims", "subscriptions"):
        setattr(driver, name, Failing(error))
    return driver


@pytest.fixture(scope="module")
def unavailable() -> Iterator[Api]:
    with serve(driver=failing_driver(Unavailable(f"down {SECRET}"))) as live:
        yield live.api()


@pytest.fixture(scope="module")
def broken() -> Iterator[Api]:
    with serve(driver=failing_driver(KeyError(SECRET))) as live:
        yield live.api()


@pytest.mark.parametrize(("method", "path", "body"), FAILING)
class TestEveryOperation:
    def test_a_store_that_is_down(
        self, unavailable: Api, method: str, path: str, body: Any
    ) -> None:
        response = unavailable.http.request(method, path, json=body)
        assert response.headers["Retry-After"]
        assert "Location" not in response.headers
        assert SECRET not in response.text
        if method == "HEAD":
            assert response.status_code == 503
        else:
            refused(response, 503, "Service unavailable", "try again")

    def test_a_bug(self, broken: Api, method: str, path: str, body: Any) -> None:
        response = broken.http.request(method, path, json=body)
        assert SECRET not in response.text
        if method == "HEAD":
            assert response.status_code == 500
        else:
            refused(response, 500, "Internal error", "log")


def test_a_store_that_was_closed() -> None:
    with serve(driver=failing_driver(Closed("closed"))) as live:
        refused(live.api().get("/v2/queues"), 503, "Service unavailable", "try again")


def test_a_bug_outside_the_resources_is_answered_too() -> None:
    async def bug(*_: object) -> NoReturn:
        raise KeyError(SECRET)

    async def receive() -> dict[str, Any]:
        raise AssertionError

    sent: list[Mapping[str, Any]] = []

    async def send(event: Mapping[str, Any]) -> None:
        sent.append(event)

    scope = {"type": "http", "method": "GET", "raw_path": b"/", "headers": []}
    asyncio.run(Edge(bug, request_timeout=1)(scope, receive, send))
    assert sent[0]["status"] == 500
    names = [name for name, _ in sent[0]["headers"]]
    assert b"x-openstack-request-id" in names
    assert json.loads(sent[1]["body"])["title"] == "Internal error"


def test_a_bug_is_logged_with_its_traceback(broken: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        broken.get("/v2/queues")
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.name == "mqcore.transport.errors"
    assert record.exc_info


def test_a_store_that_is_down_is_logged_without_what_was_to_be_stored(
    unavailable: Api, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        unavailable.get("/v2/queues")
    (record,) = [one for one in caplog.records if one.name == "mqcore.transport.errors"]
    assert "ValueError" in record.getMessage()
    assert not record.exc_info


class Seen(logging.Handler):
    """Keeps lines with the request id that they were logged under."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((request_id.get(), record.getMessage()))


def test_the_access_log_has_one_line_a_request(api: Api) -> None:
    logger = logging.getLogger("mqcore.access")
    seen = Seen()
    logger.addHandler(seen)
    logger.setLevel(logging.INFO)
    try:
        response = api.get(
            "/v2/queues/q%0Aforged/messages?ids=secret", headers={"X-Secret": "secret"}
        )
        api.post("secret")
        api.http.request("GET", "/v2/nowhere")
    finally:
        logger.removeHandler(seen)
        logger.setLevel(logging.NOTSET)
    ids, lines = zip(*seen.lines, strict=True)
    assert len(set(ids)) == 3
    assert ids[0] == response.headers["X-OpenStack-Request-Id"]
    patterns = [
        r"GET /v2/queues/q%0Aforged/messages 400 [0-9.]+ ms project=" + api.project,
        r"POST /v2/queues/q/messages 201 [0-9.]+ ms project=" + api.project,
        r"GET /v2/nowhere 404 [0-9.]+ ms project=None",
    ]
    for pattern, line in zip(patterns, lines, strict=True):
        assert re.fullmatch(pattern, line), line
