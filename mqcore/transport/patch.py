"""Changes of a queue's metadata as a JSON patch (spec 2.6, "PATCH")."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mqcore.contract import Conflict
from mqcore.service.rules import REPORTED

from .body import decode_document
from .errors import BAD_BODY, Refusal

__all__ = ["PATCH_TYPE", "Change", "apply", "decode_patch"]

PATCH_TYPE = "application/openstack-messaging-v2.0-json-patch"

POINTER = re.compile(r"/([^/]+)/([^/]+)")
BAD_ESCAPE = re.compile(r"~(?![01])")


@dataclass(frozen=True, slots=True)
class Change:
    """One operation on one key of the metadata. `value` means nothing for `remove`."""

    op: Literal["add", "replace", "remove"]
    key: str
    value: Any = None


def decode_patch(data: bytes) -> list[Change]:
    """Read the operations of a patch. Raises Refusal of the kind BAD_BODY."""
    document = decode_document(data)
    if not isinstance(document, list):
        raise Refusal(BAD_BODY, "a patch is a JSON array of operations")
    return [_change(item) for item in document]


def apply(changes: Sequence[Change], stored: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata after all changes, in order.

    Raises Conflict when a key to replace or remove is missing. Reserved keys never are: users
    see their defaults, and python-zaqarclient removes and replaces what it saw (spec 9.2 K6).
    """
    metadata = dict(stored)
    for change in changes:
        if change.op != "add" and change.key not in metadata and change.key not in REPORTED:
            raise Conflict(f"cannot {change.op} {change.key!r}: the metadata has no such key")
        if change.op == "remove":
            metadata.pop(change.key, None)
        else:
            metadata[change.key] = change.value
    return metadata


def _change(item: object) -> Change:
    if not isinstance(item, dict):
        raise Refusal(BAD_BODY, "an operation of a patch is a JSON object")
    op = item.get("op")
    if op not in ("add", "replace", "remove"):
        raise Refusal(BAD_BODY, "op must be one of add, replace, remove")
    if op != "remove" and "value" not in item:
        raise Refusal(BAD_BODY, f"an operation {op} needs a value")
    return Change(op, _key(item.get("path")), item.get("value"))


def _key(path: object) -> str:
    match = POINTER.fullmatch(path) if isinstance(path, str) else None
    if match is None or BAD_ESCAPE.search(match[0]):
        raise Refusal(BAD_BODY, "path must be a JSON pointer such as /metadata/key")
    root, key = (_unescape(token.strip()) for token in match.groups())
    if root.lower() != "metadata" or not key:
        raise Refusal(BAD_BODY, "path must begin with /metadata/ and name a key")
    return key


def _unescape(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")
