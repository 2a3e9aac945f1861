"""The only place that names the exceptions of SQLAlchemy and sqlite3."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import exc

from mqcore.contract import Invalid, Misconfigured, MQError, TooLarge, Unavailable

__all__ = ["is_conflict", "is_locked", "translate", "translated"]

_ADVICE = {
    sqlite3.SQLITE_BUSY: "stayed locked by another process for longer than busy_timeout;"
    " end that process, or raise busy_timeout in the storage URI",
    sqlite3.SQLITE_FULL: "cannot grow; make room on its disk",
    sqlite3.SQLITE_IOERR: "could not be read or written; check its disk",
    sqlite3.SQLITE_READONLY: "is read-only; let this user write to the file and its folder",
    sqlite3.SQLITE_PERM: "may not be used; let this user read and write the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; let this user read and write the file"
    " and its folder",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a backup or name another file",
    sqlite3.SQLITE_NOTADB: "is not an SQLite database; name another file",
}
_ADVICE[sqlite3.SQLITE_LOCKED] = _ADVICE[sqlite3.SQLITE_BUSY]

_MISCONFIGURED = {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
}
"""What the deployer must change, when it is met while opening."""


def translate(error: Exception, path: Path, *, opening: bool = False) -> MQError:
    """Say it as an error of the contract. Raises `error` itself when it is none of the store's."""
    code = _code(error)
    if code == sqlite3.SQLITE_TOOBIG:
        return TooLarge("the database cannot hold a value of a billion bytes")
    if code is not None:
        advice = _ADVICE.get(code, f"refused the statement: {_original(error)}")
        known = Misconfigured if opening and code in _MISCONFIGURED else Unavailable
        return known(f"the database {path} {advice}")
    if isinstance(error, exc.TimeoutError):
        return Unavailable(
            f"all connections to {path} are in use; try again, or with fewer at once"
        )
    if isinstance(error, exc.InvalidRequestError):
        return Unavailable(f"the connection to {path} broke down; try again")
    if isinstance(error, (UnicodeEncodeError, OverflowError)):
        return Invalid(f"the database {path} cannot hold this value: {error}")
    raise error


@contextmanager
def translated(path: Path, *, opening: bool = False) -> Iterator[None]:
    """Around calls that do I/O: raise what went wrong as an error of the contract."""
    try:
        yield
    except MQError:
        raise
    except Exception as error:
        raise translate(error, path, opening=opening) from error


def is_locked(error: BaseException) -> bool:
    """Whether another connection was in the way."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_conflict(error: BaseException) -> bool:
    """Whether what was to be stored is there already."""
    return isinstance(_original(error), sqlite3.IntegrityError)


def _original(error: BaseException) -> BaseException | None:
    return error.orig if isinstance(error, exc.DBAPIError) else error


def _code(error: BaseException) -> int | None:
    """SQLite's primary result code; None when the error is not of the database."""
    original = _original(error)
    if not isinstance(original, sqlite3.Error):
        return None
    # Errors that the sqlite3 module raises by itself have no code.
    return getattr(original, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
