"""Spec 3: pre-signed URLs, as functions and over HTTP."""

from typing import Any

import httpx
import pytest

from mqcore.contract import Invalid, QueueRef
from mqcore.service.signed_url import is_signed, share, sign
from mqcore.transport.settings import AppSettings

from .live import CLIENT_ID, KEY, Api, refused, serve

QUEUE = QueueRef("proj", "sq2")
NOW = 1_800_000_000.0


class TestSign:
    @pytest.mark.parametrize(
        ("paths", "methods", "project", "expires", "signature"),
        [
            (
                ["/v2/queues/sq2/messages"],
                ["GET"],
                "proj",
                "2030-05-31T19:00:17",
                "8296f49c5f803b938105c1ea82ed3116f4e642b635122c540fd62798135db272",
            ),
            (
                ["/v2/queues/sq2/subscriptions", "/v2/queues/sq2/messages"],
                ["POST", "GET"],
                "proj",
                "2030-05-31T17:00:17",
                "55e1dddd995aa33c42ab9d62e1204c82bf830d885a501e9c7cd41571e10f22d0",
            ),
            (
                ["/v2/queues/demo/messages"],
                ["GET"],
                None,
                "2100-05-31T17:00:17",
                "750ccd02b54f4d4ba4cf0328ba7c0f03af06423e40c729bc2bd9ae8d758b0f37",
            ),
        ],
    )
    def test_vectors(
        self, paths: list[str], methods: list[str], project: str, expires: str, signature: str
    ) -> None:
        assert sign("sekrit", paths, methods, project, expires) == signature


class TestShare:
    def test_defaults(self) -> None:
        url = share(KEY, QUEUE, {}, now=NOW)
        assert url.paths == ("/v2/queues/sq2/messages",)
        assert url.methods == ("GET",)
        assert url.expires == "2027-01-16T08:00:00"
        assert url.signature == sign(KEY, url.paths, url.methods, "proj", url.expires)

    def test_lists_come_back_sorted(self) -> None:
        wish = {"paths": ["subscriptions", "claims"], "methods": ["PUT", "GET"]}
        url = share(KEY, QUEUE, wish, now=NOW)
        assert url.paths == ("/v2/queues/sq2/claims", "/v2/queues/sq2/subscriptions")
        assert url.methods == ("GET", "PUT")

    @pytest.mark.parametrize(
        ("given", "normalised"),
        [
            ("2030-05-31T19:00:17", "2030-05-31T19:00:17"),
            ("2030-05-31T19:00:17.987654", "2030-05-31T19:00:17"),
            ("2030-05-31T19:00:17Z", "2030-05-31T19:00:17"),
            ("2030-05-31T19:00:17+02", "2030-05-31T17:00:17"),
            ("2030-05-31T19:00:17-02:30", "2030-05-31T21:30:17"),
            ("2030-05-31", "2030-05-31T00:00:00"),
        ],
    )
    def test_expires_is_normalised(self, given: str, normalised: str) -> None:
        assert share(KEY, QUEUE, {"expires": given}, now=NOW).expires == normalised

    @pytest.mark.parametrize(
        "wish",
        [
            {"project_id": "x"},
            {"paths": "messages"},
            {"paths": ["messages", "stats"]},
            {"paths": []},
            {"paths": [["messages"]]},
            {"paths": None},
            {"methods": "GET"},
            {"methods": ["get"]},
            {"methods": ["DANCE"]},
            {"methods": [1]},
            {"methods": []},
            {"expires": 1900000000},
            {"expires": "1900000000"},
            {"expires": "20300531"},
            {"expires": "tomorrow"},
            {"expires": ""},
            {"expires": None},
            {"expires": "2027-01-15T08:00:00"},
            {"expires": "1999-01-01T00:00:00"},
            {"expires": "0001-01-01T00:00:00+14:00"},
            {"expires": "9999-12-31T23:59:59-14:00"},
        ],
        ids=str,
    )
    def test_what_cannot_be_shared(self, wish: dict[str, Any]) -> None:
        (key,) = wish
        with pytest.raises(Invalid, match=key):
            share(KEY, QUEUE, wish, now=NOW)

    @pytest.mark.parametrize("key", [None, ""])
    def test_without_a_key(self, key: str | None) -> None:
        with pytest.raises(Invalid, match="secret_key"):
            share(key, QUEUE, {}, now=NOW)

    def test_a_project_that_would_change_the_signed_text(self) -> None:
        with pytest.raises(Invalid, match="project"):
            share(KEY, QueueRef("a\\nb", "q"), {}, now=NOW)


def allowed(**changes: Any) -> bool:
    """Whether a good request is let through after the changes."""
    expires = "2030-05-31T19:00:17"
    paths = ["/v2/queues/a.b/messages"]
    request: dict[str, Any] = {
        "method": "GET",
        "path": "/v2/queues/a.b/messages",
        "methods": ["GET", "POST"],
        "paths": paths,
        "project": "proj",
        "expires": expires,
        "now": NOW,
    }
    signature = sign(KEY, paths, ["POST", "GET"], "proj", expires)
    return is_signed(
        changes.pop("key", KEY), changes.pop("signature", signature), **request | changes
    )


class TestIsSigned:
    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"method": "POST"},
            {"methods": ["POST", "GET"]},
            {"path": "/v2/queues/a.b/messages/id"},
            {"path": "/v2/queues/a.b/messages/id/confirm"},
            {"expires": "2030-05-31T21:00:17+02:00"},
        ],
        ids=str,
    )
    def test_what_is_allowed(self, changes: dict[str, Any]) -> None:
        assert allowed(**changes)

    @pytest.mark.parametrize(
        "changes",
        [
            {"method": "DELETE"},
            {"method": "get"},
            {"method": "DELETE", "methods": ["GET", "POST", "DELETE"]},
            {"path": "/v2/queues/a.b/claims"},
            {"path": "/v2/queues/axb/messages"},
            {"path": "/v2/queues/a.b/messagesx"},
            {"path": "/v2/queues/a.b"},
            {"path": "/x/v2/queues/a.b/messages"},
            {"paths": [""]},
            {"paths": []},
            {"paths": ["/v2/queues"]},
            {"project": "other"},
            {"project": None},
            {"project": "proj\\n2030"},
            {"expires": "2030-05-31T19:00:18"},
            {"expires": ""},
            {"expires": "never"},
            {"now": 1_907_000_000.0},
            {"key": "other"},
            {"signature": ""},
            {"signature": "é" * 64},
            {"signature": "0" * 64},
        ],
        ids=str,
    )
    def test_what_is_not(self, changes: dict[str, Any]) -> None:
        assert not allowed(**changes)

    @pytest.mark.parametrize(
        ("paths", "project"), [([""], "proj"), (["/v2/queues/a.b/messages"], "a\\nb")]
    )
    def test_a_right_signature_of_something_unsafe(self, paths: list[str], project: str) -> None:
        signature = sign(KEY, paths, ["GET"], project, "2030-05-31T19:00:17")
        changes = {"paths": paths, "project": project, "methods": ["GET"]}
        assert not allowed(signature=signature, **changes)


def signed_headers(document: dict[str, Any]) -> dict[str, str]:
    return {
        "URL-Signature": document["signature"],
        "URL-Expires": document["expires"],
        "URL-Methods": ",".join(document["methods"]),
        "URL-Paths": ",".join(document["paths"]),
        "X-Project-ID": document["project"],
        "Client-ID": CLIENT_ID,
    }


class TestOverHttp:
    def test_the_answer_has_what_a_client_needs(self, api: Api) -> None:
        response = api.send("/v2/queues/q/share", json={})
        assert response.status_code == 200
        assert set(response.json()) == {"paths", "methods", "project", "expires", "signature"}
        assert response.json()["project"] == api.project
        assert api.http.head("/v2/queues/q").status_code == 404

    def test_use(self, api: Api) -> None:
        ids = api.post(1, 2)
        headers = signed_headers(api.send("/v2/queues/q/share", json={}).json())
        url = f"{api.live.url}/v2/queues/q/messages"
        listing = httpx.get(f"{url}?echo=true", headers=headers).json()
        assert [message["id"] for message in listing["messages"]] == ids
        assert httpx.get(f"{url}/{ids[0]}", headers=headers).status_code == 200

    @pytest.mark.parametrize(
        ("method", "path", "change"),
        [
            ("POST", "messages", {}),
            ("GET", "claims/x", {}),
            ("GET", "stats", {}),
            ("GET", "messages", {"X-Project-ID": "other"}),
            ("GET", "messages", {"URL-Expires": "2031-01-01T00:00:00"}),
            ("GET", "messages", {"URL-Methods": "GET,POST"}),
            ("GET", "messages", {"URL-Signature": "0" * 64}),
            ("GET", "messages", {"URL-Signature": "x"}),
        ],
    )
    def test_misuse_tells_nothing(
        self, api: Api, method: str, path: str, change: dict[str, str]
    ) -> None:
        headers = signed_headers(api.send("/v2/queues/q/share", json={}).json()) | change
        response = httpx.request(method, f"{api.live.url}/v2/queues/q/{path}", headers=headers)
        refused(response, 404, "Not found")
        assert response.json() == {"title": "Not found"}

    @pytest.mark.parametrize("missing", ["URL-Expires", "URL-Methods", "URL-Paths", "X-Project-ID"])
    def test_every_header_is_needed(self, api: Api, missing: str) -> None:
        headers = signed_headers(api.send("/v2/queues/q/share", json={}).json())
        del headers[missing]
        response = httpx.get(f"{api.live.url}/v2/queues/q/messages", headers=headers)
        assert response.json() == {"title": "Not found"}

    def test_the_other_checks_still_hold(self, api: Api) -> None:
        headers = signed_headers(api.send("/v2/queues/q/share", json={}).json())
        del headers["Client-ID"]
        response = httpx.get(f"{api.live.url}/v2/queues/q/messages", headers=headers)
        refused(response, 400, "Missing header", "Client-ID")

    def test_it_expires(self, api: Api) -> None:
        headers = signed_headers(api.send("/v2/queues/q/share", json={}).json())
        api.live.clock.advance(86_400)
        response = httpx.get(f"{api.live.url}/v2/queues/q/messages", headers=headers)
        assert response.status_code == 404

    def test_an_empty_signature_is_none(self, api: Api) -> None:
        headers = {"URL-Signature": ""}
        assert api.get("/v2/queues", headers=headers).status_code == 200
        response = httpx.get(f"{api.live.url}/v2/queues", headers=headers)
        refused(response, 400, "Missing header")

    @pytest.mark.parametrize(
        ("body", "title"),
        [
            (b"", "Invalid body"),
            (b"{", "Invalid body"),
            (b"[]", "Invalid body"),
            (b'"x"', "Invalid body"),
            (b'{"paths": ["nowhere"]}', "Invalid request"),
            (b'{"project_id": "x"}', "Invalid request"),
            (b'{"expires": 5}', "Invalid request"),
        ],
    )
    def test_bad_bodies(self, api: Api, body: bytes, title: str) -> None:
        refused(api.send("/v2/queues/q/share", content=body), 400, title)


def test_a_server_without_a_key() -> None:
    with serve(AppSettings()) as live:
        api = live.api()
        refused(api.send("/v2/queues/q/share", json={}), 400, "Invalid request", "secret_key")
        response = api.get("/v2/queues", headers={"URL-Signature": "x"})
        assert response.json() == {"title": "Not found"}


def test_roles_do_not_ride_on_a_signature() -> None:
    settings = AppSettings(admin_mode=True, trust_identity_headers=True, signed_url_key=KEY)
    with serve(settings) as admin:
        paths, expires = ["/v2/health"], "2030-01-01T00:00:00"
        document = {
            "paths": paths,
            "methods": ["GET"],
            "project": "p",
            "expires": expires,
            "signature": sign(KEY, paths, ["GET"], "p", expires),
        }
        headers = signed_headers(document) | {"X-Roles": "admin"}
        refused(httpx.get(f"{admin.url}/v2/health", headers=headers), 403, "Forbidden")
