"""Spec 2.3: query parameters and paging."""

import pytest

from .live import Api, pages, refused

TRUE = ["true", "True", "t", "yes", "y", "1", "on"]
FALSE = ["false", "False", "f", "no", "n", "0", "off"]


@pytest.mark.parametrize("text", TRUE)
def test_spellings_of_true(api: Api, text: str) -> None:
    (posted,) = api.post("mine")
    assert api.ids(f"echo={text}") == [posted]


@pytest.mark.parametrize("text", FALSE)
def test_spellings_of_false(api: Api, text: str) -> None:
    api.post("mine")
    assert api.ids(f"echo={text}") == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v2/queues?limit=x", "limit"),
        ("/v2/queues?limit=1.5", "limit"),
        ("/v2/queues?limit=1_0", "limit"),
        ("/v2/queues?limit=%201", "limit"),
        ("/v2/queues?limit=%D9%A3", "limit"),
        (f"/v2/queues?limit={'9' * 5000}", "limit"),
        ("/v2/queues?detailed=TRUE", "detailed"),
        ("/v2/queues?with_count=2", "with_count"),
        ("/v2/queues/q/messages?limit=x", "limit"),
        ("/v2/queues/q/messages?echo=maybe", "echo"),
        ("/v2/queues/q/messages?include_claimed=x", "include_claimed"),
        ("/v2/queues/q/messages?include_delayed=x", "include_delayed"),
        ("/v2/queues/q/subscriptions?limit=x", "limit"),
        ("/v2/queues?limit=\xff", "limit"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(api: Api, path: str, name: str) -> None:
    refused(api.get(path), 400, "Bad query parameter", name)


def test_the_last_of_a_repeated_parameter_counts(api: Api) -> None:
    posted = api.post(1, 2, 3)
    assert api.ids("echo=true&limit=1&limit=2") == posted[:2]


@pytest.mark.parametrize("path", ["queues", "queues/q/messages", "queues/q/subscriptions"])
@pytest.mark.parametrize("limit", ["0", "-1", "21", "9" * 50])
def test_a_limit_out_of_range_is_refused(api: Api, path: str, limit: str) -> None:
    refused(api.get(f"/v2/{path}?limit={limit}"), 400, "Invalid request", "limit", "20")


@pytest.mark.parametrize(
    "query", ["limit=", "echo=", "ids=", "marker=", "limit=&echo=&x=", "ids=,"]
)
def test_a_blank_value_is_absent(api: Api, query: str) -> None:
    api.post("mine")
    response = api.get(f"/v2/queues/q/messages?{query}")
    assert response.json() == {"messages": [], "links": []}


@pytest.mark.parametrize("path", ["queues/q/messages", "queues/q/subscriptions"])
def test_unknown_parameters_are_ignored(api: Api, path: str) -> None:
    assert api.get(f"/v2/{path}?detailed=False&colour=red").status_code == 200


@pytest.mark.parametrize("form", ["ids={0},{1}", "ids={0}&ids={1}", "ids={0},&ids=,{1},"])
def test_lists_are_separated_by_commas_or_repeated(api: Api, form: str) -> None:
    posted = api.post(1, 2)
    assert api.ids(form.format(*posted)) == posted


class TestPaging:
    def test_messages_are_listed_to_the_end(self, api: Api) -> None:
        posted = api.post(*range(10))
        found = pages(api, "/v2/queues/q/messages?limit=3&echo=True", "messages")
        assert [len(page) for page in found] == [3, 3, 3, 1]
        assert [message["id"] for page in found for message in page] == posted

    def test_a_page_has_ten_by_default(self, api: Api) -> None:
        posted = api.post(*range(11))
        assert api.ids("echo=true") == posted[:10]

    def test_what_is_posted_later_is_found_from_the_last_link(self, api: Api) -> None:
        api.post(1)
        (link,) = api.get("/v2/queues/q/messages?echo=true").json()["links"]
        assert api.get(link["href"]).json() == {"messages": [], "links": []}
        (later,) = api.post(2)
        assert [one["id"] for one in api.get(link["href"]).json()["messages"]] == [later]

    def test_the_link_repeats_the_parameters(self, api: Api) -> None:
        api.post(1)
        query = "echo=True&include_claimed=1&include_delayed=no&limit=7&other=x"
        (link,) = api.get(f"/v2/queues/q/messages?{query}").json()["links"]
        path, _, query = link["href"].partition("?")
        assert path == "/v2/queues/q/messages"
        params = dict(pair.split("=") for pair in query.split("&"))
        assert params.pop("marker")
        assert params == {
            "echo": "true",
            "include_claimed": "true",
            "include_delayed": "false",
            "limit": "7",
        }

    def test_a_malformed_marker_is_an_empty_page(self, api: Api) -> None:
        api.post(1)
        response = api.get("/v2/queues/q/messages?echo=true&marker=what%00%C3%A9")
        assert response.json() == {"messages": [], "links": []}

    def test_queues_are_listed_to_the_end(self, api: Api) -> None:
        names = [f"q{n}" for n in range(5)]
        for name in reversed(names):
            api.put(f"/v2/queues/{name}")
        found = pages(api, "/v2/queues?limit=2", "queues")
        assert [queue["name"] for page in found for queue in page] == names

    def test_subscriptions_are_listed_to_the_end(self, api: Api) -> None:
        ids = []
        for n in range(5):
            wish = {"subscriber": f"http://127.0.0.1/{n}"}
            response = api.send("/v2/queues/q/subscriptions", json=wish)
            ids.append(response.json()["subscription_id"])
        found = pages(api, "/v2/queues/q/subscriptions?limit=2", "subscriptions")
        assert [one["id"] for page in found for one in page] == ids
