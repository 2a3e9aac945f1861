"""What can go wrong, as classes.

The class is the meaning and `code` is its stable name: both are API. The text is for people
and may change. An error that was caused by a client library keeps that exception as
`__cause__`. `retryable` says whether the same call may succeed later without a change by the
caller; it does not say that anybody retries it.
"""

from typing import Any, ClassVar

from .values import QueueRef

__all__ = [
    "BadUri",
    "ClaimNotFound",
    "Closed",
    "Conflict",
    "Invalid",
    "InvalidBody",
    "MQError",
    "MessageClaimed",
    "MessageNotClaimedBy",
    "MessageNotFound",
    "MetadataConflict",
    "Misconfigured",
    "NotFound",
    "NotPermitted",
    "NotSupported",
    "QueueEmpty",
    "QueueNotFound",
    "SubscriptionExists",
    "SubscriptionNotFound",
    "TooLarge",
    "Unavailable",
]


class MQError(Exception):
    """Base of every error that mqcore raises on purpose."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles what the error says, since most classes are made of other things than that."""
        return _unpickled, (type(self), self.args, self.__dict__)


def _unpickled(kind: type[MQError], args: tuple[Any, ...], state: dict[str, Any]) -> MQError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class NotFound(MQError):
    """The named thing does not exist in this queue and project, or no longer does."""

    code = "not_found"


class QueueNotFound(NotFound):
    """The queue does not exist. `queue` says which one: not always the one of the call."""

    code = "queue_not_found"

    def __init__(self, queue: QueueRef) -> None:
        super().__init__(f"there is no {queue}")
        self.queue = queue


class MessageNotFound(NotFound):
    code = "message_not_found"

    def __init__(self, message_id: str, queue: QueueRef) -> None:
        super().__init__(f"there is no message {message_id!r} in {queue}")


class ClaimNotFound(NotFound):
    """The claim is unknown, malformed, released or over, or is of another queue."""

    code = "claim_not_found"

    def __init__(self, claim_id: str, queue: QueueRef) -> None:
        super().__init__(f"there is no live claim {claim_id!r} in {queue}")


class SubscriptionNotFound(NotFound):
    code = "subscription_not_found"

    def __init__(self, subscription_id: str, queue: QueueRef) -> None:
        super().__init__(f"there is no subscription {subscription_id!r} to {queue}")


class QueueEmpty(NotFound):
    """`first` found no message."""

    code = "queue_empty"

    def __init__(self, queue: QueueRef) -> None:
        super().__init__(f"{queue} has no message")


class NotPermitted(MQError):
    """The thing exists, but its state forbids the call."""

    code = "not_permitted"


class MessageClaimed(NotPermitted):
    """The message is under a live claim and the call named no claim."""

    code = "message_claimed"

    def __init__(self, message_id: str) -> None:
        super().__init__(f"message {message_id!r} is claimed; name its claim to delete it")


class MessageNotClaimedBy(NotPermitted):
    """The named claim is live, but it does not hold this message."""

    code = "message_not_claimed_by"

    def __init__(self, message_id: str, claim_id: str) -> None:
        super().__init__(f"message {message_id!r} is not held by claim {claim_id!r}")


class Conflict(MQError):
    """Another record or another writer is in the way."""

    code = "conflict"


class SubscriptionExists(Conflict):
    """Another subscription of the queue has this subscriber."""

    code = "subscription_exists"

    def __init__(self, subscriber: str, queue: QueueRef) -> None:
        super().__init__(f"{queue} already has a subscription of {subscriber!r}")


class MetadataConflict(Conflict):
    """The metadata changed between the caller's read and its write; read again."""

    code = "metadata_conflict"
    retryable = True

    def __init__(self, queue: QueueRef) -> None:
        super().__init__(f"the metadata of {queue} was changed by somebody else meanwhile")


class Invalid(MQError):
    """The request is well formed but breaks a rule; the text names the field and the limit."""

    code = "invalid"


class InvalidBody(Invalid):
    """A document could not be read, or has a missing or mistyped member."""

    code = "invalid_body"


class TooLarge(Invalid):
    """Something is larger than this store (or the configuration) allows."""

    code = "too_large"


class NotSupported(Invalid):
    """The store does not have the capability that this call needs."""

    code = "not_supported"


class Unavailable(MQError):
    """The store cannot be reached or refuses to work now. Nothing is known to be lost."""

    code = "unavailable"
    retryable = True


class Closed(MQError):
    """The driver was closed; open another one."""

    code = "closed"


class Misconfigured(MQError):
    """Something in the configuration must change before this can work; the text says what."""

    code = "misconfigured"


class BadUri(Misconfigured):
    """A storage URI that cannot be used; the text says which part and why."""

    code = "bad_uri"
