"""How messages are written in MongoDB."""

import json
from typing import Any

from bson import ObjectId
from bson.binary import Binary

from mqcore.contract import Message, Metadata, Moment, NewMessage

from .schema import DELAYED, FREE
from .store import Document

__all__ = ["MESSAGE", "to_document", "to_json", "to_message"]

MESSAGE = {"_id": 0, "client": 0, "post": 0}
"""What is not read for a message."""


def to_document(new: NewMessage, at: Moment, q: int, seq: int, post: ObjectId) -> Document:
    document: Document = {
        "q": q,
        "seq": seq,
        "id": new.id,
        "body": Binary(new.body),
        "posted": at.now,
        "ttl": new.ttl,
        "ends": at.end(new.ttl),
        "state": DELAYED if new.delay else FREE,
        "count": 0,
        "post": post,
    }
    if new.delay:
        document["due"] = at.end(new.delay)
    if new.client is not None:
        document["client"] = new.client
    if new.checksum is not None:
        document["checksum"] = new.checksum
    return document


def to_message(found: Document, claim_id: str | None = None) -> Message:
    return Message(
        found["id"],
        bytes(found["body"]),
        found["ttl"],
        found["posted"],
        claim_id,
        found["count"],
        found.get("checksum"),
    )


def to_json(document: Metadata) -> Any:
    return json.dumps(dict(document), separators=(",", ":"))
