"""`/v2/`: the home document, in the form of JSON Home (spec 2.4)."""

from typing import Any

import falcon.asgi
import msgspec

from .request import Request, Resource

__all__ = ["Home"]

QUEUE = "/v2/queues/{queue_name}"
MESSAGE = f"{QUEUE}/messages/{{message_id}}"
CLAIM = f"{QUEUE}/claims/{{claim_id}}"
SUBSCRIPTION = f"{QUEUE}/subscriptions/{{subscriptions_id}}"

Relation = tuple[str, str, str, dict[str, str]]

RELATIONS: tuple[Relation, ...] = (
    (
        "queues",
        "/v2/queues{?marker,limit,detailed}",
        "GET",
        {"limit": "queue_limit"},
    ),
    ("queue", QUEUE, "GET PUT DELETE PATCH", {}),
    ("queue_stats", f"{QUEUE}/stats", "GET", {}),
    ("queue_share", f"{QUEUE}/share", "POST", {}),
    ("queue_purge", f"{QUEUE}/purge", "POST", {}),
    (
        "messages",
        f"{QUEUE}/messages{{?marker,limit,echo,include_claimed}}",
        "GET",
        {"limit": "messages_limit"},
    ),
    ("post_messages", f"{QUEUE}/messages", "POST", {}),
    ("messages_delete", f"{QUEUE}/messages{{?ids,pop}}", "DELETE", {}),
    ("message_delete", f"{MESSAGE}{{?claim_id}}", "DELETE", {}),
    ("message_get", MESSAGE, "GET", {}),
    ("claim", CLAIM, "GET", {}),
    ("patch_claim", CLAIM, "PATCH", {}),
    ("delete_claim", CLAIM, "DELETE", {}),
    ("post_claim", f"{QUEUE}/claims{{?limit}}", "POST", {"limit": "claim_limit"}),
    (
        "subscriptions_get",
        f"{QUEUE}/subscriptions{{?marker,limit}}",
        "GET",
        {"limit": "subscription_limit"},
    ),
    ("subscriptions_post", f"{QUEUE}/subscriptions", "POST", {}),
    ("subscription", SUBSCRIPTION, "GET DELETE", {}),
    ("subscription_patch", SUBSCRIPTION, "PATCH", {}),
    ("ping", "/v2/ping", "GET", {}),
)
"""Name, template, methods, and the names of those parameters that have another one there."""

TAKES_BODY = frozenset(("queue_share", "queue_purge", "post_messages", "patch_claim", "post_claim"))
TAKES_BODY |= {"subscriptions_post", "subscription_patch"}


class Home(Resource):
    media_type = "application/json-home"

    def __init__(self, *, admin_mode: bool) -> None:
        self._document = msgspec.json.encode(home_document(admin_mode=admin_mode))

    async def on_get(self, req: Request, resp: falcon.asgi.Response) -> None:
        resp.data = self._document
        resp.content_type = self.media_type
        resp.set_header("Cache-Control", "max-age=86400")


def home_document(*, admin_mode: bool) -> dict[str, Any]:
    """The document; the operations for administrators are in it only when they are offered."""
    resources = {
        f"rel/{name}": _entry(name, template, methods, renamed)
        for name, template, methods, renamed in RELATIONS
    }
    if admin_mode:
        resources["rel/health"] = {"href": "/v2/health", "hints": _hints("GET")}
    return {"resources": resources}


def _entry(name: str, template: str, methods: str, renamed: dict[str, str]) -> dict[str, Any]:
    variables = {
        variable: f"param/{renamed.get(variable, variable)}"
        for part in template.split("{")[1:]
        for variable in part.split("}")[0].lstrip("?").split(",")
    }
    hints = _hints(methods)
    if name in TAKES_BODY:
        hints["accept-post"] = ["application/json"]
    if not variables:
        return {"href": template, "hints": hints}
    if name == "subscriptions_post":
        variables["limit"] = "param/subscription_limit"
    return {"href-template": template, "href-vars": variables, "hints": hints}


def _hints(methods: str) -> dict[str, Any]:
    return {"allow": methods.split(), "formats": {"application/json": {}}}
