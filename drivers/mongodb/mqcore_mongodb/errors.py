"""The only place that names the exceptions of pymongo."""

from collections.abc import Iterator
from contextlib import contextmanager

from bson.errors import BSONError
from pymongo import errors

from mqcore.contract import Misconfigured, MQError, TooLarge, Unavailable

__all__ = ["Duplicate", "duplicates", "is_lost", "translated"]

Duplicate = errors.DuplicateKeyError

DUPLICATE = 11000

_UNFIT = {
    13: "does not let this user do what is needed; grant it readWrite on the database",
    18: "refuses the user or the password; correct them, or auth_source, in the storage URI",
    8000: "refuses the user or the password; correct them in the storage URI",
    85: "has an index of another kind under a name of ours; use another database in the URI",
    86: "has an index of another kind under a name of ours; use another database in the URI",
}
"""What the deployer must change, when it is met while opening; by the server's code."""

_SIGNS = (
    ("Authentication failed", _UNFIT[18]),
    ("requires authentication", "wants a user; write it as mongodb://user:PASSWORD@host"),
    ("certificate verify failed", "has a certificate that is not trusted; name ?tls_ca_file="),
    ("Hostname mismatch", "has a certificate for another name; use that name as the host"),
    ("IP address mismatch", "has a certificate for another name; use that name as the host"),
    ("not a member of replica set", "is of another replica set; correct ?replica_set="),
    ("replica set name", "is of another replica set; correct ?replica_set="),
    ("DNS query name does not exist", "has no SRV record; correct the name in the URI"),
)
"""The same, by what the text says."""


def _text(error: Exception) -> str:
    details = getattr(error, "details", None)
    return f"{error} {details}" if details else str(error)


def _advice(error: Exception) -> str | None:
    code = getattr(error, "code", None)
    if code in _UNFIT and "requires authentication" not in str(error):
        return _UNFIT[code]
    text = _text(error)
    return next((advice for sign, advice in _SIGNS if sign in text), None)


_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (errors.WaitQueueTimeoutError, "has all connections of this handle in use; raise ?pool_size="),
    (errors.ServerSelectionTimeoutError, "has no primary that can be reached: {error}"),
    (errors.NetworkTimeout, "did not answer in time; raise ?timeout= if it is only slow"),
    (errors.ConnectionFailure, "cannot be reached: {error}"),
    (Exception, "refused: {error}"),
)


def _translate(error: Exception, place: str, *, opening: bool) -> MQError:
    server = f"the MongoDB server {place}"
    if isinstance(error, errors.DocumentTooLarge):
        return TooLarge(f"MongoDB takes at most 16 MiB in one piece: {error}")
    advice = _advice(error)
    if opening and isinstance(error, errors.ConfigurationError | errors.InvalidURI):
        return Misconfigured(f"{server} cannot be used: {advice or error}")
    if advice:
        return (Misconfigured if opening else Unavailable)(f"{server} {advice}")
    text = next(text for kind, text in _KINDS if isinstance(error, kind))
    return Unavailable(f"{server} {text.format(error=error)}")


@contextmanager
def translated(place: str, *, opening: bool = False) -> Iterator[None]:
    """Around calls that do I/O: raise what went wrong as an error of the contract."""
    try:
        yield
    except (errors.PyMongoError, BSONError, OSError) as error:
        raise _translate(error, place, opening=opening) from error


_TOO_LATE = (
    errors.NetworkTimeout,
    errors.ServerSelectionTimeoutError,
    errors.WaitQueueTimeoutError,
)
"""Those that come after a wait, which a repetition would double."""


def is_lost(error: Exception) -> bool:
    """Whether the connection broke or the primary changed, so that a repetition may do."""
    if isinstance(error, _TOO_LATE):
        return False
    return isinstance(error, errors.ConnectionFailure) or (
        isinstance(error, errors.PyMongoError) and error.has_error_label("RetryableWriteError")
    )


def duplicates(error: errors.BulkWriteError, field: str = "") -> list[int]:
    """The places of what was not written because its key is there. Raises any other error.

    With a field, only of those whose key has that field.
    """
    failed = error.details.get("writeErrors", [])
    if not failed or any(each["code"] != DUPLICATE for each in failed):
        raise error
    return [each["index"] for each in failed if not field or field in each["keyPattern"]]
