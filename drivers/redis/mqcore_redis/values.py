"""How ids, texts and messages are written in Redis."""

import json
import re
from collections.abc import Sequence
from typing import Any

from mqcore.contract import Message, Metadata

__all__ = ["from_id", "from_text", "to_id", "to_json", "to_message", "to_text"]

_MADE_BY_CORE = re.compile(r"[0-9a-f]{32}")


def to_id(text: str) -> bytes:
    """An id as stored: 17 bytes for those that core makes, whatever others are."""
    if _MADE_BY_CORE.fullmatch(text):
        return b"h" + bytes.fromhex(text)
    return b"t" + text.encode()


def from_id(stored: bytes) -> str:
    return stored[1:].hex() if stored[:1] == b"h" else stored[1:].decode()


def to_text(text: str | None) -> bytes:
    """A text that may be None."""
    return b"" if text is None else b"=" + text.encode()


def from_text(stored: bytes) -> str | None:
    return stored[1:].decode() if stored else None


def to_json(document: Metadata) -> str:
    return json.dumps(dict(document), separators=(",", ":"))


def to_message(parts: Sequence[Any]) -> Message:
    message_id, body, ttl, posted_at, claim_id, claim_count, checksum = parts
    return Message(
        from_id(message_id),
        body,
        int(ttl),
        float(posted_at),
        from_id(claim_id) if claim_id else None,
        claim_count,
        from_text(checksum),
    )
