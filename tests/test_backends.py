"""The servers that tests start: that they are real, die when told to, and leave nothing behind."""

import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import bson
import pytest
from pymongo import MongoClient, WriteConcern
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError

from .backends import (
    MariaDB,
    Missing,
    MongoDB,
    MongoSet,
    PostgreSQL,
    Redis,
    RedisCluster,
    RedisSentinel,
    Server,
    Swift,
)
from .backends.reaper import processes_in

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module", params=[PostgreSQL, MariaDB, Redis, MongoDB, Swift])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with request.param(fsync=False) as started:
        yield started


@pytest.fixture(scope="module", params=[PostgreSQL, MariaDB, Redis, MongoDB, Swift])
def secured(request: pytest.FixtureRequest) -> Iterator[Server]:
    """With TLS and a password."""
    more = {"password": True} if request.param in (Redis, MongoDB) else {}
    with request.param(fsync=False, tls=True, **more) as started:
        yield started


def store(server: Server, uri: str, value: int) -> None:
    if isinstance(server, PostgreSQL | MariaDB):
        server.sql(f"CREATE TABLE kept AS SELECT {value} AS value", uri)
    elif isinstance(server, Redis):
        server.cli("set", "kept", str(value), database=int(uri.rpartition("/")[2]))
    elif isinstance(server, Swift):
        container = f"/{uri.rpartition('=')[2]}"
        server.admin("PUT", container)
        server.admin("PUT", f"{container}/kept", body=str(value).encode())
    elif isinstance(server, MongoDB):
        with server.client() as client:
            kept = client[urlsplit(uri).path[1:]]["kept"]
            kept.with_options(write_concern=WriteConcern(j=True)).insert_one({"_id": value})


def stored(server: Server, uri: str) -> str:
    if isinstance(server, PostgreSQL | MariaDB):
        return server.sql("SELECT value FROM kept", uri)
    if isinstance(server, Swift):
        return server.admin("GET", f"/{uri.rpartition('=')[2]}/kept")[1]["body"]
    if isinstance(server, MongoDB):
        with server.client() as client:
            return "".join(str(one["_id"]) for one in client[urlsplit(uri).path[1:]]["kept"].find())
    assert isinstance(server, Redis)
    return server.cli("get", "kept", database=int(uri.rpartition("/")[2]))


def asks(server: Server, timeout: float) -> bytes:
    """The first byte of an answer, whatever it says."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout) as connection:
        connection.settimeout(timeout)
        if isinstance(server, PostgreSQL):
            connection.sendall(bytes.fromhex("0000000804d2162f"))  # do you have TLS?
        elif isinstance(server, Redis):
            connection.sendall(b"PING\r\n")
        elif isinstance(server, Swift):
            connection.sendall(b"GET /info HTTP/1.0\r\n\r\n")
        elif isinstance(server, MongoDB):
            hello = bson.encode({"hello": 1, "$db": "admin"})
            connection.sendall(struct.pack("<5iB", 21 + len(hello), 1, 0, 2013, 0, 0) + hello)
        return connection.recv(1)


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_server_keeps_its_data_and_its_address(server: Server, end: str) -> None:
    uri = server.fresh_database()
    store(server, uri, 41)
    getattr(server, end)()
    with pytest.raises(ConnectionRefusedError):
        asks(server, 5)
    assert processes_in(server.folder) == []
    server.start()
    assert stored(server, uri) == "41"


def test_each_database_is_empty(server: Server) -> None:
    one, other = server.fresh_database(), server.fresh_database()
    store(server, one, 1)
    store(server, other, 2)
    assert (stored(server, one), stored(server, other)) == ("1", "2")


def test_a_stalled_server_answers_when_it_goes_on(server: Server) -> None:
    assert asks(server, 5)
    try:
        server.pause()
        with pytest.raises(TimeoutError):
            asks(server, 0.1)
    finally:
        server.resume()
    assert asks(server, 5)


def test_a_server_that_dies_at_its_start_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)Redis did not start.*nonsense"):
        Redis(settings=("nonsense 1",)).start()


def test_connections_use_tls(secured: Server) -> None:
    if isinstance(secured, PostgreSQL):
        mine = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert secured.sql(mine) == "t"
        with pytest.raises(RuntimeError, match="no encryption"):
            secured.sql(mine, secured.uri.replace("verify-full", "disable"))
    elif isinstance(secured, MariaDB):
        assert "TLS" in secured.sql("SHOW STATUS LIKE 'Ssl_version'")
    elif isinstance(secured, MongoDB):
        assert secured.admin("connectionStatus")["authInfo"]["authenticatedUsers"]
        unsafe: MongoClient[dict[str, Any]] = MongoClient(
            "127.0.0.1", secured.port, serverSelectionTimeoutMS=500
        )
        with unsafe, pytest.raises(ServerSelectionTimeoutError):
            unsafe.admin.command("ping")
    else:
        trusting = ssl.create_default_context(cafile=str(secured.ca))
        with (
            socket.create_connection(("127.0.0.1", secured.port), timeout=5) as plain,
            trusting.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            assert connection.version()


def test_a_wrong_password_is_refused(secured: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(secured, PostgreSQL | MariaDB):
        uri = secured.uri.replace(quote(secured.password, safe=""), "wrong")
        with pytest.raises(RuntimeError, match=r"password authentication failed|Access denied"):
            secured.sql("SELECT 1", uri)
    elif isinstance(secured, MongoDB):
        monkeypatch.setattr(secured, "secret", "wrong")
        with pytest.raises(OperationFailure, match="Authentication failed"):
            secured.admin("ping")
    elif isinstance(secured, Redis):
        monkeypatch.setattr(secured, "secret", "wrong")
        assert "NOAUTH" in secured.cli("dbsize")
    elif isinstance(secured, Swift):
        monkeypatch.setattr(secured, "password", "wrong")
        assert secured.token() == ""


def test_a_cluster_has_a_node_for_every_key(redis_cluster: RedisCluster) -> None:
    redis_cluster.fresh_database()
    assert {node.cli("-c", "set", "kept", "1") for node in redis_cluster.nodes} == {"OK"}


def test_sentinels_name_another_primary_when_one_dies(redis_sentinel: RedisSentinel) -> None:
    first = redis_sentinel.primary
    first.kill()
    deadline = time.monotonic() + 30
    while redis_sentinel.primary is first:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.start()
    redis_sentinel.wait()


def test_a_set_has_another_primary_when_one_steps_down(mongo_set: MongoSet) -> None:
    first = mongo_set.primary
    mongo_set.step_down()
    mongo_set.wait()
    assert mongo_set.primary is not first


def test_three_replicas_are_three_copies() -> None:
    with Swift(replicas=3) as server:
        store(server, server.fresh_database(), 1)
        assert len(server.container_databases()) == 3
        assert len(list(server.folder.glob("devices/*/objects/**/*.data"))) == 3


def test_a_given_server_is_used_and_left_alone(server: Server) -> None:
    given = type(server)(server.uri)
    with given:
        store(given, given.fresh_database(), 1)
        for end in (given.stop, given.kill, given.pause):
            with pytest.raises(Missing, match="was given a running one"):
                end()
    assert asks(server, 5)


LEAN = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # some take seconds to import


def run_pytest(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "pytest_timeout",
            "-p",
            "no:cacheprovider",
            *arguments,
        ],
        cwd=ROOT,
        env={**environment, **LEAN, "MQCORE_TEST_PATH": "", **settings},
        capture_output=True,
        text=True,
        check=False,
    )


MISSING_HERE = (f"{__file__}", "-k", "each_database")


def test_without_programs_tests_are_not_run() -> None:
    done = run_pytest(*MISSING_HERE)
    assert done.returncode == 0, done.stdout
    assert "5 skipped" in done.stdout
    assert "passed" not in done.stdout
    for product in ("PostgreSQL (15", "MariaDB (10.6", "Redis (6.2", "MongoDB (4.4"):
        assert f"install {product} or newer)" in done.stdout


def test_without_programs_tests_fail_where_all_must_run() -> None:
    done = run_pytest(*MISSING_HERE, CI="true")
    assert done.returncode == 1, done.stdout
    assert "5 errors" in done.stdout
    assert "install PostgreSQL (15 or newer)" in done.stdout


@pytest.mark.parametrize(("ci", "outcome"), [("false", "2 skipped"), ("true", "2 errors")])
def test_the_skip_ledger_knows_a_store_that_is_not_there(
    tmp_path: Path, ci: str, outcome: str
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (inner / "conftest.py").write_text("from tests.conformance.conftest import *\n")
    (inner / "test_memory.py").write_text(
        "class TestDurability:\n"
        "    def test_everything_is_there_after_all_handles_were_closed(self, postgresql): ...\n"
        "    def test_another(self, postgresql): ...\n"
    )
    assert outcome in run_pytest(str(tmp_path), CI=ci).stdout


def test_nothing_is_left_of_a_run_that_was_killed() -> None:
    code = (
        "import signal; from tests.backends import *\n"
        "servers = [PostgreSQL(fsync=False), Redis()]\n"
        "for server in servers: server.start()\n"
        "print(servers[0].folder.parent, flush=True); signal.pause()"
    )
    with ExitStack() as stack:
        run = stack.enter_context(
            subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
        )
        assert run.stdout
        folder = Path(run.stdout.readline().decode().strip())
        assert len(processes_in(folder)) > 2
        run.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while folder.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert processes_in(folder) == []
