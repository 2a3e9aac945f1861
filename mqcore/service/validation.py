"""The rules of the API on names, numbers and pages (spec 1.1, 2.3, 6.1)."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

from mqcore.contract import Invalid, MQError, QueueRef

__all__ = [
    "MAX_DEPTH",
    "check_count",
    "check_depth",
    "check_number",
    "is_deeper",
    "only",
    "queue_ref",
]

T = TypeVar("T")

NAME = re.compile(r"[a-zA-Z0-9_\-.]{1,64}", re.ASCII)
MAX_PROJECT = 256
MAX_DEPTH = 100
"""How deep a document may be nested that is stored as a value, not as opaque text."""


@lru_cache(4096)
def queue_ref(project: str | None, name: str) -> QueueRef:
    """Make a QueueRef of what a user gave. Raises Invalid when either part is not acceptable."""
    if not NAME.fullmatch(name):
        raise Invalid(
            "a queue name has 1 to 64 characters: letters a-z and A-Z, digits, '_', '-' and '.'"
        )
    if project is not None and not 1 <= len(project) <= MAX_PROJECT:
        raise Invalid(f"a project id has 1 to {MAX_PROJECT} characters")
    return QueueRef(project, name)


def check_number(name: str, value: object, least: int, most: int | None) -> int:
    """Return the value if it is an integer within the limits; `most` None is no upper limit."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise Invalid(f"{name} must be an integer")
    if value < least or (most is not None and value > most):
        limits = f"from {least} to {most}" if most is not None else f"of {least} or more"
        raise Invalid(f"{name} must be a number {limits}, not {value}")
    return value


def check_count(name: str, value: int, most: int) -> None:
    """Check how many items a request names."""
    if not 1 <= value <= most:
        raise Invalid(f"{name} takes 1 to {most} items, not {value}")


def check_depth(name: str, value: object) -> None:
    """Check that a document is not nested so deep that somebody could not read it again."""
    if is_deeper(value, MAX_DEPTH):
        raise Invalid(f"{name} must be nested at most {MAX_DEPTH} levels deep")


def is_deeper(value: object, levels: int) -> bool:
    """Whether a JSON value has more levels of objects and arrays than this."""
    level = [value] if isinstance(value, (Mapping, list, tuple)) else []
    for _ in range(levels):
        children = (one.values() if isinstance(one, Mapping) else one for one in level)
        level = [
            one for some in children for one in some if isinstance(one, (Mapping, list, tuple))
        ]
    return bool(level)


def only(results: Sequence[T | MQError]) -> T:
    """The result of a batch of one; raises it when it is an error."""
    (result,) = results
    if isinstance(result, MQError):
        raise result
    return result
