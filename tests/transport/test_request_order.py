"""Spec 2.1 and 2.2: what every request must pass, in which order, and the form of errors."""

import re

import httpx
import pytest

from mqcore.service import ServiceLimits

from .live import CLIENT_ID, Api, Live, refused, serve

HEADERS = {"Client-ID": CLIENT_ID, "X-Project-ID": "p"}


def ask(live: Live, path: str = "/v2/queues", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.get(live.url + path, headers=named)


def test_every_response_has_a_request_id_of_its_own(live: Live) -> None:
    paths = ["/", "/v2/ping", "/v2/nowhere", "/v2/queues"]
    ids = [ask(live, path).headers["X-OpenStack-Request-Id"] for path in paths]
    assert len(set(ids)) == len(paths)
    assert all(re.fullmatch(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", one) for one in ids)


@pytest.mark.parametrize(
    "path",
    ["/v2/queues", "/v2/queues/q", "/v2/ping", "/v2/", "/v2/queues/q/messages"],
)
class TestCaller:
    def test_client_id_is_required(self, live: Live, path: str) -> None:
        refused(ask(live, path, X_Project_ID="p"), 400, "Missing header", "Client-ID")

    def test_project_is_required(self, live: Live, path: str) -> None:
        refused(ask(live, path, Client_ID=CLIENT_ID), 400, "Bad project id", "X-Project-ID")

    def test_empty_project_is_none(self, live: Live, path: str) -> None:
        response = ask(live, path, Client_ID=CLIENT_ID, X_Project_ID="")
        refused(response, 400, "Bad project id")

    def test_client_id_is_checked_before_the_project(self, live: Live, path: str) -> None:
        refused(ask(live, path), 400, "Missing header", "Client-ID")


@pytest.mark.parametrize("value", ["0xdeadbeef", "textid", "550893e0-2b6e-11e3-835a-5cf9dd72369"])
def test_a_client_id_that_is_no_uuid_is_refused(live: Live, value: str) -> None:
    refused(ask(live, Client_ID=value, X_Project_ID="p"), 400, "Bad client id", "UUID")


def test_an_empty_client_id_is_a_missing_one(live: Live) -> None:
    refused(ask(live, Client_ID="", X_Project_ID="p"), 400, "Missing header")


@pytest.mark.parametrize(
    "value", [CLIENT_ID, CLIENT_ID.replace("-", ""), f"{{{CLIENT_ID}}}", f"urn:uuid:{CLIENT_ID}"]
)
def test_every_form_of_a_uuid_is_taken(live: Live, value: str) -> None:
    assert ask(live, Client_ID=value, X_Project_ID="p").status_code == 200


def test_the_root_and_the_api_description_need_no_caller(live: Live) -> None:
    assert ask(live, "/").status_code == 300
    assert ask(live, "/v2/openapi.json").status_code == 200


class TestAccept:
    @pytest.mark.parametrize(
        "accept", ["*/*", "application/*", "application/json", "text/html, */*;q=0.1", ""]
    )
    def test_what_allows_json_is_fine(self, live: Live, accept: str) -> None:
        response = httpx.get(live.url + "/v2/queues", headers={**HEADERS, "Accept": accept})
        assert response.status_code == 200

    @pytest.mark.parametrize("accept", ["application/xml", "text/html", "application/json;q=0"])
    def test_what_excludes_json_is_refused_in_json(self, live: Live, accept: str) -> None:
        response = httpx.get(live.url + "/v2/queues", headers={**HEADERS, "Accept": accept})
        refused(response, 406, "Not acceptable", "application/json")

    def test_is_checked_before_the_caller(self, live: Live) -> None:
        refused(ask(live, Accept="application/xml"), 406, "Not acceptable")

    def test_the_home_document_may_be_asked_for_by_its_own_type(self, live: Live) -> None:
        headers = {**HEADERS, "Accept": "application/json-home"}
        assert httpx.get(live.url + "/v2/", headers=headers).status_code == 200


class TestContentType:
    @pytest.mark.parametrize(
        "form", ["application/x-www-form-urlencoded", "Application/X-WWW-Form-URLEncoded"]
    )
    def test_a_form_is_refused_before_anything_else_of_the_caller(
        self, live: Live, form: str
    ) -> None:
        response = httpx.post(
            live.url + "/v2/queues/q/messages",
            content=b"{}",
            headers={"Content-Type": form, "Accept": "application/xml"},
        )
        refused(response, 400, "Bad content type")

    @pytest.mark.parametrize("kind", ["text/plain", "application/json; charset=utf-8", None])
    def test_any_other_type_is_taken_as_json(self, api: Api, kind: str | None) -> None:
        headers = {"Content-Type": kind} if kind else {}
        body = b'{"messages": [{"body": 1}]}'
        response = api.send("/v2/queues/q/messages", content=body, headers=headers)
        assert response.status_code == 201

    def test_a_form_without_a_body_is_harmless(self, api: Api) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        assert api.get("/v2/queues", headers=headers).status_code == 200


class TestNames:
    @pytest.mark.parametrize("name", ["Nice-Boat_2", "Service.test_queue", "x" * 64, "..."])
    def test_good_names(self, api: Api, name: str) -> None:
        assert api.put(f"/v2/queues/{name}").status_code == 201

    @pytest.mark.parametrize(
        "name", ["Nice-Bo@t", "x" * 65, "%C3%A9", "a%20b", "a%00b", "a%0Ab", "%FF", "q%0A"]
    )
    def test_bad_names(self, api: Api, name: str) -> None:
        refused(api.put(f"/v2/queues/{name}"), 400, "Bad resource name", "64")

    def test_a_bad_name_is_found_before_the_body_is_read(self, api: Api) -> None:
        response = api.send("/v2/queues/b@d/messages", content=b"[")
        refused(response, 400, "Bad resource name")

    def test_a_project_has_up_to_256_characters(self, live: Live) -> None:
        assert live.api("x" * 256).put("/v2/queues/q").status_code == 201
        response = live.api("x" * 257).put("/v2/queues/q")
        refused(response, 400, "Bad resource name", "256")

    def test_a_project_is_any_text(self, live: Live) -> None:
        headers = {**HEADERS, "X-Project-ID": "projekt ü / 漢字".encode()}
        assert httpx.put(f"{live.url}/v2/queues/q", headers=headers).status_code == 201  # type: ignore[arg-type]
        page = live.driver.queues.list("projekt ü / 漢字")
        assert [queue.name for queue in page.items] == ["q"]

    def test_a_project_that_is_no_text_is_refused(self, live: Live) -> None:
        headers = {**HEADERS, "X-Project-ID": b"\xff\xfe"}
        response = httpx.get(f"{live.url}/v2/queues", headers=headers)  # type: ignore[arg-type]
        refused(response, 400, "Bad project id", "UTF-8")


class TestRouter:
    @pytest.mark.parametrize(
        "path",
        [
            "/v1/queues",
            "/v2/nowhere",
            "/v2/queues/q/nowhere",
            "/v2/queues/q/messages/m/x",
            "/v2/pools",
            "/v2/flavors/f",
            "/v2/topics",
            "/v2/health",
            "/v2/queues/q/claims/c/x",
        ],
    )
    def test_an_unknown_path_is_not_found_whoever_asks(self, live: Live, path: str) -> None:
        refused(ask(live, path), 404, "Not found")

    @pytest.mark.parametrize(
        ("method", "path", "allow"),
        [
            ("POST", "/", {"GET"}),
            ("HEAD", "/", {"GET"}),
            ("HEAD", "/v2/queues", {"GET"}),
            ("HEAD", "/v2/", {"GET"}),
            ("HEAD", "/v2/queues/q/stats", {"GET"}),
            ("PUT", "/v2/ping", {"GET", "HEAD"}),
            ("POST", "/v2/queues", {"GET"}),
            ("POST", "/v2/queues/q", {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
            ("PUT", "/v2/queues/q/messages", {"GET", "POST", "DELETE"}),
            ("GET", "/v2/queues/q/claims", {"POST"}),
            ("TRACE", "/v2/queues/q/purge", {"POST"}),
            ("MERGE", "/v2/queues/q/share", {"POST"}),
            ("GET", "/v2/queues/q/subscriptions/s/confirm", {"PUT"}),
        ],
    )
    def test_a_method_that_a_path_has_not(
        self, live: Live, method: str, path: str, allow: set[str]
    ) -> None:
        response = httpx.request(method, live.url + path)
        assert response.status_code == 405
        assert set(response.headers["Allow"].split(", ")) == allow
        assert response.headers["X-OpenStack-Request-Id"]
        if method != "HEAD":
            refused(response, 405, "Method not allowed", method)

    def test_options_names_the_methods(self, live: Live) -> None:
        response = httpx.options(live.url + "/v2/queues/q/messages")
        assert response.status_code == 200
        assert set(response.headers["Allow"].split(", ")) == {"DELETE", "GET", "POST"}

    @pytest.mark.parametrize("path", ["/v2", "/v2/", "/v2/queues", "/v2/queues/"])
    def test_a_slash_at_the_end_changes_nothing(self, api: Api, path: str) -> None:
        assert api.get(path).status_code == 200


class TestFreeClientIds:
    def test_any_text_of_the_right_length_is_a_client_id(self) -> None:
        limits = ServiceLimits(client_id_uuid_safe="off")
        with serve(limits=limits) as live:
            assert ask(live, Client_ID="x" * 10, X_Project_ID="p").status_code == 200
            assert ask(live, Client_ID="x" * 36, X_Project_ID="p").status_code == 200
            for value in ("x" * 9, "x" * 37):
                response = ask(live, Client_ID=value, X_Project_ID="p")
                refused(response, 400, "Bad client id", "10 to 36")


def test_extra_spec_means_nothing(live: Live) -> None:
    response = ask(live, "/v2/queues", EXTRA_SPEC="messagecode:1")
    refused(response, 400, "Missing header")
    with_caller = httpx.get(live.url + "/v2/queues", headers={**HEADERS, "EXTRA-SPEC": "what:1"})
    assert with_caller.status_code == 200
