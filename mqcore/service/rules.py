"""What the reserved keys of a queue's metadata mean (spec 1.2) and what they may hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mqcore.contract import DeadLetter, Invalid, Metadata

from .limits import MIN_TTL, ServiceLimits
from .retry import check_retry_policy
from .validation import NAME, check_number

__all__ = ["REPORTED", "QueueRules", "check_metadata", "reported_metadata", "rules_of"]

REPORTED = (
    "_max_messages_post_size",
    "_default_message_ttl",
    "_default_message_delay",
    "_dead_letter_queue",
    "_dead_letter_queue_messages_ttl",
    "_max_claim_count",
    "_enable_encrypt_messages",
)
"""The reserved keys that every representation of a queue has."""


@dataclass(frozen=True, slots=True)
class QueueRules:
    """The rules of one queue, the configured defaults filled in."""

    max_post_size: int
    default_ttl: int
    default_delay: int
    dead_letter: DeadLetter | None


def rules_of(metadata: Metadata, limits: ServiceLimits) -> QueueRules:
    """Read the rules of a queue from its stored metadata."""
    shown = reported_metadata(metadata, limits)
    name, count = shown["_dead_letter_queue"], shown["_max_claim_count"]
    return QueueRules(
        max_post_size=min(shown["_max_messages_post_size"], limits.max_messages_post_size),
        default_ttl=shown["_default_message_ttl"],
        default_delay=shown["_default_message_delay"],
        dead_letter=DeadLetter(name, count, shown["_dead_letter_queue_messages_ttl"])
        if name and count
        else None,
    )


def reported_metadata(metadata: Metadata, limits: ServiceLimits) -> dict[str, Any]:
    """The metadata as users see it: reserved keys that hold nothing show their default.

    The defaults are never stored (spec 1.2).
    """
    defaults = {
        "_max_messages_post_size": limits.max_messages_post_size,
        "_default_message_ttl": limits.default_message_ttl,
        "_default_message_delay": limits.default_message_delay,
        "_dead_letter_queue": None,
        "_dead_letter_queue_messages_ttl": None,
        "_max_claim_count": None,
        "_enable_encrypt_messages": False,
    }
    shown = dict(metadata)
    for key, default in defaults.items():
        stored = shown.get(key)
        if key != "_default_message_delay" or stored is None:
            shown[key] = stored or default
    return shown


def check_metadata(name: str, metadata: object, limits: ServiceLimits) -> dict[str, Any]:
    """Check the metadata of the queue `name` as a user gave it. Raises Invalid.

    A reserved key that holds null counts as absent.
    """
    if not isinstance(metadata, Mapping):
        raise Invalid("the metadata of a queue is a JSON object")
    for key, check in _checks(name, limits).items():
        value = metadata.get(key)
        if value is not None:
            check(key, value)
    return dict(metadata)


def _checks(queue_name: str, limits: ServiceLimits) -> dict[str, Callable[[str, Any], object]]:
    def number(least: int, most: int | None) -> Callable[[str, Any], object]:
        return lambda key, value: check_number(key, value, least, most)

    def dead_letter_queue(key: str, value: object) -> None:
        if not isinstance(value, str) or not NAME.fullmatch(value):
            raise Invalid(f"{key} must be the name of a queue")
        if value == queue_name:
            raise Invalid(f"{key} must name another queue than {queue_name!r} itself")

    def encryption(key: str, value: object) -> None:
        if not isinstance(value, bool):
            raise Invalid(f"{key} must be true or false")
        if value:
            raise Invalid(f"{key} cannot be true: this server does not encrypt messages")

    def text(key: str, value: object) -> None:
        if not isinstance(value, str):
            raise Invalid(f"{key} must be a string")

    return {
        "_max_messages_post_size": number(1, limits.max_messages_post_size),
        "_default_message_ttl": number(MIN_TTL, limits.max_message_ttl),
        "_default_message_delay": number(0, limits.max_message_delay),
        "_dead_letter_queue": dead_letter_queue,
        "_dead_letter_queue_messages_ttl": number(MIN_TTL, limits.max_message_ttl),
        "_max_claim_count": number(1, 2**31 - 1),
        "_enable_encrypt_messages": encryption,
        "_flavor": text,
        "_retry_policy": check_retry_policy,
    }
