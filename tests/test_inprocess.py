"""`mqcore.connect`: the same objects and errors without a server."""

import threading
from pathlib import Path

import pytest

import mqcore
from mqcore.contract import (
    ClaimNotFound,
    Closed,
    Invalid,
    MessageClaimed,
    MessageNotFound,
    QueueNotFound,
)


@pytest.fixture(params=["memory", "sqlite"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/q.db"}[request.param]


def test_the_whole_round(uri: str) -> None:
    with mqcore.connect(uri, project="shop") as mq:
        orders = mq.queue("orders")
        assert not orders.exists()
        ids = orders.post({"item": 7, "name": "caf\u00e9"}, [1, None], ttl=300)
        assert [message.id for message in orders.messages()] == list(ids)
        claim = orders.claim(ttl=60)
        assert claim
        assert [message.json() for message in claim.messages] == [
            {"item": 7, "name": "caf\u00e9"},
            [1, None],
        ]
        with pytest.raises(MessageClaimed):
            orders.delete(ids[0])
        orders.renew(claim, ttl=100)
        orders.delete(claim.messages[0])
        orders.release(claim)
        with pytest.raises(ClaimNotFound):
            orders.delete(claim.messages[1])
        assert orders.stats().free == 1
        (popped,) = orders.pop()
        assert popped.json() == [1, None]
        assert orders.claim() is None
        with pytest.raises(MessageNotFound):
            orders.get(ids[1])
        assert [queue.name for queue in mq.queues()] == ["orders"]
        orders.drop()
        assert list(mq.queues()) == []


def test_metadata_and_subscriptions(uri: str) -> None:
    with mqcore.connect(uri) as mq:
        queue = mq.queue("q")
        with pytest.raises(QueueNotFound):
            queue.update(color="red")
        assert queue.create({"color": "blue"})
        assert not queue.create({"color": "green"})
        assert queue.update(_default_message_ttl=99)["color"] == "blue"
        assert queue.metadata()["_default_message_ttl"] == 99
        assert queue.subscribe("http://host/", ttl=60).source == "q"


def test_listings_go_on_to_the_end(uri: str) -> None:
    with mqcore.connect(uri) as mq:
        queue = mq.queue("q")
        queue.post(*range(45))
        assert [message.json() for message in queue.messages()] == list(range(45))
        for n in range(45):
            mq.queue(f"many-{n:02}").create()
        assert len(list(mq.queues())) == 46


def test_projects_do_not_see_each_other(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/q.db"
    with mqcore.connect(uri, project="a") as a, mqcore.connect(uri, project="b") as b:
        a.queue("q").post(1)
        assert list(b.queues()) == []
        assert b.queue("q").pop() == ()


@pytest.mark.parametrize("body", [float("nan"), {1, 2}, b"bytes", "\ud800"])
def test_what_is_no_json_is_refused(uri: str, body: object) -> None:
    with mqcore.connect(uri) as mq, pytest.raises(Invalid, match="JSON"):
        mq.queue("q").post(body)


def test_a_closed_connection_says_so(uri: str) -> None:
    mq = mqcore.connect(uri)
    mq.close()
    mq.close()
    with pytest.raises(Closed):
        mq.queue("q").post(1)
    assert "housekeeping" not in {thread.name for thread in threading.enumerate()}
