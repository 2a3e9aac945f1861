"""What a store can promise beyond what the contract requires of all."""

import enum
from dataclasses import dataclass

__all__ = ["Capability", "Limits"]


class Capability(enum.Flag):
    """A promise. Declared ones are tested; undeclared ones are refused or doubted, never faked."""

    FIFO = enum.auto()
    """Messages are listed, claimed and popped in posting order, a batch in its own order, and a
    reader that pages by marker misses no message that another writer commits late (B-078).
    Messages that come back (a claim ended, a delay is over) rejoin at their old place, within
    bounded work per call: when very many come back at once, they may do so step by step."""

    DELAY = enum.auto()
    """Messages can be hidden for a time after the post. Without it, core refuses a delay."""

    DURABLE = enum.auto()
    """What a call has acknowledged survives the death of any process and of the machine."""

    EXACT_STATS = enum.auto()
    """`stats` counts exactly. Without it, the counts may lag, and settle once nothing changes."""

    ATOMIC_BATCH = enum.auto()
    """One `post` call stores all its messages or none, and they appear at the same moment.
    Without it, some items of the result may be errors, and those messages are not stored."""

    WAKING = enum.auto()
    """`Driver.watch` tells soon of what calls of any handle, in any process, made claimable.
    Without it, core asks the store often on behalf of those who wait."""

    @classmethod
    def none(cls) -> "Capability":
        """No promise beyond the contract's own."""
        return cls(0)


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest things that a store takes; None is no limit. Core refuses more (`TooLarge`).

    `body`: bytes in one message body. `metadata`: bytes of a queue's metadata as compact JSON.
    """

    body: int | None = None
    metadata: int | None = None
