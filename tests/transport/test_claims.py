"""Spec 2.8: claims."""

import pytest

from .live import Api, refused

CLAIMS = "/v2/queues/q/claims"


class TestCreate:
    def test_answer(self, api: Api) -> None:
        ids = api.post("a", "b")
        response = api.send(CLAIMS, json={"ttl": 100, "grace": 60})
        assert response.status_code == 201
        location = response.headers["Location"]
        claim_id = location.removeprefix(f"{CLAIMS}/")
        assert response.json()["messages"][0] == {
            "id": ids[0],
            "href": f"/v2/queues/q/messages/{ids[0]}?claim_id={claim_id}",
            "ttl": 3600,
            "age": 0,
            "body": "a",
        }
        assert [message["id"] for message in response.json()["messages"]] == ids
        assert set(response.json()) == {"messages"}

    def test_nothing_to_claim(self, api: Api) -> None:
        for _ in range(2):
            response = api.send(CLAIMS, json={"ttl": 60, "grace": 60})
            assert (response.status_code, response.content) == (204, b"")
            assert "Location" not in response.headers
            assert "Content-Type" not in response.headers
            api.put("/v2/queues/q")

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{}",
            b'{"ttl": null, "grace": null}',
            b'{"ttl": 300}',
            b'{"grace": 60}',
            b'{"unknown": {}}',
        ],
    )
    def test_defaults(self, api: Api, body: bytes) -> None:
        api.post(*range(11), ttl=60)
        response = api.send(CLAIMS, content=body)
        messages = response.json()["messages"]
        assert len(messages) == 10
        assert messages[0]["ttl"] == 360
        assert api.get(response.headers["Location"]).json()["ttl"] == 300

    def test_no_content_type_is_fine(self, api: Api) -> None:
        api.post(1)
        assert api.send(CLAIMS).status_code == 201

    @pytest.mark.parametrize(("limit", "count"), [(1, 1), (20, 20)])
    def test_limit(self, api: Api, limit: int, count: int) -> None:
        api.post(*range(21))
        assert len(api.claim(limit=limit)[1]) == count

    @pytest.mark.parametrize("limit", ["0", "-1", "21"])
    def test_limit_out_of_range(self, api: Api, limit: str) -> None:
        refused(api.send(f"{CLAIMS}?limit={limit}"), 400, "Invalid request", "limit", "20")

    def test_limit_is_a_number(self, api: Api) -> None:
        refused(api.send(f"{CLAIMS}?limit=x"), 400, "Bad query parameter", "limit")

    @pytest.mark.parametrize(
        "body",
        [
            b"[",
            b".",
            b"  ",
            b'"text"',
            b"[]",
            b"null",
            b'{"ttl": "60"}',
            b'{"ttl": 60.0}',
            b'{"ttl": true}',
            b'{"grace": []}',
            b'{"ttl": 9223372036854775808}',
            b'{"x": 99999999999999999999}',
            b'{"x": "' + b"x" * 70000 + b'"}',
        ],
        ids=lambda body: str(body[:30]),
    )
    def test_bad_bodies(self, api: Api, body: bytes) -> None:
        api.post(1)
        refused(api.send(CLAIMS, content=body), 400, "Invalid body")
        assert len(api.ids()) == 1

    @pytest.mark.parametrize(
        ("ttl", "grace"), [(-1, -1), (59, 60), (60, 59), (60, 43201), (43201, 60)]
    )
    def test_out_of_range(self, api: Api, ttl: int, grace: int) -> None:
        response = api.send(CLAIMS, json={"ttl": ttl, "grace": grace})
        refused(response, 400, "Invalid request", "60", "43200")

    def test_dead_letters(self, api: Api) -> None:
        api.put("/v2/queues/q", json={"_dead_letter_queue": "d", "_max_claim_count": 1})
        (message_id,) = api.post("poison")
        location, _ = api.claim()
        api.delete(location)
        assert api.send(CLAIMS).status_code == 204
        assert api.ids(queue="d") == [message_id]


class TestGet:
    def test_representation(self, api: Api) -> None:
        api.post(1, 2)
        location, messages = api.claim(ttl=100)
        api.live.clock.advance(5)
        document = api.get(location).json()
        for message in messages:
            message["age"] = 5
        assert document == {"age": 5, "ttl": 100, "href": location, "messages": messages}

    def test_it_is_there_when_its_messages_are_gone(self, api: Api) -> None:
        api.post(1)
        location, (message,) = api.claim()
        api.delete(message["href"])
        assert api.get(location).json()["messages"] == []


class TestRenew:
    def test_the_lease_starts_again(self, api: Api) -> None:
        api.post(1)
        location, _ = api.claim(ttl=60)
        api.live.clock.advance(50)
        response = api.patch(location, json={"ttl": 100, "grace": 60})
        assert (response.status_code, response.content) == (204, b"")
        api.live.clock.advance(99)
        assert api.get(location).json()["age"] == 99
        assert api.get(location).json()["ttl"] == 100

    @pytest.mark.parametrize("lease", [{}, {"ttl": None, "grace": None}, {"grace": 60}])
    def test_a_missing_ttl_is_the_default(self, api: Api, lease: dict[str, None]) -> None:
        api.post(1)
        location, _ = api.claim(ttl=60)
        assert api.patch(location, json=lease).status_code == 204
        assert api.get(location).json()["ttl"] == 300

    @pytest.mark.parametrize("body", [b"", b"[", b"[]", b'{"ttl": "60"}', b'{"grace": false}'])
    def test_bad_bodies(self, api: Api, body: bytes) -> None:
        api.post(1)
        location, _ = api.claim()
        refused(api.patch(location, content=body), 400, "Invalid body")

    @pytest.mark.parametrize(
        ("ttl", "grace"), [(-1, 60), (59, 60), (43201, 60), (60, 59), (60, 43201)]
    )
    def test_out_of_range(self, api: Api, ttl: int, grace: int) -> None:
        api.post(1)
        location, _ = api.claim()
        response = api.patch(location, json={"ttl": ttl, "grace": grace})
        refused(response, 400, "Invalid request", "60", "43200")


class TestUnknown:
    @pytest.mark.parametrize("claim_id", ["x", "a" * 32, "%00", "%FF", "0" * 3000])
    def test_get_and_renew(self, api: Api, claim_id: str) -> None:
        for _ in range(2):
            refused(api.get(f"{CLAIMS}/{claim_id}"), 404, "Not found")
            refused(api.patch(f"{CLAIMS}/{claim_id}", json={"ttl": 60}), 404, "Not found")
            assert api.delete(f"{CLAIMS}/{claim_id}").status_code == 204
            api.post(1)

    def test_expired(self, api: Api) -> None:
        api.post(1)
        location, _ = api.claim(ttl=60)
        api.live.clock.advance(60)
        refused(api.get(location), 404, "Not found")
        refused(api.patch(location, json={}), 404, "Not found")
        assert len(api.ids()) == 1

    def test_released(self, api: Api) -> None:
        api.post(1)
        location, _ = api.claim()
        response = api.delete(location)
        assert (response.status_code, response.content) == (204, b"")
        refused(api.get(location), 404, "Not found")
        assert len(api.ids()) == 1

    def test_another_project_and_queue(self, api: Api) -> None:
        api.post(1)
        location, _ = api.claim()
        stranger = api.live.api()
        refused(stranger.get(location), 404, "Not found")
        assert stranger.delete(location).status_code == 204
        refused(api.get(location.replace("/q/", "/r/")), 404, "Not found")
        assert api.get(location).status_code == 200
