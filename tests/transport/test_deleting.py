"""Spec 2.7: delete one message, several, and pop."""

from collections.abc import Iterator

import pytest

from mqcore.service import ServiceLimits

from .live import Api, refused, serve

MESSAGES = "/v2/queues/q/messages"


class TestDeleteOne:
    def test_a_free_message(self, api: Api) -> None:
        (message_id,) = api.post(1)
        response = api.delete(f"{MESSAGES}/{message_id}")
        assert (response.status_code, response.content) == (204, b"")
        assert api.ids() == []
        assert api.delete(f"{MESSAGES}/{message_id}").status_code == 204

    @pytest.mark.parametrize("message_id", ["x", "%00", "%FF", "a%2Cb", "0" * 3000])
    @pytest.mark.parametrize("query", ["", "?claim_id=x", "?claim_id="])
    def test_what_is_not_there(self, api: Api, message_id: str, query: str) -> None:
        assert api.delete(f"{MESSAGES}/{message_id}{query}").status_code == 204
        api.post(1)
        assert api.delete(f"{MESSAGES}/{message_id}{query}").status_code == 204

    def test_a_claimed_message_needs_its_claim(self, api: Api) -> None:
        api.post(1)
        _, (message,) = api.claim()
        path = message["href"].split("?")[0]
        refused(api.delete(path), 403, "Delete refused")
        assert api.delete(message["href"]).status_code == 204
        assert api.delete(message["href"]).status_code == 204

    @pytest.mark.parametrize("claim_id", ["invalid", "a" * 32, "%00"])
    def test_an_unknown_claim(self, api: Api, claim_id: str) -> None:
        free, _ = api.post(1, 2)
        _, (message,) = api.claim(limit=1)
        path = message["href"].split("?")[0]
        refused(api.delete(f"{path}?claim_id={claim_id}"), 400, "Delete refused")
        response = api.delete(f"{MESSAGES}/{free}?claim_id={claim_id}")
        refused(response, 400, "Delete refused")

    @pytest.mark.parametrize("how", ["expired", "released"])
    def test_a_claim_that_is_over(self, api: Api, how: str) -> None:
        api.post(1)
        location, (message,) = api.claim(ttl=60)
        if how == "expired":
            api.live.clock.advance(60)
        else:
            api.delete(location)
        refused(api.delete(message["href"]), 400, "Delete refused")
        assert len(api.ids()) == 1

    def test_a_claim_of_other_messages(self, api: Api) -> None:
        api.post(1, 2)
        first, _ = api.claim(limit=1)
        _, (other,) = api.claim(limit=1)
        claim_id = first.rsplit("/", 1)[1]
        path = other["href"].split("?")[0]
        refused(api.delete(f"{path}?claim_id={claim_id}"), 403, "Delete refused")


class TestDeleteSeveral:
    def test_claimed_ones_too(self, api: Api) -> None:
        ids = api.post(1, 2, 3)
        api.claim(limit=1)
        named = ",".join([*ids[:2], "unknown"])
        response = api.delete(f"{MESSAGES}?ids={named}")
        assert (response.status_code, response.content) == (204, b"")
        assert api.ids("echo=true&include_claimed=true") == ids[2:]

    def test_a_missing_queue(self, api: Api) -> None:
        assert api.delete(f"{MESSAGES}?ids=a,b").status_code == 204
        assert api.http.head("/v2/queues/q").status_code == 404

    @pytest.mark.parametrize(
        "query",
        ["", "ids=", "ids=,", "pop=", "ids=a&pop=1", "claim_ids=a", f"ids={','.join('x' * 21)}"],
    )
    def test_what_to_delete_must_be_clear(self, api: Api, query: str) -> None:
        api.post(1)
        refused(api.delete(f"{MESSAGES}?{query}"), 400, "Invalid request", "ids")
        assert len(api.ids()) == 1


class TestPop:
    def test_oldest_first_and_for_good(self, api: Api) -> None:
        ids = api.post("a", "b", "c", ttl=100)
        api.live.clock.advance(3)
        response = api.delete(f"{MESSAGES}?pop=2")
        assert response.status_code == 200
        first, second = response.json()["messages"]
        assert first == {
            "id": ids[0],
            "ttl": 100,
            "age": 3,
            "body": "a",
            "claim_id": None,
            "claim_count": 0,
        }
        assert second["id"] == ids[1]
        assert api.ids() == ids[2:]

    def test_nothing_to_pop(self, api: Api) -> None:
        assert api.delete(f"{MESSAGES}?pop=5").json() == {"messages": []}
        api.post(1, delay=60)
        api.post(2)
        api.claim()
        assert api.delete(f"{MESSAGES}?pop=5").json() == {"messages": []}

    @pytest.mark.parametrize("pop", ["0", "-1", "21", "1000000"])
    def test_out_of_range(self, api: Api, pop: str) -> None:
        refused(api.delete(f"{MESSAGES}?pop={pop}"), 400, "Invalid request", "pop", "20")

    def test_no_number(self, api: Api) -> None:
        refused(api.delete(f"{MESSAGES}?pop=x"), 400, "Bad query parameter", "pop")


@pytest.fixture(scope="module")
def strict() -> Iterator[Api]:
    with serve(limits=ServiceLimits(message_delete_with_claim_id=True)) as live:
        yield live.api()


class TestDeleteByClaimOnly:
    """With the option message_delete_with_claim_id."""

    @pytest.mark.parametrize("query", ["ids=a", "claim_ids=a", "pop=1&claim_ids=a"])
    def test_ids_and_claim_ids_go_together(self, strict: Api, query: str) -> None:
        refused(strict.delete(f"{MESSAGES}?{query}"), 400, "Invalid request")

    def test_all_or_none(self, strict: Api) -> None:
        strict.post(1, 2, 3, queue="r")
        path = "/v2/queues/r/messages"
        one, (first,) = strict.claim(queue="r", limit=1)
        two, (second,) = strict.claim(queue="r", limit=1)
        claims = [location.rsplit("/", 1)[1] for location in (one, two)]
        ids = f"{first['id']},{second['id']}"
        response = strict.delete(f"{path}?ids={ids}&claim_ids={claims[0]}")
        refused(response, 403, "Delete refused")
        response = strict.delete(f"{path}?ids={ids}&claim_ids=unknown")
        refused(response, 400, "Delete refused")
        assert len(strict.ids("echo=true&include_claimed=true", queue="r")) == 3
        response = strict.delete(f"{path}?ids={ids}&claim_ids={','.join(claims)}")
        assert response.status_code == 204
        assert len(strict.ids("echo=true&include_claimed=true", queue="r")) == 1
