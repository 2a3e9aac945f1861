"""What every server has in common: its folder, its port, its processes."""

import abc
import contextlib
import functools
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import quote

import trustme

from . import reaper
from .programs import Missing, account, find, version

__all__ = ["Missing", "Server"]

HOST = "127.0.0.1"
SECONDS_TO_START = 60
SECONDS_TO_STOP = 20


@functools.cache
def workspace() -> Path:
    """The folder of all servers of this process, which disappears with it, whatever ends it."""
    folder = Path(tempfile.mkdtemp(prefix="mqcore-")).resolve()
    folder.chmod(0o711)
    subprocess.Popen(
        [sys.executable, "-P", reaper.__file__, str(os.getpid()), str(folder)],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return folder


def free_port() -> int:
    """Outside the range for outgoing connections, which would take it while its server is dead.

    The port 10,000 above is free too: the nodes of a Redis Cluster talk to each other there. No
    other process of tests gets it as long as this one runs, where the system has abstract sockets.
    """
    while True:
        port = 12_000 + secrets.randbelow(10_000)
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind((HOST, port))
            other.bind((HOST, port + 10_000))
            if sys.platform == "linux":
                with socket.socket(socket.AF_UNIX) as mine:
                    mine.bind(f"\0mqcore-tests-{port}")
                    mine.detach()  # open until this process ends
            return port


class Server(abc.ABC):
    """A server for tests. Entering the context starts it, leaving stops and forgets it.

    `given` is the URI of a running server to use in place of one of its own: it can neither be
    stopped nor killed nor paused, and a test that asks for that raises Missing.
    `fsync=False` keeps data through the death of the server, but not of the machine.
    `tls=True` makes it refuse connections without TLS; `ca` is the file to verify it with.
    """

    kind: ClassVar[str]
    program: ClassVar[str]
    oldest: ClassVar[tuple[int, int]]
    package: ClassVar[str]
    ends_at: ClassVar[signal.Signals] = signal.SIGTERM
    user = "mqcore"
    password = "p@s/s:w%r d+&?#"

    def __init__(self, given: str = "", *, fsync: bool = True, tls: bool = False) -> None:
        self.given, self.fsync, self.tls = given, fsync, tls
        self._process: subprocess.Popen[bytes] | None = None
        if given:
            return
        self.executable = self.find_server()
        if version(self.executable) < self.oldest:
            oldest = ".".join(map(str, self.oldest))
            raise Missing(f"{self.kind} at {self.executable} is too old: {oldest} is needed")
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.program}-", dir=workspace()))
        self._hand_over(self.folder)
        if tls:
            self._make_certificate()
        self.prepare()
        self.port = free_port()

    @property
    @abc.abstractmethod
    def uri(self) -> str:
        """As a deployer writes it, with the password."""

    @abc.abstractmethod
    def fresh_database(self) -> str:
        """The URI of an empty database that nobody else has."""

    @abc.abstractmethod
    def prepare(self) -> None:
        """Make the files that must be there before the first start."""

    @abc.abstractmethod
    def command(self) -> list[str]: ...

    def runs_as(self) -> dict[str, Any]:
        """Arguments for subprocess."""
        return account()

    @abc.abstractmethod
    def ready(self) -> bool:
        """Whether it takes connections now."""

    def start(self) -> None:
        """Return when it answers, on the same port and data as before."""
        self._own()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self.runs_as(),
            )
        deadline = time.monotonic() + SECONDS_TO_START
        while not self.ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                end = "\n".join(self.log.splitlines()[-20:])
                raise RuntimeError(f"{self.kind} did not start. The end of its log:\n{end}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Cleanly, as at the end of a day; do nothing when it does not run."""
        self._own()
        if self._process is None:
            return
        self.resume()
        self._process.send_signal(self.ends_at)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(SECONDS_TO_STOP)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to it and its children, at once; return when they are gone."""
        self._own()
        if self._process is not None:
            self._process.kill()  # first, or it would notice the death of its children
            self._process.wait()
            self._process = None
        reaper.kill_all_in(self.folder)

    def pause(self) -> None:
        """Stall it, with its children: connections stay open, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    @property
    def log(self) -> str:
        self._own()
        return (self.folder / "log").read_text(errors="replace")

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def __enter__(self) -> Self:
        if not self.given:
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self.given:
            self.stop()
            shutil.rmtree(self.folder)

    def find_server(self) -> Path:
        return self.tool(self.program)

    def tool(self, program: str) -> Path:
        """A program of this server. Raises Missing."""
        comes_with = (
            f"{self.kind} needs: install {self.package}; Debian, Ubuntu: `make servers` as root"
        )
        return find(program, comes_with, getattr(self, "executable", None))

    def run(self, program: str, *arguments: str, **secret: str) -> str:
        """What a program of this server prints; `secret` goes to its environment."""
        own: dict[str, Any] = {} if self.given else {"cwd": self.folder, **account()}
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [self.tool(program), *arguments],
            env={**self._environment(), **secret},
            capture_output=True,
            text=True,
            check=False,
            **own,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")
        return done.stdout

    def write(self, name: str, content: bytes) -> Path:
        """A file in the server's folder that only the server may read."""
        path = self.folder / name
        path.touch(0o600)
        path.write_bytes(content)
        self._hand_over(path)
        return path

    def folder_for(self, name: str) -> Path:
        """A folder in the server's that it may write to."""
        path = self.folder / name
        path.mkdir(mode=0o700)
        self._hand_over(path)
        return path

    def address(self, scheme: str, port: int, user: str = user, password: str = password) -> str:
        secret = f"{user}:{quote(password, safe='')}@" if password else ""
        return f"{scheme}://{secret}{HOST}:{port}"

    def _own(self) -> None:
        if self.given:
            raise Missing(f"this test stops or kills {self.kind}, but was given a running one")

    def _signal(self, number: signal.Signals) -> None:
        self._own()
        if self._process is not None:
            self._process.send_signal(number)  # first: it starts no more children then
        reaper.signal_all_in(self.folder, number)

    def _environment(self) -> dict[str, str]:
        """None of the caller's settings for clients, such as PGHOST."""
        home = str(Path.home() if self.given else self.folder)
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": home}

    def _hand_over(self, path: Path) -> None:
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(path, nobody.pw_uid, nobody.pw_gid)

    def _make_certificate(self) -> None:
        authority = trustme.CA()
        server = authority.issue_cert(HOST, "localhost")
        self.write("ca.pem", authority.cert_pem.bytes()).chmod(0o644)
        self.write("cert.pem", b"".join(blob.bytes() for blob in server.cert_chain_pems))
        self.write("key.pem", server.private_key_pem.bytes())
