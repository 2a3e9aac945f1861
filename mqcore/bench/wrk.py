"""Load by wrk (https://github.com/wg/wrk): one thread, some connections, some seconds."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ..contract import Unavailable
from .results import NotMeasured

__all__ = ["MISSING", "PER_REQUEST", "Load", "Sample", "installed", "load"]

SCRIPT = Path(__file__).with_name("load.lua")
MISSING = "wrk is not installed (Debian, Ubuntu: apt-get install wrk; macOS: brew install wrk)"
PATIENCE = 30
"""Seconds that wrk may take beyond the load itself."""

PER_REQUEST = {"post_1": 1, "post_10": 10, "list_10": 10}
"""Messages in a request, where all requests are alike. The others count in the script."""


@dataclass(frozen=True, slots=True)
class Load:
    """What to send: `kind` is an operation of the script, `rate` requests/s, None is all it can."""

    kind: str
    connections: int
    seconds: int
    queue: str = "none"
    queues: int = 1
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """What came of it. Rates are per second, latencies in milliseconds.

    `errors` are answers that say no, and requests without an answer within 2 seconds. `dry` are
    claims that found nothing: with any, a rate of claims says little.
    """

    rate: float
    p50: float
    p99: float
    errors: int
    messages: float
    dry: int
    requests: float
    """How many good answers there were."""
    cpu: float | None = None
    """Microseconds of processor time that the server took for one; None when it is not known."""

    @property
    def figures(self) -> dict[str, float]:
        """As columns of a table."""
        return {
            "req/s": self.rate,
            "msg/s": self.messages,
            "p50 ms": self.p50,
            "p99 ms": self.p99,
            "errors": self.errors,
        }


def installed() -> bool:
    return shutil.which("wrk") is not None


def load(port: int, wanted: Load) -> Sample:
    """Send the load to a port of this machine. Raises NotMeasured and Unavailable."""
    given = {
        "MQ_KIND": wanted.kind,
        "MQ_QUEUE": wanted.queue,
        "MQ_QUEUES": str(wanted.queues),
        "MQ_RATE": "" if wanted.rate is None else f"{wanted.rate:.3f}",
    }
    command = (
        "wrk",
        "-t1",
        f"-c{wanted.connections}",
        f"-d{wanted.seconds}s",
        f"-s{SCRIPT}",
        f"http://127.0.0.1:{port}",
    )
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            check=False,
            timeout=wanted.seconds + PATIENCE,
        )
    except subprocess.TimeoutExpired as exc:
        raise NotMeasured(f"wrk did not end {PATIENCE} seconds after its load") from exc
    found = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    if not found:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nothing"]
        raise Unavailable(f"wrk measured nothing; it says: {said[-1]}")
    return _sample(wanted.kind, [float(text) for text in found[1].split()])


def _sample(kind: str, result: list[float]) -> Sample:
    requests, micros, p50, p99, refused, lost, moved, dry = result
    seconds = micros / 1e6
    good = max(0.0, requests - refused)
    messages = good * PER_REQUEST[kind] if kind in PER_REQUEST else moved
    return Sample(
        rate=good / seconds,
        p50=p50,
        p99=p99,
        errors=int(refused + lost),
        messages=messages / seconds,
        dry=int(dry),
        requests=good,
    )
