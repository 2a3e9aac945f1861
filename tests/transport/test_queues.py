"""Spec 2.6: queues."""

from typing import Any

import pytest

from .live import Api, refused

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

    @pytest.mark.parametrize(("levels", "status"), [(100, 201), (101, 400), (900, 400)])
    def test_nesting(self, api: Api, levels: int, status: int) -> None:
        text = '{"a": ' + "[" * (levels - 1) + "]" * (levels - 1) + ', "b": "' + "[" * 200 + '"}'
        assert api.put("/v2/queues/q", content=text).status_code == status
        assert api.get("/v2/queues?detailed=true").status_code == 200

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
