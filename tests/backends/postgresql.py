"""PostgreSQL, with passwords (scram) and the rules of a human language for sorting."""

import secrets
import signal
import subprocess
from urllib.parse import urlsplit

from .base import HOST, Server
from .programs import account


class PostgreSQL(Server):
    """Its URI is that of an empty database; with TLS, one that verifies the certificate."""

    kind = "PostgreSQL"
    program = "postgres"
    oldest = (15, 0)
    package = "PostgreSQL (15 or newer)"
    ends_at = signal.SIGINT

    def prepare(self) -> None:
        self.run(
            "initdb",
            f"--pgdata={self.folder}/data",
            f"--username={self.user}",
            f"--pwfile={self.write('password', self.password.encode())}",
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
            *("--locale-provider=icu", "--icu-locale=en-US"),
            *("--no-sync", "--no-instructions"),
        )
        if self.tls:
            hosts = f"hostssl all all {HOST}/32 scram-sha-256\n"
            self.write("data/pg_hba.conf", hosts.encode())

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": HOST,
            "port": self.port,
            "unix_socket_directories": "",
            "shared_buffers": "32MB",
        }
        if not self.fsync:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        if self.tls:
            settings |= {
                "ssl": "on",
                "ssl_cert_file": self.folder / "cert.pem",
                "ssl_key_file": self.folder / "key.pem",
            }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [str(self.executable), "-D", f"{self.folder}/data", *options]

    def ready(self) -> bool:
        asked = subprocess.run(
            [self.tool("pg_isready"), "--quiet", f"--host={HOST}", f"--port={self.port}"],
            check=False,
            **account(),
        )
        return asked.returncode == 0

    @property
    def uri(self) -> str:
        return self.given or self._database("postgres")

    def fresh_database(self) -> str:
        name = f"mqcore_{secrets.token_hex(6)}"
        self.sql(f"CREATE DATABASE {name}")
        return self._database(name)

    def sql(self, statement: str, uri: str = "") -> str:
        """What psql prints, without headings. Raises RuntimeError."""
        options = ("--no-psqlrc", "--quiet", "--tuples-only", "--no-align")
        at = f"--dbname={uri or self.uri}"
        return self.run("psql", *options, f"--command={statement}", at).strip()

    def _database(self, name: str) -> str:
        if self.given:
            return urlsplit(self.given)._replace(path=f"/{name}").geturl()
        tls = f"?sslmode=verify-full&sslrootcert={self.ca}" if self.tls else ""
        return f"{self.address('postgresql', self.port)}/{name}{tls}"
