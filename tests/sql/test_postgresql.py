"""A PostgreSQL that stalls, dies, or refuses: what a deployer and a caller are told."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import ClassVar
from urllib.parse import urlsplit

import pytest
from mqcore_sql.postgresql import open_driver

from mqcore.contract import BadUri, Misconfigured, Unavailable
from tests.backends import Missing, PostgreSQL

from .failing import Bad, FailingServer, Queries


class TestPostgreSQL(FailingServer):
    kind = PostgreSQL
    library = "psycopg"
    open_driver = staticmethod(open_driver)
    stalled = "gave no answer within statement_timeout|connection timeout expired"
    bad: ClassVar[Bad] = {
        "user": ("refuses the password", Misconfigured),
        "password": ("refuses the password", Misconfigured),
        "database": ("does not exist; create it", Misconfigured),
        "no database": ("name the database", BadUri),
        "port": ("cannot be used", Unavailable),
        "option": ("unknown option colour", BadUri),
        "TLS": ("sslmode", Misconfigured),
    }
    queries: ClassVar[Queries] = {"option": "colour=red", "TLS": "sslmode=require"}
    no_rights = "grant CREATE"

    def guest(self, server: PostgreSQL, uri: str, *, rights: bool) -> str:
        name = f"guest_{urlsplit(uri).path[-12:]}"
        server.sql(f"CREATE USER {name} PASSWORD 'guest' CONNECTION LIMIT 2", uri)
        if rights:
            server.sql(f"GRANT CREATE ON SCHEMA public TO {name}", uri)
        return urlsplit(uri)._replace(netloc=f"{name}:guest@127.0.0.1:{server.port}").geturl()

    @contextmanager
    def small(self) -> Iterator[tuple[str, Callable[[], object]]]:
        with PostgreSQL() as server:
            place = server.folder_for("small")
            mount = ["mount", "-t", "tmpfs", "tmpfs", str(place), "-o", "mode=777"]
            if subprocess.run([*mount, "-o", "size=40m"], check=False).returncode:
                raise Missing("a small disk, which only root may mount")
            try:
                data = server.folder_for("small/data")
                server.sql(f"CREATE TABLESPACE small LOCATION '{data}'")
                server.sql("CREATE DATABASE small TABLESPACE small")
                larger = partial(subprocess.run, [*mount, "-o", "remount,size=80m"], check=True)
                yield urlsplit(server.uri)._replace(path="/small").geturl(), larger
            finally:
                server.stop()
                subprocess.run(["umount", str(place)], check=True)


def test_tls_is_verified() -> None:
    with PostgreSQL(fsync=False, tls=True) as server:
        open_driver(server.uri, clock=time.time).close()
        plain = urlsplit(server.uri)._replace(query="sslmode=disable").geturl()
        with pytest.raises(Misconfigured, match="sslmode"):
            open_driver(plain, clock=time.time)
