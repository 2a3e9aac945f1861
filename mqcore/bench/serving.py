"""Starting servers to measure, each a process of its own on a free port of this machine."""

import http.client
import json
import os
import re
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import IO

from ..contract import Unavailable
from .results import NotMeasured
from .wrk import Load, Sample, load

__all__ = ["Client", "Server", "serving"]

START = 60
STOP = 30
"""Seconds that a server may take to start and to stop."""

COMMANDS = {
    "server": ("mqcore", "serve"),
    "empty": ("mqcore.bench.empty",),
    "unmerged": ("mqcore.bench.unmerged",),
    "hop": ("mqcore.bench.unmerged", "hop"),
}
HEADERS = {
    "Client-ID": "3381af92-2b9e-11e3-b191-71861300734c",
    "X-Project-ID": "mqcore-bench",
    "Content-Type": "application/json",
}
FILL = 100
"""Messages in a request that fills a queue."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    port: int
    process: subprocess.Popen[str]

    def load(self, wanted: Load) -> Sample:
        """Measure a load. Raises NotMeasured when the server does not survive it."""
        before = self._seconds_of_processor()
        sample = load(self.port, wanted)
        if self.process.poll() is not None:
            raise NotMeasured(f"the server ended during {wanted.kind}")
        spent = self._seconds_of_processor() - before
        return replace(
            sample, cpu=spent / sample.requests * 1e6 if spent and sample.requests else None
        )

    def _seconds_of_processor(self) -> float:
        """What the process has used; 0 where psutil, an extra, is missing."""
        if find_spec("psutil") is None:
            return 0.0
        import psutil

        used = psutil.Process(self.process.pid).cpu_times()
        return float(used.user + used.system)


@contextmanager
def serving(uri: str, kind: str = "server", **settings: object) -> Iterator[Server]:
    """Run a server with one worker; `settings` are options of the server's group.

    The URI goes by the environment, where other users do not see its password. Raises
    Unavailable when the server does not start.
    """
    group = "MQCORE_DRIVERS_TRANSPORT_WSGI_"
    fixed: dict[str, object] = {"bind": "127.0.0.1", "port": 0, "workers": 1}
    environment = {
        **os.environ,
        "MQCORE_STORAGE_URI": uri,
        "MQCORE_LOG_LEVEL": "error",
        **{group + name.upper(): str(value) for name, value in {**fixed, **settings}.items()},
    }
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", *COMMANDS[kind]],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            yield Server(_port(process, errors), process)
        finally:
            _stop(process)


def _port(process: subprocess.Popen[str], errors: IO[str]) -> int:
    """Wait for the line in which the server says where it listens."""
    if process.stdout is None:  # for the types: it is a pipe
        raise NotMeasured("the server has no output")
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        line = process.stdout.readline() if selector.select(START) else ""
    found = re.search(r":(\d+),", line)
    if found:
        return int(found[1])
    errors.seek(0)
    said = errors.read().strip().splitlines() or ["nothing"]
    raise Unavailable(f"the server did not start; it says: {said[-1].removeprefix('mqcore: ')}")


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


class Client:
    """The few requests that prepare a load and tidy up after it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._queues: dict[str, None] = {}

    def create(self, queue: str) -> None:
        self._ask("PUT", queue, "", {})
        self._queues[queue] = None

    def fill(self, queue: str, messages: int) -> None:
        """Create the queue and post this many messages, rounded up to a hundred."""
        self.create(queue)
        for _ in range(0, messages, FILL):
            batch = [{"body": "x" * 1000, "ttl": 3600}] * FILL
            self._ask("POST", queue, "/messages", {"messages": batch})

    def delete_all(self) -> None:
        """Delete every queue that was created here."""
        while self._queues:
            self._ask("DELETE", self._queues.popitem()[0], "", None)

    def _ask(self, method: str, queue: str, rest: str, body: object) -> None:
        text = None if body is None else json.dumps(body)
        # One for each: between two of them the server may close an idle connection.
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)) as connection:
            try:
                connection.request(method, f"/v2/queues/{queue}{rest}", text, HEADERS)
                answer = connection.getresponse()
                said = answer.read().decode(errors="replace")
            except (OSError, http.client.HTTPException) as exc:
                raise Unavailable(f"the server did not answer: {exc}") from exc
        if answer.status >= 300:
            raise NotMeasured(f"{method} of {queue}{rest} gave {answer.status}: {said[:200]}")
