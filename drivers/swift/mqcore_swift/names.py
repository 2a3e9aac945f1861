"""What the names of objects say.

All that is kept of a project begins with a digest of its name:

    DIGEST/0/SLOT.EPOCH                 a checkpoint: everything, as after this entry
    DIGEST/1/SLOT.EPOCH.BEFORE.CONTENT  an entry of the log
    DIGEST/2/EPOCH                      somebody wanted to be the one who writes

Names of each kind sort by time, and one listing after an entry shows what follows it, then who
may write. CONTENT is the entry itself when it is short, or how long the head of the object is.
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from mqcore.contract import random_text

__all__ = [
    "NOTHING",
    "Entry",
    "Tip",
    "after",
    "checkpoint_name",
    "digest",
    "epoch_name",
    "new_entry",
    "next_epoch",
    "read_entry",
]

MOST_INLINE = 600
"""The longest content in a name, of which Swift takes 1024 bytes."""


@dataclass(frozen=True, slots=True, order=True)
class Tip:
    """Where a log ends: entries of one slot differ by their epochs."""

    epoch: str
    slot: int


NOTHING = Tip("0" * 24, 0)
"""Where every log begins."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as its name tells it. `head` is the length of the head of its object."""

    name: str
    tip: Tip
    before: Tip
    inline: bytes | None
    head: int


def digest(project: str | None) -> str:
    return blake2b(json.dumps(project).encode(), digest_size=16).hexdigest()


def next_epoch(epochs: Iterable[str]) -> str:
    """One that is higher than these, and nobody else's."""
    return f"{int(max(epochs)[:8], 16) + 1:08x}{random_text()}"


def checkpoint_name(project: str, tip: Tip) -> str:
    return f"{project}/0/{tip.slot:012x}.{tip.epoch}"


def epoch_name(project: str, epoch: str) -> str:
    return f"{project}/2/{epoch}"


def after(project: str, tip: Tip) -> str:
    """The marker of a listing that begins behind all entries of the slot."""
    return f"{project}/1/{tip.slot:012x}/"


def new_entry(project: str, epoch: str, before: Tip, head: bytes, more: bool) -> Entry:
    """An entry to write; `more` says that something follows the head."""
    tip = Tip(epoch, before.slot + 1)
    text = base64.urlsafe_b64encode(head).decode().rstrip("=")
    inline = not more and len(text) <= MOST_INLINE
    content = f"i{text}" if inline else f"h{len(head):x}"
    name = f"{project}/1/{tip.slot:012x}.{epoch}.{before.epoch}.{content}"
    return Entry(name, tip, before, head if inline else None, len(head))


def read_entry(name: str) -> Entry:
    slot, epoch, before, content = name.rpartition("/")[2].split(".")
    tip = Tip(epoch, int(slot, 16))
    earlier = Tip(before, tip.slot - 1)
    if content[0] == "i":
        head = base64.urlsafe_b64decode(content[1:] + "=" * (-(len(content) - 1) % 4))
        return Entry(name, tip, earlier, head, len(head))
    return Entry(name, tip, earlier, None, int(content[1:], 16))
