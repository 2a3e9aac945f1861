"""Spec 2.6: changes of a queue's metadata."""

import pytest

from .live import Api, refused
from .test_queues import DEFAULTS

PATCH = {"Content-Type": "application/openstack-messaging-v2.0-json-patch"}


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
