"""How ids, texts and messages are written in Redis."""

import json
import re
import struct
from collections.abc import Sequence
from typing import Any

from mqcore.contract import Message, Metadata, NewMessage

__all__ = [
    "from_id",
    "from_reply",
    "from_text",
    "id_in",
    "posted_at",
    "to_id",
    "to_ids",
    "to_json",
    "to_message",
    "to_record",
    "to_text",
]

_MADE_BY_CORE = re.compile(r"1([89a-f][0-9a-f]{13})0([0-9a-f]{14})00")
"""What `new_id` makes from 2024 until 2043. What is not in a group is the same in all of them."""
_LINES_MADE_BY_CORE = re.compile(f"(?:{_MADE_BY_CORE.pattern}\n)*")


def to_id(text: str) -> bytes:
    """An id as stored: "t" and the text, or 14 bytes if core made it, the first above 127."""
    made = _MADE_BY_CORE.fullmatch(text)
    return bytes.fromhex(made[1] + made[2]) if made else b"t" + text.encode()


def to_ids(texts: Sequence[str]) -> list[bytes]:
    """Ids as stored, which takes less time together."""
    lines = "\n".join((*texts, ""))
    if lines.count("\n") != len(texts) or not _LINES_MADE_BY_CORE.fullmatch(lines):
        return [to_id(text) for text in texts]
    # The two groups of each.
    stored = bytes.fromhex("".join([text[1:15] + text[16:30] for text in texts]))
    return [stored[at : at + 14] for at in range(0, len(stored), 14)]


def from_id(stored: bytes) -> str:
    if stored[0] < 128:
        return stored[1:].decode()
    digits = stored.hex()
    return f"1{digits[:14]}0{digits[14:]}00"


def to_text(text: str | None) -> bytes:
    """A text that may be None."""
    return b"" if text is None else b"=" + text.encode()


def from_text(stored: bytes) -> str | None:
    return stored[1:].decode() if stored else None


def to_json(document: Metadata) -> str:
    return json.dumps(dict(document), separators=(",", ":"))


_HEAD = struct.Struct(">ddIIH")
"""When a message was posted, its ttl, and the lengths of its client, its checksum and its id."""
_HEAD_SIZE = _HEAD.size
_unpack_head = _HEAD.unpack_from


def to_record(new: NewMessage, now: float) -> bytes:
    """What is stored of a message and never changes; scripts read the id and the client in it."""
    stored, client, checksum = to_id(new.id), to_text(new.client), to_text(new.checksum)
    head = _HEAD.pack(now, new.ttl, len(client), len(checksum), len(stored))
    return b"".join((head, stored, client, checksum, new.body))


def id_in(record: bytes) -> bytes:
    """The id as stored."""
    return record[_HEAD_SIZE : _HEAD_SIZE + _unpack_head(record)[4]]


def posted_at(record: bytes) -> float:
    """When it was posted, by the begin of its record."""
    time: float = _unpack_head(record)[0]
    return time


def from_reply(parts: Sequence[Any]) -> Message:
    """A message as `reply` in `queue.lua` gives it."""
    record, ttl, claim_count, claim_id = parts
    return to_message(record, ttl, claim_count, from_id(claim_id) if claim_id else None)


def to_message(record: bytes, ttl: int, claim_count: int, claim_id: str | None) -> Message:
    """The message of a record; a ttl of 0 stands for the one in there."""
    posted, own_ttl, client, checksum, id_size = _unpack_head(record)
    after_id = _HEAD_SIZE + id_size
    body = after_id + client + checksum
    return Message(
        from_id(record[_HEAD_SIZE:after_id]),
        record[body:],
        ttl or int(own_ttl),
        posted,
        claim_id,
        claim_count,
        from_text(record[body - checksum : body]) if checksum else None,
    )
