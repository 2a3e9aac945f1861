"""Logging of the server: one line a record on standard error, each with the request's id."""

import itertools
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from .contract import random_text

if TYPE_CHECKING:
    from .config import LogSettings

__all__ = ["JsonFormatter", "TextFormatter", "configure", "new_request_id", "request_id"]

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""The id of the request that is being served; "-" outside one."""


def new_request_id() -> str:
    """`req-` and a UUID. Those of one process differ in the last 12 digits, which count up."""
    return f"{_process}{next(_numbers):012x}"


def _begin_request_ids() -> None:
    """Draw what this process has for itself: 60 random bits, and where it begins to count."""
    global _process, _numbers  # noqa: PLW0603 - once for each process
    a, b = random_text(), random_text()
    _process = f"req-{a[:8]}-{a[8:12]}-4{a[13:]}-8{b[1:4]}-"
    _numbers = itertools.count(int(b[4:], 16) >> 1)


_process: str
_numbers: Iterator[int]
_begin_request_ids()
os.register_at_fork(after_in_child=_begin_request_ids)


def _escaped(text: str) -> str:
    """The text with everything that could move the cursor or end the line written as an escape.

    Requests end up in logs: without this, a header could forge a line.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as exc:  # a bad log call must not cost the record
        return f"{record.msg!s} (arguments not shown: {type(exc).__name__})"


class _Formatter(logging.Formatter):
    def _failure(self, record: logging.LogRecord) -> str:
        parts = []
        if record.exc_info:
            parts.append(self.formatException(record.exc_info))
        if record.stack_info:
            parts.append(self.formatStack(record.stack_info))
        return "\n".join(parts)


class TextFormatter(_Formatter):
    """`2026-01-31T12:00:00.000Z INFO mqcore.server [request id] message`."""

    def format(self, record: logging.LogRecord) -> str:
        head = f"{_time(record)} {record.levelname} {record.name} [{request_id.get()}]"
        failure = self._failure(record)
        tail = f" | {failure}" if failure else ""
        return _escaped(f"{head} {_message(record)}{tail}")


class JsonFormatter(_Formatter):
    """An object with time, level, logger, request_id, message and, after a failure, exception."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "request_id": request_id.get(),
            "message": _message(record),
        }
        failure = self._failure(record)
        if failure:
            line["exception"] = failure
        return json.dumps(line)  # ASCII, so no control character gets through


def configure(settings: "LogSettings", stream: TextIO | None = None) -> None:
    """Send all logging of this process, uvicorn's included, through one handler.

    Give uvicorn `log_config=None`, or it undoes this.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)
    # What helps nobody but their authors: what is loaded at each start, and errors raised as well.
    for name, least in (("alembic", logging.WARNING), ("psycopg", logging.ERROR)):
        quiet = logging.NOTSET if settings.level == "debug" else least
        logging.getLogger(name).setLevel(quiet)
    logging.captureWarnings(True)
