"""Ids: unique, in order of time, and not to be guessed."""

import os
import time
from collections.abc import Iterator

__all__ = ["new_id", "random_text"]

FETCHED = 512
"""How many random texts one request to the system serves."""

_texts: Iterator[str] = iter(())


def new_id() -> str:
    """Make an id for a message, a claim or a subscription.

    32 characters of `[0-9a-f]`: 16 for the time in nanoseconds, a multiple of 16, then 56 random
    bits and 00: a driver can store it in 14 bytes. Ids sort as text by the time they were made,
    so that an index over them grows at one end.
    Core makes all ids and drivers store them, which is what makes a repeated call harmless:
    the same ids say that it is the same call.
    """
    return f"{time.time_ns() >> 4:015x}0{random_text()[:14]}00"


def random_text() -> str:
    """64 random bits of the system as 16 hexadecimal digits, fit for secrets.

    Fetched for many callers at once: each fetch lets go of the interpreter, and under load
    another thread takes it, which cost more than all the rest of a post.
    """
    global _texts  # noqa: PLW0603 - taking from it is atomic, and a part that is lost is no harm
    for text in _texts:
        return text
    fetched = os.urandom(8 * FETCHED).hex()
    texts = iter([fetched[start : start + 16] for start in range(0, len(fetched), 16)])
    first = next(texts)
    _texts = texts
    return first


def _forget() -> None:
    global _texts  # noqa: PLW0603
    _texts = iter(())


# A child must not give out what its parent will.
os.register_at_fork(after_in_child=_forget)
