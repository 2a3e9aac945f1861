"""Spec 2.7: post, list and get messages."""

import json
from typing import Any

import pytest

from mqcore.service import ServiceLimits

from .live import Api, refused, serve

MESSAGES = "/v2/queues/q/messages"


class TestPost:
    def test_answer(self, api: Api) -> None:
        response = api.send(MESSAGES, json={"messages": [{"body": 1}, {"body": 2, "ttl": 60}]})
        assert response.status_code == 201
        resources = response.json()["resources"]
        assert response.json() == {"resources": resources}
        ids = [href.removeprefix(f"{MESSAGES}/") for href in resources]
        assert response.headers["Location"] == f"{MESSAGES}?ids={','.join(ids)}"
        found = api.get(response.headers["Location"]).json()["messages"]
        assert [message["body"] for message in found] == [1, 2]

    @pytest.mark.parametrize(
        "text",
        [
            "null",
            "0",
            '""',
            "[]",
            "{}",
            "-0.0",
            "1e400",
            "9223372036854775807",
            "-9223372036854775808",
            '"12345678901234567890123"',
            "0.12345678901234567890123",
            '{"a.b": {"$c": 1}, "a.b": 2}',
            '"\\ud83d\\ude00 \\u0000 é 漢"',
            "[" * 300 + "]" * 300,
        ],
    )
    def test_any_json_value_comes_back_as_it_was(self, api: Api, text: str) -> None:
        body = f'{{"messages": [{{"body": {text}}}]}}'.encode()
        response = api.send(MESSAGES, content=body)
        assert response.status_code == 201, response.text
        (href,) = response.json()["resources"]
        assert f'"body":{text}' in api.get(href).text

    def test_unknown_members_are_dropped(self, api: Api) -> None:
        api.post(1, colour="red")
        response = api.get(f"{MESSAGES}?echo=true").json()
        assert set(response["messages"][0]) == {"id", "href", "ttl", "age", "body"}

    def test_the_queue_is_created(self, api: Api) -> None:
        api.post(1)
        assert api.http.head("/v2/queues/q").status_code == 204

    def test_there_is_no_limit_on_the_number(self, api: Api) -> None:
        ids = api.post(*range(2000))
        assert len(set(ids)) == 2000
        response = api.send(MESSAGES, json={"messages": [{"body": 1}] * 300})
        assert response.headers["Location"] == MESSAGES

    def test_defaults_come_from_the_queue_then_from_the_server(self, api: Api) -> None:
        api.post(1)
        api.put("/v2/queues/r", json={"_default_message_ttl": 77})
        api.post(1, queue="r")
        ttls = []
        for queue in ("q", "r"):
            listing = api.get(f"/v2/queues/{queue}/messages?echo=true").json()
            ttls.append(listing["messages"][0]["ttl"])
        assert ttls == [3600, 77]

    def test_a_message_expires(self, api: Api) -> None:
        (message_id,) = api.post(1, ttl=60)
        api.live.clock.advance(59)
        assert api.get(f"{MESSAGES}/{message_id}").json()["age"] == 59
        api.live.clock.advance(1)
        refused(api.get(f"{MESSAGES}/{message_id}"), 404, "Not found")

    BAD = (
        (b"", "Invalid body"),
        (b"[", "Invalid body"),
        (b".", "Invalid body"),
        (b"123", "Invalid body"),
        (b'"text"', "Invalid body"),
        (b"null", "Invalid body"),
        (b"[]", "Invalid request"),
        (b"[1]", "Invalid request"),
        (b"{}", "Invalid request"),
        (b'{"message": []}', "Invalid request"),
        (b'{"messages": []}', "Invalid request"),
        (b'{"messages": null}', "Invalid body"),
        (b'{"messages": {}}', "Invalid body"),
        (b'{"messages": "x"}', "Invalid body"),
        (b'{"messages": [1]}', "Invalid body"),
        (b'{"messages": [null]}', "Invalid body"),
        (b'{"messages": [[]]}', "Invalid body"),
        (b'{"messages": [{"ttl": 60}]}', "Invalid body"),
        (b'{"messages": [{"body": 1, "ttl": "60"}]}', "Invalid body"),
        (b'{"messages": [{"body": 1, "ttl": 60.5}]}', "Invalid body"),
        (b'{"messages": [{"body": 1, "ttl": true}]}', "Invalid body"),
        (b'{"messages": [{"body": 1, "ttl": null}]}', "Invalid body"),
        (b'{"messages": [{"body": 1, "delay": "0"}]}', "Invalid body"),
        (b'{"messages": [{"body": 1, "ttl": -1}]}', "Invalid request"),
        (b'{"messages": [{"body": 1, "ttl": 0}]}', "Invalid request"),
        (b'{"messages": [{"body": 1, "ttl": 59}]}', "Invalid request"),
        (b'{"messages": [{"body": 1, "ttl": 1209601}]}', "Invalid request"),
        (b'{"messages": [{"body": 1, "delay": -1}]}', "Invalid request"),
        (b'{"messages": [{"body": 1, "delay": 901}]}', "Invalid request"),
        (b'{"messages": [{"body": 1}, {"body": 2, "ttl": 1}]}', "Invalid request"),
        (b'{"messages": [{"body": 9223372036854775808}]}', "Invalid body"),
        (b'{"messages": [{"body": -9223372036854775809}]}', "Invalid body"),
        (b'{"messages": [{"body": {"a": [1, 18446744073709551616]}}]}', "Invalid body"),
        (b'{"messages": [{"body": 1, "x": 99999999999999999999}]}', "Invalid body"),
        (b'{"messages": [{"body": ' + b"1" * 5000 + b"}]}", "Invalid body"),
        (b'{"messages": [{"body": ' + b"[" * 9000 + b"]" * 9000 + b"}]}", "Invalid body"),
        (b'{"messages": [{"body": 1, "ttl": 9223372036854775808}]}', "Invalid body"),
        (b'{"messages": [{"body": "\xff"}]}', "Invalid body"),
        (b'{"messages": [{"body": "\xed\xa0\x80"}]}', "Invalid body"),
        (b'{"messages": [{"body": "\\ud800"}]}', "Invalid body"),
        (b'\xef\xbb\xbf{"messages": [{"body": 1}]}', "Invalid body"),
        ('{"messages": [{"body": 1}]}'.encode("utf-16"), "Invalid body"),
        (b'{"messages": [{"body": NaN}]}', "Invalid body"),
        (b'{"messages": [{"body": 01}]}', "Invalid body"),
        (b'{"messages": [{"body": "\n"}]}', "Invalid body"),
        (b'{"messages": [{"body": 1}]} x', "Invalid body"),
        (b'{"messages": [{"body": 1}]}' + b" " * 262144, "Invalid request"),
    )

    @pytest.mark.parametrize(("body", "title"), BAD, ids=[str(n) for n in range(len(BAD))])
    def test_bad_bodies_store_nothing(self, api: Api, body: bytes, title: str) -> None:
        refused(api.send(MESSAGES, content=body), 400, title)
        assert api.http.head("/v2/queues/q").status_code == 404

    def test_the_member_is_named(self, api: Api) -> None:
        response = api.send(MESSAGES, json={"messages": [{"body": 1, "ttl": "x"}]})
        refused(response, 400, "Invalid body", "ttl")
        response = api.send(MESSAGES, json={"messages": [{"ttl": 60}]})
        refused(response, 400, "Invalid body", "body")

    def test_the_largest_post_of_a_queue(self, api: Api) -> None:
        api.put("/v2/queues/q", json={"_max_messages_post_size": 100})
        body = b'{"messages": [{"body": 1}]}'.ljust(100)
        assert api.send(MESSAGES, content=body).status_code == 201
        refused(api.send(MESSAGES, content=body + b" "), 400, "Invalid request", "100")

    def test_the_largest_post_of_the_server(self, api: Api) -> None:
        body = b'{"messages": [{"body": 1}]}'.ljust(262144)
        assert api.send(MESSAGES, content=body).status_code == 201


class TestDelay:
    def test_it_is_honoured_on_any_queue(self, api: Api) -> None:
        (delayed,) = api.post("later", delay=30)
        assert api.ids() == []
        assert api.ids("echo=true&include_delayed=true") == [delayed]
        assert api.send("/v2/queues/q/claims").status_code == 204
        assert api.get(f"{MESSAGES}/{delayed}").status_code == 200
        api.live.clock.advance(30)
        assert api.ids() == [delayed]

    def test_a_queue_can_have_a_default(self, api: Api) -> None:
        api.put("/v2/queues/q", json={"_default_message_delay": 10})
        _, at_once = *api.post(1), *api.post(2, delay=0)
        assert api.ids() == [at_once]


class TestList:
    def test_a_missing_queue(self, api: Api) -> None:
        response = api.get(MESSAGES)
        assert (response.status_code, response.json()) == (200, {"messages": [], "links": []})

    def test_echo_compares_clients_by_uuid_value(self, api: Api) -> None:
        (mine,) = api.post("mine")
        (theirs,) = api.other_client().post("theirs")
        assert api.ids("") == [theirs]
        assert api.ids("echo=true") == [mine, theirs]
        undashed = {"Client-ID": api.headers["Client-ID"].replace("-", "").upper()}
        listing = api.get(MESSAGES, headers=undashed).json()["messages"]
        assert [message["id"] for message in listing] == [theirs]

    def test_claimed_messages_are_asked_for(self, api: Api) -> None:
        claimed, free = api.post(1, 2)
        location, _ = api.claim(limit=1)
        claim_id = location.rsplit("/", 1)[1]
        assert api.ids() == [free]
        listing = api.get(f"{MESSAGES}?echo=true&include_claimed=true").json()["messages"]
        assert [message["href"] for message in listing] == [
            f"{MESSAGES}/{claimed}?claim_id={claim_id}",
            f"{MESSAGES}/{free}",
        ]

    def test_projects_are_apart(self, api: Api) -> None:
        (message_id,) = api.post(1)
        stranger = api.live.api(api.project + "1")
        assert stranger.ids() == []
        refused(stranger.get(f"{MESSAGES}/{message_id}"), 404, "Not found")


class TestGet:
    def test_one(self, api: Api) -> None:
        (message_id,) = api.post({"a": 1}, ttl=100)
        api.live.clock.advance(7)
        response = api.get(f"{MESSAGES}/{message_id}?whatever=x")
        assert response.json() == {
            "id": message_id,
            "href": f"{MESSAGES}/{message_id}",
            "ttl": 100,
            "age": 7,
            "body": {"a": 1},
        }

    @pytest.mark.parametrize("message_id", ["x", "a" * 32, "%00", "%FF", "0" * 5000, "a%2Cb"])
    def test_what_is_not_there(self, api: Api, message_id: str) -> None:
        refused(api.get(f"{MESSAGES}/{message_id}"), 404, "Not found", "'q'")
        api.post(1)
        refused(api.get(f"{MESSAGES}/{message_id}"), 404, "Not found", "'q'")

    def test_another_queue(self, api: Api) -> None:
        (message_id,) = api.post(1)
        refused(api.get(f"/v2/queues/r/messages/{message_id}"), 404, "Not found")

    def test_several_in_the_order_asked_for(self, api: Api) -> None:
        a, b, _ = api.post(1, 2, 3)
        response = api.get(f"{MESSAGES}?ids={b},unknown,{a}&limit=x&echo=x")
        assert response.status_code == 200
        assert set(response.json()) == {"messages"}
        assert [message["id"] for message in response.json()["messages"]] == [b, a]

    def test_claimed_and_delayed_ones_too(self, api: Api) -> None:
        ids = [*api.post(1), *api.post(2, delay=60)]
        api.claim()
        assert api.ids(f"ids={','.join(ids)}") == ids

    @pytest.mark.parametrize("ids", ["x", "x,y"])
    def test_none_of_several(self, api: Api, ids: str) -> None:
        refused(api.get(f"{MESSAGES}?ids={ids}"), 404, "Not found")
        api.post(1)
        refused(api.get(f"{MESSAGES}?ids={ids}"), 404, "Not found")

    def test_more_than_twenty(self, api: Api) -> None:
        ids = ",".join(["x"] * 21)
        refused(api.get(f"{MESSAGES}?ids={ids}"), 400, "Invalid request", "ids", "20")


@pytest.mark.parametrize(
    ("body", "checksum"),
    [
        (1, "MD5:c4ca4238a0b923820dcc509a6f75849b"),
        ({"a": 1}, "MD5:42b7b4f2921788ea14dac5566e6f06d0"),
        (None, None),
    ],
)
def test_checksums(body: Any, checksum: str | None) -> None:
    with serve(limits=ServiceLimits(enable_checksum=True)) as live:
        api = live.api()
        # Posted without spaces: the checksum is over one form of the value, not over the text.
        text = json.dumps({"messages": [{"body": body}]}, separators=(",", ":"))
        (href,) = api.send(MESSAGES, content=text).json()["resources"]
        assert api.get(href).json().get("checksum") == checksum
        (message,) = api.claim()[1]
        assert message.get("checksum") == checksum


def test_a_deep_body_with_checksums_is_refused_or_kept() -> None:
    with serve(limits=ServiceLimits(enable_checksum=True)) as live:
        api = live.api()
        for depth in (100, 700, 980):
            body = '{"messages": [{"body": ' + "[" * depth + "]" * depth + "}]}"
            assert api.send(MESSAGES, content=body).status_code in (201, 400)
