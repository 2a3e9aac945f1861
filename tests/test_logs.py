"""One line a record, whoever writes what into it."""

import io
import json
import logging
import multiprocessing
import sys
import uuid
from collections.abc import Iterator

import pytest

from mqcore import logs
from mqcore.config import LogSettings


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    """The stream that the log goes to; logging is as before afterwards."""
    names = ["", "uvicorn", "uvicorn.error", "uvicorn.access", "py.warnings", "alembic"]
    loggers = [logging.getLogger(name) for name in names]
    before = [(x.handlers[:], x.level, x.propagate) for x in loggers]
    yield io.StringIO()
    logging.captureWarnings(False)
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = propagate


def fail(text: str) -> None:
    raise ValueError(text)


def lines(output: io.StringIO) -> list[str]:
    assert output.getvalue().endswith("\n")
    return output.getvalue()[:-1].split("\n")


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "evil", ["a\nb", "a\r\nb", "\x1b[2Jx", "\x00", "\u2028b", "\x85b", "\u202eb", "\ud800"]
)
def test_nothing_in_a_message_can_start_another_line(
    output: io.StringIO, form: str, evil: str
) -> None:
    logs.configure(LogSettings(format=form), output)
    logging.getLogger("mqcore.test").warning("path %s", evil)
    (line,) = lines(output)
    assert line.isprintable()


def test_a_traceback_is_part_of_the_line(output: io.StringIO) -> None:
    logs.configure(LogSettings(), output)
    try:
        fail("no\ngood")
    except ValueError:
        logging.getLogger("mqcore.test").exception("failed")
    (line,) = lines(output)
    assert "failed" in line
    assert "ValueError: no\\ngood" in line


def test_the_line_carries_the_id_of_the_request(output: io.StringIO) -> None:
    logs.configure(LogSettings(), output)
    logger = logging.getLogger("mqcore.test")
    token = logs.request_id.set("req-1")
    logger.info("inside")
    logs.request_id.reset(token)
    logger.info("outside")
    inside, outside = lines(output)
    assert " INFO mqcore.test [req-1] inside" in inside
    assert " INFO mqcore.test [-] outside" in outside


def test_json_has_the_same_as_members(output: io.StringIO) -> None:
    logs.configure(LogSettings(format="json"), output)
    try:
        fail("no")
    except ValueError:
        logging.getLogger("mqcore.test").exception("failed: %s", "ü")
    (line,) = lines(output)
    record = json.loads(line)
    assert record["level"] == "ERROR"
    assert record["logger"] == "mqcore.test"
    assert record["request_id"] == "-"
    assert record["message"] == "failed: ü"
    assert record["exception"].endswith("ValueError: no")
    assert record["time"].endswith("Z")


@pytest.mark.parametrize("name", ["uvicorn", "uvicorn.error", "uvicorn.access"])
def test_the_loggers_of_uvicorn_use_the_same_form_once(output: io.StringIO, name: str) -> None:
    logger = logging.getLogger(name)
    logger.addHandler(logging.StreamHandler(sys.stderr))
    logger.propagate = False
    logs.configure(LogSettings(), output)
    logger.info("hello")
    (line,) = lines(output)
    assert f"INFO {name} [-] hello" in line


def test_the_level_is_that_of_the_configuration(output: io.StringIO) -> None:
    logs.configure(LogSettings(level="error"), output)
    logging.getLogger("mqcore.test").warning("quiet")
    assert output.getvalue() == ""


def test_a_library_that_chatters_is_heard_in_debug_only(output: io.StringIO) -> None:
    for level in ("info", "debug"):
        logs.configure(LogSettings(level=level), output)
        logging.getLogger("alembic.runtime.plugins").info("at level %s", level)
    (line,) = lines(output)
    assert "at level debug" in line


def test_a_wrong_log_call_still_gives_its_line(output: io.StringIO) -> None:
    logs.configure(LogSettings(), output)
    logging.getLogger("mqcore.test").info("%d items", "many")
    (line,) = lines(output)
    assert "%d items" in line


def test_request_ids_differ_also_between_a_process_and_its_child() -> None:
    spawn = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[str] = spawn.Queue()
    here = [logs.new_request_id() for _ in range(100)]
    child = spawn.Process(target=lambda: answers.put(logs.new_request_id()))
    child.start()
    there = answers.get(timeout=60)
    child.join()
    parts = {one.rpartition("-")[0] for one in (*here, there)}
    assert len(set(here)) == 100
    assert len(parts) == 2
    assert uuid.UUID(there.removeprefix("req-")).version == 4
