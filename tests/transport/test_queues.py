"""Spec 2.6: queues."""

from typing import Any

import pytest

from .live import Api, refused

PATCH = {"Content-Type": "application/openstack-messaging-v2.0-json-patch"}

DEFAULTS = {
    "_max_messages_post_size": 262144,
    "_default_message_ttl": 3600,
    "_default_message_delay": 0,
    "_dead_letter_queue": None,
    "_dead_letter_queue_messages_ttl": None,
    "_max_claim_count": None,
    "_enable_encrypt_messages": False,
}


def names(api: Api, query: str) -> list[str]:
    response = api.get(f"/v2/queues?{query}")
    assert response.status_code == 200, response.text
    return [queue["name"] for queue in response.json()["queues"]]


class TestCreate:
    def test_a_new_queue(self, api: Api) -> None:
        response = api.put("/v2/queues/q")
        assert (response.status_code, response.content) == (201, b"")
        assert response.headers["Location"] == "/v2/queues/q"

    def test_an_existing_queue_keeps_its_metadata(self, api: Api) -> None:
        api.put("/v2/queues/q", json={"a": 1})
        response = api.put("/v2/queues/q", json={"a": 2})
        assert (response.status_code, response.content) == (204, b"")
        assert response.headers["Location"] == "/v2/queues/q"
        assert api.get("/v2/queues/q").json()["a"] == 1

    @pytest.mark.parametrize("body", [b"{", b".", b"  ", b'"text"', b"[]", b"1", b"null", b"[{}]"])
    @pytest.mark.parametrize("exists", [False, True])
    def test_a_body_that_is_no_object(self, api: Api, body: bytes, exists: bool) -> None:
        if exists:
            api.put("/v2/queues/q")
        refused(api.put("/v2/queues/q", content=body), 400, "Invalid body")

    @pytest.mark.parametrize(
        "text",
        [
            '{"a": 9223372036854775808}',
            '{"a": [-9223372036854775809]}',
            '{"a": ' + "1" * 6000 + "}",
            '{"a": ' + "[" * 5000 + "]" * 5000 + "}",
            '{"a": "\\ud800"}',
            '{"a": 1e999}',
            '{"a": NaN}',
        ],
    )
    def test_json_that_cannot_be_kept(self, api: Api, text: str) -> None:
        refused(api.put("/v2/queues/q", content=text), 400, "Invalid body")
        assert api.http.head("/v2/queues/q").status_code == 404

    @pytest.mark.parametrize("number", [2**63 - 1, -(2**63)])
    def test_integers_of_64_bits(self, api: Api, number: int) -> None:
        assert api.put("/v2/queues/q", json={"a": number}).status_code == 201
        assert api.get("/v2/queues/q").json()["a"] == number

    def test_many_digits_that_are_no_integer(self, api: Api) -> None:
        metadata = {"a": "1" * 40, "b": 0.1234567890123456789012}
        assert api.put("/v2/queues/q", json=metadata).status_code == 201

    @pytest.mark.parametrize(
        "metadata",
        [
            {"_default_message_ttl": 0},
            {"_default_message_ttl": 59},
            {"_default_message_ttl": 1209601},
            {"_default_message_ttl": "123"},
            {"_default_message_ttl": True},
            {"_default_message_ttl": ""},
            {"_default_message_ttl": []},
            {"_max_messages_post_size": 0},
            {"_max_messages_post_size": 262145},
            {"_max_messages_post_size": {}},
            {"_dead_letter_queue_messages_ttl": 0},
            {"_dead_letter_queue_messages_ttl": 59},
            {"_default_message_delay": -1},
            {"_default_message_delay": 901},
            {"_max_claim_count": 0},
            {"_max_claim_count": "2"},
            {"_dead_letter_queue": "b@d"},
            {"_dead_letter_queue": 5},
            {"_enable_encrypt_messages": "yes"},
            {"_flavor": 5},
            {"_retry_policy": "often"},
        ],
        ids=str,
    )
    def test_reserved_keys_are_checked(self, api: Api, metadata: dict[str, Any]) -> None:
        (key,) = metadata
        refused(api.put("/v2/queues/q", json=metadata), 400, "Invalid request", key)
        assert api.http.head("/v2/queues/q").status_code == 404

    def test_the_largest_metadata(self, api: Api) -> None:
        body = b'{"a": "' + b"x" * (65536 - 9) + b'"}'
        assert len(body) == 65536
        assert api.put("/v2/queues/q", content=body).status_code == 201
        response = api.put("/v2/queues/q", content=body + b" ")
        refused(response, 400, "Invalid request", "65536")


class TestGet:
    def test_a_missing_queue_shows_the_defaults(self, api: Api) -> None:
        response = api.get("/v2/queues/q")
        assert (response.status_code, response.json()) == (200, DEFAULTS)

    def test_metadata_with_the_defaults(self, api: Api) -> None:
        api.put("/v2/queues/q", json={"é": {"a": [1.5]}, "_default_message_ttl": 60, "_x": 1})
        expected = {**DEFAULTS, "é": {"a": [1.5]}, "_default_message_ttl": 60, "_x": 1}
        response = api.get("/v2/queues/q")
        assert response.json() == expected
        assert "é" in response.text

    def test_head_says_whether_it_is_stored(self, api: Api) -> None:
        response = api.http.head("/v2/queues/q")
        assert (response.status_code, response.content) == (404, b"")
        api.put("/v2/queues/q")
        response = api.http.head("/v2/queues/q")
        assert (response.status_code, response.content) == (204, b"")

    def test_delete(self, api: Api) -> None:
        api.post(1)
        assert api.delete("/v2/queues/q").status_code == 204
        assert api.delete("/v2/queues/q").status_code == 204
        assert api.http.head("/v2/queues/q").status_code == 404
        assert api.ids() == []


class TestList:
    @pytest.fixture
    def four(self, api: Api) -> Api:
        api.put("/v2/queues/q1", json={"node": 30, "kind": "a"})
        api.put("/v2/queues/q2", json={"node": "30", "kind": "b"})
        api.put("/v2/queues/q3", json={"node": True})
        api.put("/v2/queues/other", json={"_max_messages_post_size": 2000, "t e": "ü&="})
        return api

    def test_none(self, api: Api) -> None:
        assert api.get("/v2/queues").json() == {"queues": [], "links": []}

    def test_entries(self, four: Api) -> None:
        document = four.get("/v2/queues?limit=1").json()
        assert document == {
            "queues": [{"name": "other", "href": "/v2/queues/other"}],
            "links": [{"rel": "next", "href": "/v2/queues?limit=1&marker=other"}],
        }

    def test_detailed_entries_have_what_get_gives(self, four: Api) -> None:
        for queue in four.get("/v2/queues?detailed=true").json()["queues"]:
            assert queue["metadata"] == four.get(queue["href"]).json()

    def test_the_marker_need_not_exist(self, four: Api) -> None:
        assert names(four, "marker=p") == ["q1", "q2", "q3"]
        assert names(four, "marker=zzz") == []

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("name=q", ["q1", "q2", "q3"]),
            ("name=Q", []),
            ("name=.", []),
            ("node=30", ["q1", "q2"]),
            ("node=34", []),
            ("node=1", []),
            ("node=true", []),
            ("kind=b", ["q2"]),
            ("node=30&kind=a", ["q1"]),
            ("node=30&name=2", ["q2"]),
            ("_max_messages_post_size=2000", ["other"]),
            ("_default_message_ttl=3600", []),
            ("t%20e=%C3%BC%26%3D", ["other"]),
            ("missing=1", []),
        ],
    )
    def test_filters(self, four: Api, query: str, found: list[str]) -> None:
        assert names(four, query) == found

    def test_the_link_repeats_the_filters(self, four: Api) -> None:
        href = "/v2/queues?node=30&name=q&limit=1&detailed=1&with_count=yes"
        found = []
        while queues := four.get(href).json()["queues"]:
            found += [queue["name"] for queue in queues]
            (link,) = four.get(href).json()["links"]
            href = link["href"]
            assert "detailed=true" in href
        assert found == ["q1", "q2"]

    def test_a_link_can_be_followed_whatever_the_filter(self, four: Api) -> None:
        (link,) = four.get("/v2/queues?t%20e=%C3%BC%26%3D").json()["links"]
        assert link["href"].isascii()
        assert four.get(link["href"]).json() == {"queues": [], "links": []}

    def test_the_count_is_of_all_queues(self, four: Api) -> None:
        assert four.get("/v2/queues?with_count=true&limit=1&name=q").json()["count"] == 4

    def test_a_count_of_none(self, api: Api) -> None:
        document = api.get("/v2/queues?with_count=true").json()
        assert document == {"queues": [], "links": [], "count": 0}


class TestPatch:
    def test_operations_in_order(self, api: Api) -> None:
        api.put("/v2/queues/q", json={"a": 1, "b": 2})
        operations = [
            {"op": "add", "path": "/metadata/c", "value": None},
            {"op": "replace", "path": "/metadata/c", "value": 3},
            {"op": "remove", "path": "/metadata/b"},
            {"op": "add", "path": "/metadata/a", "value": [0]},
        ]
        response = api.patch("/v2/queues/q", json=operations, headers=PATCH)
        assert response.status_code == 200
        assert response.json() == {**DEFAULTS, "a": [0], "c": 3}
        assert api.get("/v2/queues/q").json() == response.json()

    def test_nothing_to_do(self, api: Api) -> None:
        api.put("/v2/queues/q", json={"a": 1})
        response = api.patch("/v2/queues/q", json=[], headers=PATCH)
        assert (response.status_code, response.json()["a"]) == (200, 1)

    @pytest.mark.parametrize(
        ("path", "key"),
        [
            ("/metadata/a~1b", "a/b"),
            ("/metadata/a~0b", "a~b"),
            ("/metadata/~01", "~1"),
            ("/MetaData/x", "x"),
            ("/ metadata / x ", "x"),
        ],
    )
    def test_pointers(self, api: Api, path: str, key: str) -> None:
        api.put("/v2/queues/q")
        operation = {"op": "add", "path": path, "value": 1}
        response = api.patch("/v2/queues/q", json=[operation], headers=PATCH)
        assert response.json()[key] == 1

    def test_reserved_keys_are_always_there(self, api: Api) -> None:
        api.put("/v2/queues/q")
        operations = [
            *({"op": "remove", "path": f"/metadata/{key}"} for key in DEFAULTS),
            {"op": "replace", "path": "/metadata/_default_message_ttl", "value": 60},
        ]
        response = api.patch("/v2/queues/q", json=operations, headers=PATCH)
        assert response.json() == {**DEFAULTS, "_default_message_ttl": 60}

    @pytest.mark.parametrize(
        "kind",
        [None, "application/json", PATCH["Content-Type"] + "; charset=utf-8"],
    )
    def test_content_type(self, api: Api, kind: str | None) -> None:
        headers = {"Content-Type": kind} if kind else {}
        response = api.patch("/v2/queues/q", content=b"[]", headers=headers)
        refused(response, 415, "Unsupported media type", PATCH["Content-Type"])
        assert response.headers["Accept-Patch"] == PATCH["Content-Type"]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"[",
            b"{}",
            b"1",
            b'"a"',
            b"[1]",
            b"[[]]",
            b'[{"path": "/metadata/a", "value": 1}]',
            b'[{"op": "test", "path": "/metadata/a", "value": 1}]',
            b'[{"op": ["add"], "path": "/metadata/a", "value": 1}]',
            b'[{"op": "add", "value": 1}]',
            b'[{"op": "add", "path": "/metadata/a"}]',
            b'[{"op": "replace", "path": "/metadata/a"}]',
            b'[{"op": "add", "path": 5, "value": 1}]',
            b'[{"op": "add", "path": "/a", "value": 1}]',
            b'[{"op": "add", "path": "metadata/a", "value": 1}]',
            b'[{"op": "add", "path": "/metadata//a", "value": 1}]',
            b'[{"op": "add", "path": "/metadata/a/", "value": 1}]',
            b'[{"op": "add", "path": "/metadata/a/b", "value": 1}]',
            b'[{"op": "add", "path": "/metadata/a~2", "value": 1}]',
            b'[{"op": "add", "path": "/metadata/a~", "value": 1}]',
            b'[{"op": "add", "path": "/metadata/", "value": 1}]',
            b'[{"op": "add", "path": "/other/a", "value": 1}]',
            b'[{"op": "remove", "path": "/other/a"}]',
            b'[{"op": "add", "path": "/metadata/_default_message_ttl", "value": 59}]',
            b'[{"op": "add", "path": "/metadata/_max_claim_count", "value": "x"}]',
            b"[" + b" " * 65536 + b"]",
        ],
    )
    def test_bad_bodies(self, api: Api, body: bytes) -> None:
        api.put("/v2/queues/q", json={"a": 0})
        refused(api.patch("/v2/queues/q", content=body, headers=PATCH), 400, "Invalid body")
        assert api.get("/v2/queues/q").json()["a"] == 0

    @pytest.mark.parametrize("op", ["remove", "replace"])
    def test_a_key_that_is_not_there(self, api: Api, op: str) -> None:
        api.put("/v2/queues/q", json={"a": 0})
        operations = [
            {"op": "add", "path": "/metadata/a", "value": 1},
            {"op": op, "path": "/metadata/b", "value": 1},
        ]
        response = api.patch("/v2/queues/q", json=operations, headers=PATCH)
        refused(response, 409, "Conflict", "'b'")
        assert api.get("/v2/queues/q").json()["a"] == 0

    def test_a_missing_queue(self, api: Api) -> None:
        refused(api.patch("/v2/queues/q", json=[], headers=PATCH), 404, "Not found", "'q'")
        refused(api.patch("/v2/queues/q", json=[1], headers=PATCH), 400, "Invalid body")


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
