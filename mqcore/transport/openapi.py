"""`/v2/openapi.json`: the API described for machines, in OpenAPI 3.1."""

from typing import Any

import falcon.asgi
import msgspec

from mqcore.service import ServiceLimits

from .openapi_schemas import Json, number, ref, schemas
from .patch import PATCH_TYPE
from .request import Request, Resource

__all__ = ["OpenApi", "openapi_document"]

QUEUE = "/v2/queues/{queue_name}"
JSON = "application/json"

ERRORS = {
    400: "The request breaks a rule; the description names it",
    403: "The state of the thing, or a role that the caller lacks, forbids this",
    404: "It does not exist, or the pre-signed URL is not good for this",
    406: "The Accept header excludes JSON",
    408: "The body did not arrive in time",
    409: "Something that exists is in the way",
    415: "The Content-Type or Content-Encoding is not one that is taken",
    500: "The server failed",
    503: "The storage does not work now; try again",
}

SIGNED_URL = (
    "Given by POST .../share. Send the values of its answer as URL-Signature, URL-Expires, "
    "URL-Methods and URL-Paths (comma lists) and X-Project-ID. What does not fit answers 404."
)


class OpenApi(Resource):
    anonymous = True

    def __init__(self, limits: ServiceLimits, *, admin_mode: bool) -> None:
        self._document = msgspec.json.encode(openapi_document(limits, admin_mode=admin_mode))

    async def on_get(self, req: Request, resp: falcon.asgi.Response) -> None:
        resp.data = self._document
        resp.content_type = JSON


def openapi_document(limits: ServiceLimits, *, admin_mode: bool) -> Json:
    """The document, with the limits of this server."""
    paths = {**_root_paths(), **_queue_paths(limits), **_message_paths(limits)}
    paths |= _subscription_paths(limits)
    if admin_mode:
        roles = _param("X-Roles", "header", {"type": "string"})
        paths["/v2/health"] = {"get": _op("Probe the storage", {200: "Health"}, [roles], (403,))}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mqcore",
            "version": "2",
            "description": "Message queues: the OpenStack Messaging API v2.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{}, {"signed_url": []}],
        "paths": paths,
        "components": {
            "schemas": schemas(limits),
            "parameters": _parameters(limits),
            "responses": {f"Error{status}": _error(text) for status, text in ERRORS.items()},
            "securitySchemes": {
                "signed_url": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "URL-Signature",
                    "description": SIGNED_URL,
                }
            },
        },
    }


def _error(text: str) -> Json:
    return {"description": text, "content": {JSON: {"schema": ref("Error")}}}


def _param(name: str, where: str, schema: Json, *, required: bool = False, **more: Any) -> Json:
    return {"name": name, "in": where, "required": required, "schema": schema, **more}


def _parameters(limits: ServiceLimits) -> Json:
    client: Json = {"type": "string", "format": "uuid"}
    if limits.client_id_uuid_safe != "strict":
        least, most = limits.min_length_client_id, limits.max_length_client_id
        client = {"type": "string", "minLength": least, "maxLength": most}
    project = {"type": "string", "minLength": 1, "maxLength": 256}
    parameters = {
        "client": _param("Client-ID", "header", client, required=True),
        "project": _param("X-Project-ID", "header", project, required=True),
        "queue_name": _param("queue_name", "path", ref("Name"), required=True),
    }
    for name in ("message_id", "claim_id", "subscription_id"):
        schema: Json = {"type": "string", "pattern": "^[a-zA-Z0-9_-]+$"}
        parameters[name] = _param(name, "path", schema, required=True)
    return parameters


def _op(
    summary: str,
    answers: dict[int, str | None],
    params: list[Json] | None = None,
    errors: tuple[int, ...] = (),
    *,
    body: Json | None = None,
    anonymous: bool = False,
) -> Json:
    """An operation. `answers`: the schema of each good status, None without a body."""
    responses = {str(status): _answer(status, schema) for status, schema in answers.items()}
    common = (404, 406, 500) if anonymous else (400, 404, 406, 500, 503)
    of_body = (408, 415) if body else ()
    for status in sorted({*common, *of_body, *errors}):
        responses[str(status)] = {"$ref": f"#/components/responses/Error{status}"}
    operation: Json = {"summary": summary, "responses": responses}
    if not anonymous:
        operation["parameters"] = [_shared("client"), _shared("project"), *(params or [])]
    if body:
        operation["requestBody"] = body
    return operation


def _answer(status: int, schema: str | None) -> Json:
    text = {200: "Done", 201: "Created", 204: "Done; no body", 300: "Choose a version"}[status]
    answer: Json = {"description": text}
    if schema:
        media = "application/json-home" if schema == "Home" else JSON
        answer["content"] = {media: {"schema": ref(schema)}}
    if status == 201:
        answer["headers"] = {"Location": {"required": True, "schema": {"type": "string"}}}
    return answer


def _shared(name: str) -> Json:
    return {"$ref": f"#/components/parameters/{name}"}


def _body(schema: str, *, required: bool = True, media: str = JSON) -> Json:
    return {"required": required, "content": {media: {"schema": ref(schema)}}}


def _flag(name: str) -> Json:
    return _param(name, "query", {"type": "boolean", "default": False})


def _limit(most: int) -> Json:
    return _param("limit", "query", number(1, most, min(10, most)))


def _ids(name: str, most: int | None = None) -> Json:
    schema: Json = {"type": "array", "items": {"type": "string"}}
    if most:
        schema["maxItems"] = most
    return _param(name, "query", schema, style="form", explode=False)


MARKER = _param("marker", "query", {"type": "string"})


def _root_paths() -> Json:
    ping = _op("Ask whether the storage answers", {204: None})
    ping["responses"]["503"] = {"description": "The storage does not answer; no body"}
    open_json: Json = {"description": "This document", "content": {JSON: {"schema": {}}}}
    document = _op("Get this document", {}, anonymous=True)
    document["responses"]["200"] = open_json
    return {
        "/": {"get": _op("List the versions of the API", {300: "Versions"}, anonymous=True)},
        "/v2": {"get": _op("Get the home document (JSON Home)", {200: "Home"})},
        "/v2/openapi.json": {"get": document},
        "/v2/ping": {"get": ping, "head": _op("Ask whether the server runs", {204: None})},
    }


def _queue_paths(limits: ServiceLimits) -> Json:
    filters = _param(
        "filters",
        "query",
        {"type": "object", "additionalProperties": {"type": "string"}},
        style="form",
        explode=True,
        description="Every other parameter: a key of the metadata with the value it must have",
    )
    listing = [
        _limit(limits.max_queues_per_page),
        MARKER,
        _flag("detailed"),
        _flag("with_count"),
        _param("name", "query", {"type": "string"}, description="A part of the name"),
        filters,
    ]
    patch = _body("Patch", media=PATCH_TYPE)
    return {
        "/v2/queues": {"get": _op("List queues", {200: "Queues"}, listing)},
        QUEUE: {
            "parameters": [_shared("queue_name")],
            "get": _op("Get the metadata", {200: "QueueMetadata"}),
            "head": _op("Ask whether the queue exists", {204: None}),
            "put": _op(
                "Create the queue",
                {201: None, 204: None},
                body=_body("NewQueueMetadata", required=False),
            ),
            "patch": _op("Change the metadata", {200: "QueueMetadata"}, [], (409,), body=patch),
            "delete": _op("Delete the queue and all that is in it", {204: None}),
        },
        f"{QUEUE}/stats": {
            "parameters": [_shared("queue_name")],
            "get": _op("Count the messages", {200: "Stats"}),
        },
        f"{QUEUE}/purge": {
            "parameters": [_shared("queue_name")],
            "post": _op(
                "Remove messages and subscriptions",
                {204: None},
                body=_body("Purge", required=False),
            ),
        },
        f"{QUEUE}/share": {
            "parameters": [_shared("queue_name")],
            "post": _op("Make a pre-signed URL", {200: "Shared"}, body=_body("Share")),
        },
    }


def _message_paths(limits: ServiceLimits) -> Json:
    most_claimed = limits.max_messages_per_claim_or_pop
    listing = [
        _limit(limits.max_messages_per_page),
        MARKER,
        _flag("echo"),
        _flag("include_claimed"),
        _flag("include_delayed"),
        _ids("ids", limits.max_messages_per_page),
    ]
    deleting = [
        _ids("ids", limits.max_messages_per_page),
        _ids("claim_ids"),
        _param("pop", "query", number(1, most_claimed)),
    ]
    by_claim = [_param("claim_id", "query", {"type": "string"})]
    lease = _body("NewClaim")
    return {
        f"{QUEUE}/messages": {
            "parameters": [_shared("queue_name")],
            "post": _op("Post messages", {201: "Resources"}, body=_body("Posted")),
            "get": _op("List messages, or get those named by ids", {200: "Messages"}, listing),
            "delete": _op(
                "Delete messages by ids, or pop", {200: "Popped", 204: None}, deleting, (403,)
            ),
        },
        f"{QUEUE}/messages/{{message_id}}": {
            "parameters": [_shared("queue_name"), _shared("message_id")],
            "get": _op("Get a message", {200: "Message"}),
            "delete": _op("Delete a message", {204: None}, by_claim, (403,)),
        },
        f"{QUEUE}/claims": {
            "parameters": [_shared("queue_name")],
            "post": _op(
                "Claim messages; 204 when none can be claimed",
                {201: "Claimed", 204: None},
                [_limit(most_claimed)],
                body=_body("NewClaim", required=False),
            ),
        },
        f"{QUEUE}/claims/{{claim_id}}": {
            "parameters": [_shared("queue_name"), _shared("claim_id")],
            "get": _op("Get a claim with its messages", {200: "Claim"}),
            "patch": _op("Renew the claim", {204: None}, body=lease),
            "delete": _op("Release the claim", {204: None}),
        },
    }


def _subscription_paths(limits: ServiceLimits) -> Json:
    one = f"{QUEUE}/subscriptions/{{subscription_id}}"
    params = [_shared("queue_name"), _shared("subscription_id")]
    listing = [_limit(limits.max_subscriptions_per_page), MARKER]
    changes = _body("SubscriptionChanges")
    return {
        f"{QUEUE}/subscriptions": {
            "parameters": [_shared("queue_name")],
            "get": _op("List subscriptions", {200: "Subscriptions"}, listing),
            "post": _op(
                "Subscribe", {201: "SubscriptionId"}, [], (409,), body=_body("NewSubscription")
            ),
        },
        one: {
            "parameters": params,
            "get": _op("Get a subscription", {200: "Subscription"}),
            "patch": _op("Change the subscription", {204: None}, [], (409,), body=changes),
            "delete": _op("Delete the subscription", {204: None}),
        },
        f"{one}/confirm": {
            "parameters": params,
            "put": _op("Set the confirmation", {204: None}, body=_body("Confirmation")),
        },
    }
