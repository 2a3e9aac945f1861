"""Spec 2.4 and 2.5: versions, home document, ping and health."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from mqcore.contract import Unavailable
from mqcore.memory import open_driver
from mqcore.transport.ping import Ping
from mqcore.transport.settings import AppSettings

from .live import KEY, Api, Clock, Live, refused, serve

RELATIONS = (
    "queues",
    "queue",
    "queue_stats",
    "queue_share",
    "queue_purge",
    "messages",
    "post_messages",
    "messages_delete",
    "message_delete",
    "message_get",
    "claim",
    "patch_claim",
    "delete_claim",
    "post_claim",
    "subscriptions_get",
    "subscriptions_post",
    "subscription",
    "subscription_patch",
    "ping",
)


def test_versions(live: Live) -> None:
    response = httpx.get(live.url)
    assert response.status_code == 300
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == {
        "versions": [
            {
                "id": "2",
                "status": "CURRENT",
                "updated": "2014-9-24T04:06:47Z",
                "media-types": [
                    {
                        "base": "application/json",
                        "type": "application/vnd.openstack.messaging-v2+json",
                    }
                ],
                "links": [{"href": "/v2/", "rel": "self"}],
            }
        ]
    }


class TestHome:
    def test_headers(self, api: Api) -> None:
        response = api.get("/v2/")
        assert response.headers["Content-Type"] == "application/json-home"
        assert response.headers["Cache-Control"] == "max-age=86400"

    def test_relations(self, api: Api) -> None:
        resources = api.get("/v2/").json()["resources"]
        assert set(resources) == {f"rel/{name}" for name in RELATIONS}
        templates = [one.get("href-template") or one["href"] for one in resources.values()]
        assert all(template.startswith("/v2") for template in templates)

    def test_one_entry(self, api: Api) -> None:
        resources = api.get("/v2/").json()["resources"]
        assert resources["rel/messages"] == {
            "href-template": (
                "/v2/queues/{queue_name}/messages{?marker,limit,echo,include_claimed}"
            ),
            "href-vars": {
                "queue_name": "param/queue_name",
                "marker": "param/marker",
                "limit": "param/messages_limit",
                "echo": "param/echo",
                "include_claimed": "param/include_claimed",
            },
            "hints": {"allow": ["GET"], "formats": {"application/json": {}}},
        }
        assert resources["rel/post_claim"]["hints"]["accept-post"] == ["application/json"]
        assert resources["rel/queue"]["href-template"].format(queue_name="x") == "/v2/queues/x"

    def test_health_is_offered_to_administrators_only(self, admin: Live) -> None:
        resources = admin.api().get("/v2/").json()["resources"]
        assert resources["rel/health"]["href"] == "/v2/health"


class TestPing:
    def test_a_store_that_works(self, api: Api) -> None:
        response = api.get("/v2/ping")
        assert (response.status_code, response.content) == (204, b"")
        assert "Content-Type" not in response.headers

    def test_a_store_that_does_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse() -> None:
            raise Unavailable("gone")

        clock = Clock()
        driver = open_driver("memory://", clock=clock)
        monkeypatch.setattr(driver, "ping", refuse)
        with serve(driver=driver) as live:
            api = live.api()
            response = api.get("/v2/ping")
            assert (response.status_code, response.content) == (503, b"")
            assert api.http.head("/v2/ping").status_code == 204

    @pytest.mark.parametrize(("error", "status"), [(Unavailable("x"), 503), (KeyError("x"), 500)])
    def test_those_who_come_before_the_store_answers_share_the_answer(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
    ) -> None:
        arrived, answers = threading.Semaphore(0), threading.Event()
        calls = []
        on_get = Ping.on_get

        async def counted(*given: Any) -> None:
            arrived.release()
            await on_get(*given)

        def hang() -> None:
            calls.append(1)
            assert answers.wait(10)
            raise error

        driver = open_driver("memory://", clock=Clock())
        monkeypatch.setattr(driver, "ping", hang)
        monkeypatch.setattr(Ping, "on_get", counted)
        with serve(driver=driver) as live, ThreadPoolExecutor(8) as pool:
            clients = [live.api() for _ in range(8)]
            statuses = [pool.submit(client.get, "/v2/ping") for client in clients]
            assert all(arrived.acquire(timeout=10) for _ in clients)
            answers.set()
            assert {one.result().status_code for one in statuses} == {status}
            assert len(calls) == 1


@pytest.fixture(scope="module")
def admin() -> Iterator[Live]:
    with serve(AppSettings(admin_mode=True)) as live:
        yield live


@pytest.fixture(scope="module")
def trusting() -> Iterator[Live]:
    settings = AppSettings(admin_mode=True, trust_identity_headers=True, signed_url_key=KEY)
    with serve(settings) as live:
        yield live


class TestHealth:
    def test_report(self, admin: Live) -> None:
        admin.api().post(1, 2)
        response = admin.api().get("/v2/health")
        assert response.status_code == 200
        report = response.json()
        assert report["storage_reachable"] is True
        assert report["message_volume"]["total"] >= 2
        assert set(report["operation_status"]) == {
            "create_queue",
            "post_messages",
            "claim_messages",
            "list_messages",
            "delete_messages",
            "delete_claim",
            "bulk_delete_messages",
            "delete_queue",
        }
        for outcome in report["operation_status"].values():
            assert outcome["succeeded"] is True
            assert outcome["ref"] is None
            assert isinstance(outcome["seconds"], float)

    def test_roles_of_strangers_mean_nothing(self, admin: Live) -> None:
        assert admin.api().get("/v2/health", headers={"X-Roles": "none"}).status_code == 200

    def test_without_admin_mode_there_is_no_such_path(self, api: Api) -> None:
        refused(api.get("/v2/health", headers={"X-Roles": "admin"}), 404, "Not found")

    @pytest.mark.parametrize("roles", ["admin", "member,Admin", "member, admin"])
    def test_trusted_headers_let_the_role_in(self, trusting: Live, roles: str) -> None:
        response = trusting.api().get("/v2/health", headers={"X-Roles": roles})
        assert response.status_code == 200

    @pytest.mark.parametrize("roles", [None, "", "member", "administrator"])
    def test_trusted_headers_keep_others_out(self, trusting: Live, roles: str | None) -> None:
        headers = {} if roles is None else {"X-Roles": roles}
        refused(trusting.api().get("/v2/health", headers=headers), 403, "Forbidden", "admin")

    def test_it_needs_a_caller(self, admin: Live) -> None:
        refused(httpx.get(admin.url + "/v2/health"), 400, "Missing header")
