"""Errors as answers: which status and title, and what the client may read (spec 2.2)."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import falcon
import falcon.asgi
import msgspec

from mqcore.contract import (
    Closed,
    Conflict,
    Invalid,
    InvalidBody,
    MQError,
    NotFound,
    NotPermitted,
    Unavailable,
)

__all__ = ["Kind", "Refusal", "install_error_handlers"]

log = logging.getLogger(__name__)

RETRY_AFTER = "2"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of error: its status and its title."""

    status: int
    title: str


MISSING_HEADER = Kind(400, "Missing header")
BAD_CLIENT = Kind(400, "Bad client id")
BAD_PROJECT = Kind(400, "Bad project id")
BAD_NAME = Kind(400, "Bad resource name")
BAD_CONTENT_TYPE = Kind(400, "Bad content type")
BAD_QUERY = Kind(400, "Bad query parameter")
INVALID_REQUEST = Kind(400, "Invalid request")
BAD_BODY = Kind(400, "Invalid body")
BAD_CLAIM = Kind(400, "Delete refused")
CLAIMED = Kind(403, "Delete refused")
FORBIDDEN = Kind(403, "Forbidden")
NOT_FOUND = Kind(404, "Not found")
METHOD_NOT_ALLOWED = Kind(405, "Method not allowed")
NOT_ACCEPTABLE = Kind(406, "Not acceptable")
TIMEOUT = Kind(408, "Request timeout")
CONFLICT = Kind(409, "Conflict")
UNSUPPORTED_MEDIA_TYPE = Kind(415, "Unsupported media type")
INTERNAL = Kind(500, "Internal error")
UNAVAILABLE = BUSY = Kind(503, "Service unavailable")

KINDS: dict[type, Kind] = {
    NotFound: NOT_FOUND,
    NotPermitted: CLAIMED,
    Conflict: CONFLICT,
    Invalid: INVALID_REQUEST,
    InvalidBody: BAD_BODY,
    Unavailable: UNAVAILABLE,
    Closed: UNAVAILABLE,
}
"""The kind of each error of the contract; the nearest class of an error counts."""


class Refusal(Exception):
    """An answer other than success, decided by the transport. `description` is for the user."""

    def __init__(
        self, kind: Kind, description: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(description or kind.title)
        self.kind = kind
        self.description = description
        self.headers = headers or {}


def error_document(kind: Kind, description: str | None) -> bytes:
    """The body of an error."""
    document = {"title": kind.title}
    if description:
        document["description"] = description
    return msgspec.json.encode(document)


def install_error_handlers(app: "falcon.asgi.App[Any, Any]") -> None:
    """Make the app answer every error in the form of the API."""
    app.add_error_handler(Exception, _internal)
    app.add_error_handler(falcon.HTTPError, _framework)
    app.add_error_handler(MQError, _contract)
    app.add_error_handler(Refusal, _refusal)


def _write(
    resp: falcon.asgi.Response,
    kind: Kind,
    description: str | None,
    headers: Mapping[str, str] | None = None,
) -> None:
    resp.status = kind.status
    resp.data = error_document(kind, description)
    resp.content_type = "application/json"
    resp.set_header("Vary", "Accept")
    if headers:
        resp.set_headers(dict(headers))


async def _refusal(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: Refusal, params: dict[str, Any]
) -> None:
    _write(resp, error.kind, error.description, error.headers)


async def _contract(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: MQError, params: dict[str, Any]
) -> None:
    kind = next((KINDS[cls] for cls in type(error).__mro__ if cls in KINDS), INTERNAL)
    if kind is UNAVAILABLE:
        # The cause can hold what was to be stored, so only its class is named.
        log.warning("storage failed: %s (cause: %s)", error, type(error.__cause__).__name__)
        text = "the storage does not answer or refuses to work now; try again in a few seconds"
        _write(resp, kind, text, {"Retry-After": RETRY_AFTER})
    elif kind is INTERNAL:
        _report(resp, error)
    else:
        _write(resp, kind, str(error))


async def _framework(
    req: falcon.asgi.Request,
    resp: falcon.asgi.Response,
    error: falcon.HTTPError,
    params: dict[str, Any],
) -> None:
    kind = Kind(error.status_code, HTTPStatus(error.status_code).phrase.capitalize())
    description = "there is nothing at this path" if kind.status == NOT_FOUND.status else None
    headers = dict(error.headers or {})
    _write(resp, kind, error.description or description, headers)


async def _internal(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: Exception, params: dict[str, Any]
) -> None:
    _report(resp, error)


def _report(resp: falcon.asgi.Response, error: Exception) -> None:
    log.error("unexpected failure", exc_info=error)
    _write(resp, INTERNAL, "the server failed; its log has the details under the request id")
