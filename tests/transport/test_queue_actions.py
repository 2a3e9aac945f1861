"""Spec 2.6: stats and purge."""

import pytest

from .live import Api, refused


class TestStats:
    def test_none(self, api: Api) -> None:
        expected = {"messages": {"claimed": 0, "free": 0, "total": 0}}
        assert api.get("/v2/queues/q/stats").json() == expected
        api.put("/v2/queues/q")
        assert api.get("/v2/queues/q/stats").json() == expected

    def test_counts_and_ends(self, api: Api) -> None:
        first, *_, last = api.post(1, 2, 3)
        api.post(4, delay=0)
        api.claim(limit=1)
        api.live.clock.advance(12.5)
        stats = api.get("/v2/queues/q/stats").json()["messages"]
        assert (stats["claimed"], stats["free"], stats["total"]) == (1, 3, 4)
        assert set(stats["oldest"]) == {"href", "age", "created"}
        assert stats["oldest"]["href"] == f"/v2/queues/q/messages/{first}"
        assert stats["oldest"]["age"] == 12
        assert stats["oldest"]["created"].startswith("2027-01-15T08:")
        assert stats["newest"]["href"] != f"/v2/queues/q/messages/{last}"

    def test_delayed_messages_are_free(self, api: Api) -> None:
        api.post(1, delay=60)
        assert api.get("/v2/queues/q/stats").json()["messages"]["free"] == 1


class TestPurge:
    @pytest.fixture
    def full(self, api: Api) -> Api:
        api.post(1, 2)
        api.post(3, delay=60)
        api.claim(limit=1)
        for n in range(12):
            wish = {"subscriber": f"http://127.0.0.1/{n}"}
            api.send("/v2/queues/q/subscriptions", json=wish)
        return api

    @staticmethod
    def left(api: Api) -> tuple[int, bool]:
        stats = api.get("/v2/queues/q/stats").json()["messages"]["total"]
        return stats, bool(api.get("/v2/queues/q/subscriptions").json()["subscriptions"])

    @pytest.mark.parametrize(
        ("body", "left"),
        [
            (b"", (0, False)),
            (b'{"resource_types": ["messages"]}', (0, True)),
            (b'{"resource_types": ["subscriptions"], "other": 1}', (3, False)),
            (b'{"resource_types": ["subscriptions", "messages"]}', (0, False)),
            (b'{"resource_types": []}', (3, True)),
        ],
    )
    def test_what_is_named_goes(self, full: Api, body: bytes, left: tuple[int, bool]) -> None:
        response = full.send("/v2/queues/q/purge", content=body)
        assert (response.status_code, response.content) == (204, b"")
        assert self.left(full) == left

    @pytest.mark.parametrize(
        ("body", "title"),
        [
            (b"{}", "Invalid request"),
            (b"[]", "Invalid request"),
            (b'{"resource_types": "messages"}', "Invalid request"),
            (b'{"resource_types": ["claims"]}', "Invalid request"),
            (b'{"resource_types": [["messages"]]}', "Invalid request"),
            (b'{"resource_types": 5}', "Invalid request"),
            (b'{"resource_types": null}', "Invalid request"),
            (b"{", "Invalid body"),
            (b"7", "Invalid body"),
        ],
    )
    def test_bad_bodies(self, full: Api, body: bytes, title: str) -> None:
        refused(full.send("/v2/queues/q/purge", content=body), 400, title)
        assert self.left(full) == (3, True)

    def test_a_missing_queue(self, api: Api) -> None:
        assert api.send("/v2/queues/q/purge").status_code == 204
        assert api.http.head("/v2/queues/q").status_code == 404
