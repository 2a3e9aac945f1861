"""The values that cross the line between core and a driver.

All of them are frozen. They are dataclasses with slots. Times are seconds since the epoch as given
by the injected clock, ttls, delays and graces are seconds. A body is bytes that nobody but the two
ends looks into.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from msgspec import Struct

__all__ = [
    "Claim",
    "ClaimRequest",
    "Clock",
    "DeadLetter",
    "Handle",
    "Mark",
    "Message",
    "Metadata",
    "NewMessage",
    "NewSubscription",
    "Page",
    "PageRequest",
    "Queue",
    "QueueFilter",
    "QueueRef",
    "QueueStats",
    "Subscription",
]

T = TypeVar("T")

Clock = Callable[[], float]
"""Returns the time now, in seconds since the epoch."""

Metadata = Mapping[str, Any]
"""A JSON object. It is the user's: a driver stores it whole and never reads a key of it. Who gets
one from a driver does not change it."""

_as_dataclass = dataclass(init=False, repr=False, eq=False, match_args=False)
"""For structs, which are made in a fifth of the time: what `dataclasses` offers works on them."""


@_as_dataclass
class QueueRef(Struct, frozen=True, eq=False):
    """Which queue. `project` is the tenant; None is a namespace of its own, never ''.

    `if_version` makes it the queue while its metadata has this version, for posts and claims of a
    driver that `checks_versions`. It is no part of the queue's identity: references are equal
    without it.
    """

    project: str | None
    name: str
    if_version: str | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QueueRef):
            return NotImplemented
        return self.name == other.name and self.project == other.project

    def __hash__(self) -> int:
        return hash((self.project, self.name))

    def __str__(self) -> str:
        where = "without a project" if self.project is None else f"of project {self.project!r}"
        return f"queue {self.name!r} {where}"


@_as_dataclass
class Page(Struct, Generic[T], frozen=True):
    """A part of a listing.

    `items` has as many as match, up to the limit. `next` is an opaque marker that continues
    exactly after the last item. Every page with items has one, the last page too, so that a
    reader can come back for what is added later; an empty page has None (B-012, B-127).
    """

    items: tuple[T, ...]
    next: str | None


@_as_dataclass
class PageRequest(Struct, frozen=True):
    """Which page of messages to read. The fields are the arguments of `MessageController.list`."""

    marker: str | None = None
    limit: int = 10
    hide_client: str | None = None
    include_claimed: bool = False
    include_delayed: bool = False

    def options(self) -> dict[str, Any]:
        """The keyword arguments of `MessageController.list`."""
        return {
            "marker": self.marker,
            "limit": self.limit,
            "hide_client": self.hide_client,
            "include_claimed": self.include_claimed,
            "include_delayed": self.include_delayed,
        }


@_as_dataclass
class Queue(Struct, frozen=True):
    """A queue as stored. `metadata` is None in a listing that did not ask for details.

    `version` is an opaque token that changes with every change of the metadata.
    """

    name: str
    metadata: Metadata | None
    version: str | None = None


@_as_dataclass
class QueueFilter(Struct, frozen=True):
    """Which queues to list: all given conditions must hold (spec B-013, B-014).

    `name`: a case-sensitive part of the name. `metadata`: for each top-level key, the values
    one of which the stored value must equal, type included (1, 1.0 and true all differ from "1",
    and true differs from 1).
    """

    name: str | None = None
    metadata: Mapping[str, Sequence[Any]] | None = None

    def matches(self, name: str, metadata: Metadata) -> bool:
        """Whether a queue passes; for drivers whose store cannot filter by itself."""
        if self.name is not None and self.name not in name:
            return False
        return all(
            key in metadata
            and any(type(v) is type(metadata[key]) and v == metadata[key] for v in values)
            for key, values in (self.metadata or {}).items()
        )


@_as_dataclass
class Mark(Struct, frozen=True):
    """One end of a queue: the id of a message and when it was posted."""

    id: str
    posted_at: float


@_as_dataclass
class QueueStats(Struct, frozen=True):
    """How many messages are under a live claim, and how many are not (delayed ones included).

    Expired messages are in neither. `oldest` and `newest` are by posting order, claimed ones
    included, and None when the queue is empty.
    """

    free: int
    claimed: int
    oldest: Mark | None = None
    newest: Mark | None = None

    @property
    def total(self) -> int:
        return self.free + self.claimed


@_as_dataclass
class NewMessage(Struct, frozen=True):
    """A message to post. `id` comes from `new_id()` and is unique in the queue.

    `client` is the poster, for listings that hide one's own messages; drivers compare it as
    text. `checksum` is opaque text that comes back with the message.
    """

    id: str
    body: bytes
    ttl: int
    delay: int = 0
    client: str | None = None
    checksum: str | None = None


@_as_dataclass
class Message(Struct, frozen=True):
    """A message as stored.

    `ttl` is what was granted at post, or by the claim that extended it (spec 1.4).
    `claim_id` is the live claim that holds it, else None. `claim_count` says how often it was
    handed out by a claim in this queue.
    """

    id: str
    body: bytes
    ttl: int
    posted_at: float
    claim_id: str | None = None
    claim_count: int = 0
    checksum: str | None = None

    def json(self) -> Any:
        """The body as a value, for consumers; raises ValueError when it is not JSON."""
        return json.loads(self.body)


@_as_dataclass
class Handle(Struct, frozen=True):
    """Which message to delete, and by what right.

    `claim_ids` empty: the message must not be under a live claim. Otherwise it must be held by
    one of these claims. `force`: delete it whoever holds it; `claim_ids` is then ignored.
    """

    id: str
    claim_ids: tuple[str, ...] = ()
    force: bool = False


@_as_dataclass
class DeadLetter(Struct, frozen=True):
    """Where a message goes instead of being claimed once more (spec 1.5).

    A message that was claimed `max_claims` times already moves to the queue `name` of the same
    project. With `ttl`, it lives that many seconds from the move; without, as long as before.
    """

    name: str
    max_claims: int
    ttl: int | None = None


@_as_dataclass
class ClaimRequest(Struct, frozen=True):
    """A claim to make: up to `limit` messages for `ttl` seconds. `id` comes from `new_id()`."""

    id: str
    limit: int
    ttl: int
    grace: int
    dead_letter: DeadLetter | None = None


@_as_dataclass
class Claim(Struct, frozen=True):
    """A live claim. It began, or was last renewed, at `renewed_at`; it ends `ttl` seconds later.

    `messages` are those that it still holds, in posting order; they may all be deleted by now.
    """

    id: str
    ttl: int
    grace: int
    renewed_at: float
    messages: tuple[Message, ...]


@_as_dataclass
class NewSubscription(Struct, frozen=True):
    """A subscription to create. `id` comes from `new_id()`; `subscriber` is a URI."""

    id: str
    subscriber: str
    ttl: int
    options: Metadata


@_as_dataclass
class Subscription(Struct, frozen=True):
    """A subscription as stored. It ends `ttl` seconds after `renewed_at`.

    `created_at` is when it was created. A stored record that does not say whether it is
    confirmed counts as confirmed (spec 1.1).
    """

    id: str
    source: str
    subscriber: str
    ttl: int
    options: Metadata
    created_at: float
    renewed_at: float
    confirmed: bool = False
