"""What every request must pass before its resource sees it, in the order of spec 2.1."""

import uuid
from functools import lru_cache
from typing import Any

import falcon.asgi

from mqcore.contract import Invalid
from mqcore.service import Service, queue_ref
from mqcore.service.signed_url import is_signed

from .errors import (
    BAD_CLIENT,
    BAD_CONTENT_TYPE,
    BAD_NAME,
    BAD_PROJECT,
    METHOD_NOT_ALLOWED,
    MISSING_HEADER,
    NOT_ACCEPTABLE,
    NOT_FOUND,
    Refusal,
)
from .request import Request, Resource
from .settings import AppSettings

__all__ = ["CallerChecks"]

FORM = "application/x-www-form-urlencoded"
ANYTHING = frozenset(("*/*", "application/json"))


class CallerChecks:
    """Middleware that runs once a route is found. It turns a queue name into a QueueRef."""

    def __init__(self, service: Service, settings: AppSettings) -> None:
        self._clock = service.clock
        self._limits = service.limits
        self._key = settings.signed_url_key

    async def process_resource(
        self,
        req: Request,
        resp: falcon.asgi.Response,
        resource: Any,
        params: dict[str, Any],
    ) -> None:
        """Raises Refusal at the first check that fails."""
        if req.method == "OPTIONS":
            return
        if req.method not in resource.methods:
            raise Refusal(
                METHOD_NOT_ALLOWED,
                f"this path has no {req.method}",
                {"Allow": ", ".join(resource.methods)},
            )
        exchange = req.exchange
        if b"url-signature" in exchange.headers:
            self._check_signature(req)
        if exchange.unread:
            _check_content_type(req)
        if b"accept" in exchange.headers:
            _check_accept(req, resource)
        if resource.anonymous:
            return
        req.client = self._client(req.get_header("Client-ID"))
        req.project = exchange.project = _project(req.get_header("X-Project-ID"))
        if "queue_name" in params:
            try:
                params["queue"] = queue_ref(req.project, params.pop("queue_name"))
            except Invalid as error:
                raise Refusal(BAD_NAME, str(error)) from None

    def _check_signature(self, req: Request) -> None:
        signature = req.get_header("URL-Signature")
        if not signature:
            return
        good = self._key and is_signed(
            self._key,
            signature,
            method=req.method,
            path=req.path,
            methods=_comma_list(req.get_header("URL-Methods")),
            paths=_comma_list(req.get_header("URL-Paths")),
            project=_utf8(req.get_header("X-Project-ID")),
            expires=req.get_header("URL-Expires") or "",
            now=self._clock(),
        )
        if not good:
            # A title only, and always the same: nothing is to be learned from it.
            raise Refusal(NOT_FOUND)
        req.signed = True

    def _client(self, value: str | None) -> str:
        """The client id in its stored form: ids are compared by UUID value (spec 1.1)."""
        if not value:
            raise Refusal(MISSING_HEADER, "the header Client-ID is required")
        limits = self._limits
        if limits.client_id_uuid_safe == "strict":
            return _uuid(value)
        least, most = limits.min_length_client_id, limits.max_length_client_id
        if not least <= len(value) <= most:
            raise Refusal(
                BAD_CLIENT, f"the header Client-ID must have {least} to {most} characters"
            )
        return value


def _check_content_type(req: Request) -> None:
    if (req.content_type or "").lower() == FORM:
        raise Refusal(BAD_CONTENT_TYPE, "send the body as application/json, not as a form")


def _check_accept(req: Request, resource: Resource) -> None:
    if req.accept in ANYTHING:
        return
    if not (req.client_accepts_json or req.client_accepts(resource.media_type)):
        raise Refusal(NOT_ACCEPTABLE, "the answer is application/json: let Accept allow it")


def _project(value: str | None) -> str:
    if not value:
        raise Refusal(BAD_PROJECT, "the header X-Project-ID is required")
    project = _utf8(value)
    if project is None:
        raise Refusal(BAD_PROJECT, "the header X-Project-ID must be text in UTF-8")
    return project


@lru_cache(4096)
def _uuid(value: str) -> str:
    try:
        return uuid.UUID(value).hex
    except ValueError:
        raise Refusal(BAD_CLIENT, "the header Client-ID must be a UUID") from None


def _utf8(value: str | None) -> str | None:
    """The text of a header that was sent as UTF-8; None when it was not, or is absent."""
    if value is None or value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return None


def _comma_list(value: str | None) -> list[str]:
    return (value or "").split(",")
