"""The schemas of the OpenAPI document: what goes in and out of the API as JSON."""

from typing import Any

from mqcore.service import MIN_TTL, ServiceLimits

__all__ = ["Json", "ref", "schemas"]

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
COUNT: Json = {"type": "integer", "minimum": 0}
ANY_OBJECT: Json = {"type": "object"}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def number(least: int, most: int | None = None, default: int | None = None) -> Json:
    schema: Json = {"type": "integer", "minimum": least}
    if most is not None:
        schema["maximum"] = most
    if default is not None:
        schema["default"] = default
    return schema


def obj(properties: Json, *, optional: tuple[str, ...] = (), closed: bool = False) -> Json:
    """An object whose members are required but for `optional`; `closed`: it has no others."""
    required = [name for name in properties if name not in optional]
    schema: Json = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    if closed:
        schema["additionalProperties"] = False
    return schema


def array(items: Json, least: int = 0) -> Json:
    return {"type": "array", "items": items} | ({"minItems": least} if least else {})


def nullable(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def schemas(limits: ServiceLimits) -> Json:
    """All schemas, with the limits of this server."""
    return {**_common(), **_queues(limits), **_messages(limits), **_rest(limits)}


def _common() -> Json:
    link = obj({"rel": {"const": "next"}, "href": TEXT}, closed=True)
    operation = obj({"succeeded": {"type": "boolean"}, "seconds": {"type": "number"}})
    operation["properties"]["ref"] = nullable(TEXT)
    return {
        "Error": obj({"title": TEXT, "description": TEXT}, optional=("description",), closed=True),
        "Links": {**array(link), "maxItems": 1},
        "Versions": obj({"versions": array(ANY_OBJECT, 1)}, closed=True),
        "Home": obj({"resources": ANY_OBJECT}, closed=True),
        "Health": obj(
            {
                "storage_reachable": {"type": "boolean"},
                "operation_status": {"type": "object", "additionalProperties": operation},
                "message_volume": obj({"free": COUNT, "claimed": COUNT, "total": COUNT}),
            },
            optional=("message_volume",),
        ),
    }


def _reserved(limits: ServiceLimits) -> Json:
    """The reserved keys of a queue's metadata that every representation has."""
    return {
        "_max_messages_post_size": number(1, limits.max_messages_post_size),
        "_default_message_ttl": number(MIN_TTL, limits.max_message_ttl),
        "_default_message_delay": number(0, limits.max_message_delay),
        "_dead_letter_queue": nullable(ref("Name")),
        "_dead_letter_queue_messages_ttl": nullable(number(MIN_TTL, limits.max_message_ttl)),
        "_max_claim_count": nullable(number(1, 2**31 - 1)),
        "_enable_encrypt_messages": {"type": "boolean"},
    }


def _queues(limits: ServiceLimits) -> Json:
    reserved = _reserved(limits)
    change = obj(
        {
            "op": {"enum": ["add", "replace", "remove"]},
            "path": {"type": "string", "pattern": "^/[^/]+/[^/]+$", "example": "/metadata/colour"},
            "value": {},
        },
        optional=("value",),
    )
    mark = obj({"href": TEXT, "age": COUNT, "created": TEXT}, closed=True)
    stats = obj(
        {"claimed": COUNT, "free": COUNT, "total": COUNT, "oldest": mark, "newest": mark},
        optional=("oldest", "newest"),
        closed=True,
    )
    entry = obj(
        {"name": ref("Name"), "href": TEXT, "metadata": ref("QueueMetadata")},
        optional=("metadata",),
        closed=True,
    )
    return {
        "Name": {"type": "string", "pattern": "^[a-zA-Z0-9_.-]{1,64}$"},
        "NewQueueMetadata": obj(
            {
                **{name: nullable(schema) for name, schema in reserved.items()},
                "_flavor": TEXT,
                "_retry_policy": ANY_OBJECT,
            },
            optional=(*reserved, "_flavor", "_retry_policy"),
        ),
        "QueueMetadata": obj(reserved),
        "Queues": obj(
            {"queues": array(entry), "links": ref("Links"), "count": COUNT},
            optional=("count",),
            closed=True,
        ),
        "Patch": array(change),
        "Stats": obj({"messages": stats}, closed=True),
        "Purge": obj({"resource_types": array({"enum": ["messages", "subscriptions"]})}),
        "Share": obj(
            {
                "paths": array({"enum": ["claims", "messages", "subscriptions"]}, 1),
                "methods": array({"enum": ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"]}, 1),
                "expires": {"type": "string", "format": "date-time"},
            },
            optional=("paths", "methods", "expires"),
            closed=True,
        ),
        "Shared": obj(
            {
                "project": TEXT,
                "paths": array(TEXT, 1),
                "methods": array(TEXT, 1),
                "expires": TEXT,
                "signature": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            },
            closed=True,
        ),
    }


def _messages(limits: ServiceLimits) -> Json:
    posted = obj(
        {
            "body": {"description": "any JSON value"},
            "ttl": number(MIN_TTL, limits.max_message_ttl),
            "delay": number(0, limits.max_message_delay),
        },
        optional=("ttl", "delay"),
    )
    shown = {"id": TEXT, "href": TEXT, "ttl": COUNT, "age": COUNT, "body": {}, "checksum": TEXT}
    popped = {name: schema for name, schema in shown.items() if name != "href"}
    popped |= {"claim_id": {"type": "null"}, "claim_count": COUNT}
    messages = array(ref("Message"))
    return {
        "Posted": obj({"messages": array(posted, 1)}),
        "Resources": obj({"resources": array(TEXT, 1)}, closed=True),
        "Message": obj(shown, optional=("checksum",), closed=True),
        "Messages": obj(
            {"messages": messages, "links": ref("Links")}, optional=("links",), closed=True
        ),
        "Popped": obj(
            {"messages": array(obj(popped, optional=("checksum",), closed=True))}, closed=True
        ),
        "NewClaim": obj(
            {
                "ttl": nullable(number(MIN_TTL, limits.max_claim_ttl)),
                "grace": nullable(number(MIN_TTL, limits.max_claim_grace)),
            },
            optional=("ttl", "grace"),
        ),
        "Claimed": obj({"messages": array(ref("Message"), 1)}, closed=True),
        "Claim": obj({"age": COUNT, "ttl": COUNT, "href": TEXT, "messages": messages}, closed=True),
    }


def _rest(limits: ServiceLimits) -> Json:
    schemes = "|".join(scheme.replace("+", "[+]") for scheme in limits.subscriber_types)
    given: Json = {
        "subscriber": {"type": "string", "pattern": f"^({schemes}):"},
        "ttl": number(MIN_TTL, default=limits.default_subscription_ttl),
        "options": ANY_OBJECT,
    }
    shown = {
        "id": TEXT,
        "source": ref("Name"),
        "subscriber": TEXT,
        "ttl": COUNT,
        "age": COUNT,
        "options": ANY_OBJECT,
        "confirmed": {"type": "boolean"},
    }
    changes = {**given, "ttl": number(MIN_TTL)}
    return {
        "NewSubscription": obj(given, optional=("ttl", "options")),
        "SubscriptionChanges": {**obj(changes, optional=tuple(changes)), "minProperties": 1},
        "SubscriptionId": obj({"subscription_id": TEXT}, closed=True),
        "Subscription": obj(shown, closed=True),
        "Subscriptions": obj(
            {"subscriptions": array(ref("Subscription")), "links": ref("Links")}, closed=True
        ),
        "Confirmation": obj({"confirmed": {"type": "boolean"}}),
    }
