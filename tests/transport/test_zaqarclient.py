"""An existing client, python-zaqarclient, works unchanged."""

import uuid
from typing import Any

import pytest
from zaqarclient.queues import client as zaqar  # type: ignore[import-untyped]
from zaqarclient.transport import errors  # type: ignore[import-untyped]

from .live import Live


def connect(live: Live, project: str) -> Any:
    auth = {"backend": "noauth", "options": {"os_project_id": project}}
    return zaqar.Client(live.url, version=2, conf={"auth_opts": auth})


@pytest.fixture
def client(live: Live) -> Any:
    return connect(live, f"p-{uuid.uuid4().hex}")


def test_queues(client: Any) -> None:
    queue = client.queue("orders", force_create=True)
    assert queue.exists()
    assert not client.queue("other").exists()
    client.queue("more", force_create=True)
    found, count = client.queues(with_count=True, limit=1)
    assert [one.name for one in found.stream()] == ["more", "orders"]
    assert count == 2
    queue.delete()
    assert not queue.exists()


def test_metadata(client: Any) -> None:
    queue = client.queue("q", force_create=True)
    assert queue.metadata()["_default_message_ttl"] == 3600
    queue.metadata(new_meta={"colour": "red", "_default_message_ttl": 600})
    seen = queue.metadata(force_reload=True)
    assert (seen["colour"], seen["_default_message_ttl"]) == ("red", 600)
    queue.metadata(new_meta={"size": 5})
    seen = queue.metadata(force_reload=True)
    assert "colour" not in seen
    assert (seen["size"], seen["_default_message_ttl"]) == (5, 3600)


def test_messages(client: Any) -> None:
    queue = client.queue("q")
    posted = queue.post([{"body": {"n": n}, "ttl": 300} for n in range(25)])
    assert len(posted["resources"]) == 25
    listed = list(queue.messages(echo=True, limit=4).stream())
    assert [message.body["n"] for message in listed] == list(range(25))
    assert list(queue.messages(limit=4)) == []
    first = queue.message(listed[0].id)
    assert (first.body, first.ttl) == ({"n": 0}, 300)
    several = queue.messages(*[message.id for message in listed[:3]])
    assert [message.body["n"] for message in several] == [0, 1, 2]
    first.delete()
    with pytest.raises(errors.ResourceNotFound):
        queue.message(listed[0].id)
    queue.delete_messages(*[message.id for message in listed[1:3]])
    popped = queue.pop(count=2)
    assert [message.body["n"] for message in popped] == [3, 4]
    assert queue.stats["messages"]["free"] == 20
    queue.purge()
    assert queue.stats["messages"]["total"] == 0


def test_claims(client: Any) -> None:
    queue = client.queue("q")
    assert list(queue.claim(ttl=60, grace=60)) == []
    queue.post([{"body": n} for n in range(3)])
    claim = queue.claim(ttl=100, grace=60, limit=2)
    messages = list(claim)
    assert [message.body for message in messages] == [0, 1]
    assert queue.stats["messages"]["claimed"] == 2
    assert claim.ttl == 100
    claim.update(ttl=200, grace=100)
    again = queue.claim(id=claim.id)
    assert (again.ttl, len(list(again))) == (200, 2)
    messages[0].delete()
    claim.delete()
    assert queue.stats["messages"]["free"] == 2
    defaults = queue.claim()
    assert len(list(defaults)) == 2


def test_subscriptions(client: Any) -> None:
    made = client.subscription("q", subscriber="http://127.0.0.1:9/hook", ttl=600)
    client.subscription("q", subscriber="http://127.0.0.1:9/other", ttl=600)
    listed = list(client.subscriptions("q", limit=1).stream())
    assert [one.subscriber[-4:] for one in listed] == ["hook", "ther"]
    made.update({"ttl": 1000, "options": {"a": 1}})
    seen = client.subscription("q", id=made.id)
    assert (seen.ttl, seen.options) == (1000, {"a": 1})
    made.delete()
    assert len(list(client.subscriptions("q"))) == 1


def test_signed_url(live: Live, client: Any) -> None:
    queue = client.queue("q")
    queue.post([{"body": "shared"}])
    signed = queue.signed_url(paths=["messages"], methods=["GET", "POST"])
    assert set(signed) == {"paths", "methods", "project", "expires", "signature"}
    options = {
        "signature": signed["signature"],
        "expires": signed["expires"],
        "methods": signed["methods"],
        "paths": signed["paths"],
        "os_project_id": signed["project"],
    }
    auth = {"backend": "signed-url", "options": options}
    guest = zaqar.Client(live.url, version=2, conf={"auth_opts": auth})
    shared = guest.queue("q")
    assert [message.body for message in shared.messages(echo=True)] == ["shared"]
    with pytest.raises(errors.ResourceNotFound):
        shared.pop()


def test_ping_and_errors(client: Any) -> None:
    assert client.ping()
    with pytest.raises(errors.MalformedRequest, match="ttl"):
        client.queue("q").post([{"body": 1, "ttl": 5}])
