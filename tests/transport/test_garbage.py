"""What a request made is freed with its last reference: the collector would stop all threads."""

import gc
from typing import Any

import pytest

from .live import Api

OURS = ("mqcore.", "uvicorn.", "falcon.")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v2/ping", None, 204),
        ("POST", "/v2/queues/q/messages", {"messages": [{"body": 1}]}, 201),
        ("GET", "/v2/queues/q/messages?echo=true", None, 200),
        ("POST", "/v2/queues/q/claims", {"ttl": 60, "grace": 60}, 204),
        # Errors: a traceback holds frames.
        ("GET", "/v2/queues/q/messages?limit=0", None, 400),
        ("GET", "/v2/queues/nothing/stats", None, 200),
        ("GET", "/v2/queues/q/messages/nothing", None, 404),
        ("POST", "/v2/queues/q/messages", {"messages": []}, 400),
        ("POST", "/v2/queues/q/claims", {"ttl": 0}, 400),
        ("PATCH", "/v2/queues/q/claims/nothing", {"ttl": 60}, 404),
        ("PUT", "/v2/queues/q", {"_max_messages_post_size": -1}, 400),
        ("POST", "/v2/queues/q/subscriptions", {"subscriber": "ftp://nothing"}, 400),
    ],
)
def test_a_request_leaves_no_circle_of_references(
    api: Api, method: str, path: str, body: Any, status: int
) -> None:
    def ask() -> None:
        assert api.http.request(method, path, json=body).status_code == status

    ask()
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            ask()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        names = [f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.garbage]
        assert [name for name in names if name.startswith(OURS)] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
