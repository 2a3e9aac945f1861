"""Many clients at once: each gets its own answer, and no message is handed out twice."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from mqcore.contract import MessageController, PageRequest, QueueRef

from .live import Api, Live

T = TypeVar("T")

CLIENTS = 8


def at_once(live: Live, project: str, task: Callable[[Api, int], T]) -> list[T]:
    """Run the task in several clients that start together."""
    barrier = threading.Barrier(CLIENTS)

    def run(number: int) -> T:
        client = live.api(project)
        barrier.wait(10)
        return task(client, number)

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(run, range(CLIENTS)))


def test_merged_requests_get_their_own_answers(live: Live, api: Api) -> None:
    def post_and_read(client: Api, number: int) -> None:
        for turn in range(10):
            bad = client.send("/v2/queues/q/messages", json={"messages": [{"body": 1, "ttl": 1}]})
            assert bad.status_code == 400
            (message_id,) = client.post([number, turn])
            found = client.get(f"/v2/queues/q/messages/{message_id}").json()
            assert found["body"] == [number, turn]

    at_once(live, api.project, post_and_read)
    assert api.get("/v2/queues/q/stats").json()["messages"]["total"] == CLIENTS * 10


def test_pages_read_together_are_each_clients_own(live: Live, api: Api) -> None:
    posted = api.post(*range(12))

    def read(client: Api, number: int) -> None:
        for _ in range(20):
            page = f"/v2/queues/q/messages?echo=true&limit={number + 1}"
            assert client.get("/v2/queues/q/messages?limit=21").status_code == 400
            found = [message["id"] for message in client.get(page).json()["messages"]]
            assert found == posted[: number + 1]

    at_once(live, api.project, read)


def test_a_page_that_would_keep_others_waiting_is_read_alone(
    live: Live, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted = api.post(*range(3))
    together = type(live.driver.messages).list_several

    def all_are_long(
        self: MessageController, queue: QueueRef, requests: Sequence[PageRequest]
    ) -> list[None]:
        together(self, queue, requests)
        return [None] * len(requests)

    monkeypatch.setattr(type(live.driver.messages), "list_several", all_are_long)
    found = api.get("/v2/queues/q/messages?echo=true").json()["messages"]
    assert [message["id"] for message in found] == posted


def test_claims_share_nothing(live: Live, api: Api) -> None:
    posted = [message_id for _ in range(10) for message_id in api.post(*range(20))]

    def work(client: Api, _: int) -> list[str]:
        done: list[str] = []
        while True:
            response = client.send("/v2/queues/q/claims?limit=3")
            if response.status_code == 204:
                return done
            for message in response.json()["messages"]:
                assert client.delete(message["href"]).status_code == 204
                done.append(message["id"])

    handed_out = at_once(live, api.project, work)
    assert sorted(one for done in handed_out for one in done) == sorted(posted)
