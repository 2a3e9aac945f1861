"""`mqcore serve` as a process of its own."""

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

HEADERS = {"Client-ID": str(uuid.uuid4()), "X-Project-ID": "p"}
HEAD = b"".join(f"{k}: {v}\r\n".encode() for k, v in HEADERS.items())
"""The same as bytes."""


class Server:
    """A running server. `start` waits for the line that says where it listens."""

    def __init__(
        self,
        folder: Path,
        *flags: str,
        env: dict[str, str] | None = None,
        python: str | Path = sys.executable,
    ) -> None:
        self.stderr = folder / f"stderr-{uuid.uuid4()}"
        with self.stderr.open("w") as log:
            self.process = subprocess.Popen(
                [python, "-m", "mqcore", "serve", "--bind", "127.0.0.1:0", *flags],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=folder,
                env={**os.environ, **(env or {})},
            )
        assert self.process.stdout
        self.line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", self.line)
        assert found, f"it did not start: {self.line!r} {self.log()}"
        self.port = int(found[1])
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}/v2", headers=HEADERS, timeout=30
        )

    def log(self) -> str:
        return self.stderr.read_text()

    def post(self, *bodies: Any, queue: str = "q") -> list[str]:
        answer = self.http.post(
            f"/queues/{queue}/messages",
            json={"messages": [{"body": body, "ttl": 600} for body in bodies]},
        )
        assert answer.status_code == 201, answer.text
        return [path.rpartition("/")[2] for path in answer.json()["resources"]]

    def claim(self, limit: int = 20, queue: str = "q") -> list[dict[str, Any]]:
        answer = self.http.post(f"/queues/{queue}/claims", params={"limit": limit}, json={})
        assert answer.status_code in (201, 204), answer.text
        return list(answer.json()["messages"]) if answer.status_code == 201 else []

    def claim_and_release(self, queue: str = "q") -> bool:
        """Whether there is something to claim."""
        answer = self.http.post(f"/queues/{queue}/claims", json={})
        if answer.status_code == 204:
            return False
        self.http.delete(answer.headers["Location"].removeprefix("/v2"))
        return True

    def raw(self, data: bytes) -> bytes:
        """Send bytes on a new connection and return what comes back until it is closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as conn:
            with contextlib.suppress(OSError):  # refused midway; what it said is still there
                conn.sendall(data)
            answer = b""
            with contextlib.suppress(ConnectionResetError):  # closed with bytes of ours unread
                while chunk := conn.recv(65536):
                    answer += chunk
            return answer

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(30)
        assert self.process.stdout
        self.process.stdout.close()
        return code


def request(line: str, body: bytes = b"", *more: bytes) -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return (
        line.encode()
        + b" HTTP/1.1\r\nHost: x\r\n"
        + HEAD
        + b"".join(more)
        + length
        + b"\r\n"
        + body
    )


def posting(body: object) -> bytes:
    return json.dumps({"messages": [{"body": body, "ttl": 600}]}).encode()


@contextlib.contextmanager
def stalled(path: Path) -> Iterator[None]:
    """Another program holds SQLite's write lock."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        threading.Event().wait(0.01)


StartServer = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers on a free port; all on the same SQLite file unless told otherwise."""
    started: list[Server] = []

    def start_one(*flags: str, env: dict[str, str] | None = None) -> Server:
        if "--uri" not in flags:
            flags = ("--uri", f"sqlite:///{tmp_path}/q.db", *flags)
        started.append(Server(tmp_path, *flags, env=env))
        return started[-1]

    yield start_one
    for server in started:
        server.stop(signal.SIGKILL)


def refused(folder: Path, *flags: str) -> str:
    """What a server says that cannot start; it must be one line, without a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "mqcore", "serve", *flags],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    (line,) = [one for one in done.stderr.splitlines() if one.startswith("mqcore: ")]
    return line


def error_of(answer: bytes) -> tuple[int, dict[str, str]]:
    """Status and JSON body of a raw answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)
