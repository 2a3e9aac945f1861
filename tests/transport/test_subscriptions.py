"""Spec 2.9: subscriptions as resources."""

import uuid
from typing import Any

import pytest

from .live import Api, refused

SUBSCRIPTIONS = "/v2/queues/q/subscriptions"
TARGET = "http://127.0.0.1/target"


def subscribe(api: Api, subscriber: str = TARGET, **members: Any) -> str:
    response = api.send(SUBSCRIPTIONS, json={"subscriber": subscriber, **members})
    assert response.status_code == 201, response.text
    return f"{SUBSCRIPTIONS}/{response.json()['subscription_id']}"


class TestCreate:
    def test_answer(self, api: Api) -> None:
        response = api.send(SUBSCRIPTIONS, json={"subscriber": TARGET, "ttl": 100, "options": {}})
        assert response.status_code == 201
        assert response.headers["Location"] == SUBSCRIPTIONS
        assert set(response.json()) == {"subscription_id"}
        assert api.http.head("/v2/queues/q").status_code == 204

    def test_representation(self, api: Api) -> None:
        path = subscribe(api, options={"a": {"b": 1}})
        api.live.clock.advance(9)
        assert api.get(path).json() == {
            "id": path.rsplit("/", 1)[1],
            "source": "q",
            "subscriber": TARGET,
            "ttl": 3600,
            "age": 9,
            "options": {"a": {"b": 1}},
            "confirmed": False,
        }

    @pytest.mark.parametrize("scheme", ["http", "https", "mailto"])
    def test_schemes(self, api: Api, scheme: str) -> None:
        subscribe(api, f"{scheme}:a@example.org")

    def test_again_while_unconfirmed(self, api: Api) -> None:
        path = subscribe(api, ttl=60)
        assert subscribe(api, ttl=600) == path
        assert api.get(path).json()["ttl"] == 60

    def test_again_when_confirmed(self, api: Api) -> None:
        api.put(f"{subscribe(api)}/confirm", json={"confirmed": True})
        response = api.send(SUBSCRIPTIONS, json={"subscriber": TARGET})
        refused(response, 409, "Conflict", TARGET)
        assert response.headers["Location"] == SUBSCRIPTIONS

    def test_it_expires(self, api: Api) -> None:
        path = subscribe(api, ttl=60)
        api.live.clock.advance(60)
        refused(api.get(path), 404, "Not found")
        assert subscribe(api) != path

    BAD = (
        (b"[", "Invalid body"),
        (b"1", "Invalid body"),
        (b'{"subscriber": "http://x", "ttl": 9223372036854775808}', "Invalid body"),
        (b"", "Invalid request"),
        (b"{}", "Invalid request"),
        (b"[]", "Invalid request"),
        (b'{"ttl": 60}', "Invalid request"),
        (b'{"subscriber": "fake"}', "Invalid request"),
        (b'{"subscriber": ""}', "Invalid request"),
        (b'{"subscriber": "ftp://x"}', "Invalid request"),
        (b'{"subscriber": "http://[x"}', "Invalid request"),
        (b'{"subscriber": 5}', "Invalid request"),
        (b'{"subscriber": null}', "Invalid request"),
        (b'{"subscriber": ["http://x"]}', "Invalid request"),
        (b'{"subscriber": "trust+http://x"}', "Invalid request"),
        (b'{"subscriber": "http://x", "options": []}', "Invalid request"),
        (b'{"subscriber": "http://x", "options": "x"}', "Invalid request"),
        (b'{"subscriber": "http://x", "options": null}', "Invalid request"),
        (b'{"subscriber": "http://x", "options": {"_retry_policy": 5}}', "Invalid request"),
        (b'{"subscriber": "http://x", "ttl": "60"}', "Invalid request"),
        (b'{"subscriber": "http://x", "ttl": null}', "Invalid request"),
        (b'{"subscriber": "http://x", "ttl": true}', "Invalid request"),
        (b'{"subscriber": "http://x", "ttl": 0}', "Invalid request"),
        (b'{"subscriber": "http://x", "ttl": 59}', "Invalid request"),
        (b'{"subscriber": "http://x", "ttl": 9223372036854775807}', "Invalid request"),
    )

    @pytest.mark.parametrize(("body", "title"), BAD)
    def test_bad_bodies_create_nothing(self, api: Api, body: bytes, title: str) -> None:
        refused(api.send(SUBSCRIPTIONS, content=body), 400, title)
        assert api.http.head("/v2/queues/q").status_code == 404


class TestList:
    def test_of_a_missing_queue(self, api: Api) -> None:
        assert api.get(SUBSCRIPTIONS).json() == {"subscriptions": [], "links": []}

    def test_entries_are_whole(self, api: Api) -> None:
        path = subscribe(api)
        document = api.get(f"{SUBSCRIPTIONS}?detailed=False").json()
        assert document["subscriptions"] == [api.get(path).json()]
        assert document["links"][0]["href"].startswith(f"{SUBSCRIPTIONS}?marker=")


class TestUpdate:
    def test_what_is_given_changes(self, api: Api) -> None:
        path = subscribe(api, ttl=60, options={"a": 1})
        api.live.clock.advance(50)
        response = api.patch(path, json={"ttl": 100, "unknown": 1})
        assert (response.status_code, response.content) == (204, b"")
        assert response.headers["Location"] == path
        api.live.clock.advance(99)
        found = api.get(path).json()
        assert (found["ttl"], found["options"], found["subscriber"]) == (100, {"a": 1}, TARGET)

    def test_subscriber_and_options(self, api: Api) -> None:
        path = subscribe(api)
        api.patch(path, json={"subscriber": "https://x", "options": {}})
        assert api.get(path).json()["subscriber"] == "https://x"

    def test_a_subscriber_that_is_there(self, api: Api) -> None:
        subscribe(api, "http://other")
        path = subscribe(api)
        response = api.patch(path, json={"subscriber": "http://other"})
        refused(response, 409, "Conflict", "http://other")

    @pytest.mark.parametrize(
        ("body", "title"),
        [
            (b"[", "Invalid body"),
            (b"", "Invalid request"),
            (b"{}", "Invalid request"),
            (b"[]", "Invalid request"),
            (b'{"unknown": 1}', "Invalid request"),
            (b'{"subscriber": "fake"}', "Invalid request"),
            (b'{"subscriber": null}', "Invalid request"),
            (b'{"ttl": 59}', "Invalid request"),
            (b'{"ttl": null}', "Invalid request"),
            (b'{"options": []}', "Invalid request"),
            (b'{"options": null}', "Invalid request"),
        ],
    )
    def test_bad_bodies(self, api: Api, body: bytes, title: str) -> None:
        path = subscribe(api)
        before = api.get(path).json()
        refused(api.patch(path, content=body), 400, title)
        refused(api.patch(f"{SUBSCRIPTIONS}/unknown", content=body), 400, title)
        assert api.get(path).json() == before


class TestConfirm:
    def test_both_ways(self, api: Api) -> None:
        path = subscribe(api)
        for confirmed in (True, True, False):
            response = api.put(f"{path}/confirm", json={"confirmed": confirmed})
            assert (response.status_code, response.content) == (204, b"")
            assert response.headers["Location"] == f"{path}/confirm"
            assert api.get(path).json()["confirmed"] is confirmed

    @pytest.mark.parametrize(
        ("body", "title"),
        [
            (b"", "Invalid request"),
            (b"{}", "Invalid request"),
            (b"[]", "Invalid request"),
            (b'{"confirmed": 1}', "Invalid request"),
            (b'{"confirmed": "true"}', "Invalid request"),
            (b'{"confirmed": null}', "Invalid request"),
            (b"{", "Invalid body"),
        ],
    )
    def test_bad_bodies(self, api: Api, body: bytes, title: str) -> None:
        path = subscribe(api)
        refused(api.put(f"{path}/confirm", content=body), 400, title)
        refused(api.put(f"{SUBSCRIPTIONS}/unknown/confirm", content=body), 400, title)


@pytest.mark.parametrize("subscription_id", ["x", "a" * 32, "%00", "%FF", str(uuid.UUID(int=1))])
def test_unknown_ids(api: Api, subscription_id: str) -> None:
    path = f"{SUBSCRIPTIONS}/{subscription_id}"
    refused(api.get(path), 404, "Not found")
    refused(api.patch(path, json={"ttl": 60}), 404, "Not found")
    refused(api.put(f"{path}/confirm", json={"confirmed": True}), 404, "Not found")
    assert api.delete(path).status_code == 204


def test_delete(api: Api) -> None:
    path = subscribe(api)
    assert api.delete(path).status_code == 204
    refused(api.get(path), 404, "Not found")


def test_a_queue_takes_its_subscriptions_along(api: Api) -> None:
    path = subscribe(api)
    api.delete("/v2/queues/q")
    refused(api.get(path), 404, "Not found")
