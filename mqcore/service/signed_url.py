"""Pre-signed URLs: a secret that the server knows lets others call a few paths for a time.

The exact text that is signed, and what a signature allows, are those of spec 3.2 and 3.3.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mqcore.contract import Invalid, QueueRef

__all__ = ["SignedUrl", "is_signed", "share", "sign"]

SEPARATOR = "\\n"
"""A backslash and the letter n, not a line feed."""

KINDS = ("claims", "messages", "subscriptions")
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
VALIDITY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SignedUrl:
    """What a caller must send along to use the paths; all lists are sorted."""

    project: str | None
    paths: tuple[str, ...]
    methods: tuple[str, ...]
    expires: str
    signature: str


def sign(
    key: str, paths: Sequence[str], methods: Sequence[str], project: str | None, expires: str
) -> str:
    """The signature of the paths, methods and project until `expires` (normalised)."""
    parts = (",".join(sorted(paths)), ",".join(sorted(methods)), str(project), expires)
    text = SEPARATOR.join(parts)
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def share(key: str | None, queue: QueueRef, wish: dict[str, Any], *, now: float) -> SignedUrl:
    """Sign what a user wants to share of a queue: `paths`, `methods` and `expires`, all optional.

    Raises Invalid; also when the server has no key.
    """
    if not key:
        raise Invalid("this server cannot share: its [signed_url] secret_key is not set")
    if SEPARATOR in str(queue.project):
        raise Invalid("a project id with a backslash before an n cannot be signed")
    unknown = sorted(set(wish) - {"paths", "methods", "expires"})
    if unknown:
        raise Invalid(f"unknown member {unknown[0]!r}; known ones: expires, methods, paths")
    kinds = _choice("paths", wish.get("paths", ["messages"]), KINDS)
    methods = _choice("methods", wish.get("methods", ["GET"]), METHODS)
    paths = tuple(f"/v2/queues/{queue.name}/{kind}" for kind in kinds)
    if "expires" in wish:
        expires = _normalised(wish["expires"], now)
    else:
        expires = (datetime.fromtimestamp(now, UTC) + VALIDITY).strftime("%Y-%m-%dT%H:%M:%S")
    signature = sign(key, paths, methods, queue.project, expires)
    return SignedUrl(queue.project, paths, methods, expires, signature)


def is_signed(
    key: str,
    signature: str,
    *,
    method: str,
    path: str,
    methods: Sequence[str],
    paths: Sequence[str],
    project: str | None,
    expires: str,
    now: float,
) -> bool:
    """Whether the signature lets the method be used on the path now.

    A signed path allows itself and what is below it.
    """
    if method not in methods or SEPARATOR in str(project):
        return False
    if not any(allowed and f"{path}/".startswith(f"{allowed}/") for allowed in paths):
        return False
    try:
        normalised = _normalised(expires, now)
    except Invalid:
        return False
    expected = sign(key, paths, methods, project, normalised)
    return hmac.compare_digest(expected.encode(), signature.encode())


def _choice(name: str, value: object, known: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(one in known for one in value):
        raise Invalid(f"{name} must be a list of one or more of: {', '.join(known)}")
    return tuple(sorted(set(value)))


def _normalised(expires: object, now: float) -> str:
    """The moment as UTC without zone and fractions. Raises Invalid, for the past too."""
    if not isinstance(expires, str) or expires.isdigit():
        raise Invalid("expires must be a moment in ISO 8601, such as 2030-05-31T19:00:17Z")
    try:
        moment = datetime.fromisoformat(expires)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        past = moment.timestamp() <= now
    except (ValueError, OverflowError):
        raise Invalid(
            "expires must be a moment in ISO 8601, such as 2030-05-31T19:00:17Z"
        ) from None
    if past:
        raise Invalid("expires must be in the future")
    return moment.strftime("%Y-%m-%dT%H:%M:%S")
