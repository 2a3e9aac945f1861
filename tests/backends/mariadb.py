"""MariaDB, with passwords and the character set that distributions give it."""

import secrets
import socket
from urllib.parse import unquote, urlsplit

from .base import HOST, Server


class MariaDB(Server):
    """Its URI is that of an empty database; with TLS, one that verifies the certificate."""

    kind = "MariaDB"
    program = "mariadbd"
    oldest = (10, 6)
    package = "MariaDB (10.6 or newer) with its client"

    def prepare(self) -> None:
        self.run(
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={self.folder}/data",
            "--auth-root-authentication-method=normal",
            *("--skip-test-db", "--skip-name-resolve"),
        )
        account = f"'{self.user}'@'%'"
        lines = [
            f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{self.password}';",
            f"GRANT ALL ON *.* TO {account} WITH GRANT OPTION;",
            "DROP USER IF EXISTS 'root'@'127.0.0.1';",
            f"CREATE DATABASE IF NOT EXISTS {self.user};",
        ]
        self.write("accounts.sql", "\n".join(lines).encode())

    def command(self) -> list[str]:
        settings = {
            "datadir": self.folder / "data",
            "socket": self.folder / "socket",
            "pid-file": self.folder / "pid",
            "init-file": self.folder / "accounts.sql",
            "bind-address": HOST,
            "port": self.port,
            "skip-name-resolve": "ON",
            "character-set-server": "utf8mb4",
            "collation-server": "utf8mb4_general_ci",
            "innodb-buffer-pool-size": "32M",
            "innodb-log-file-size": "32M",
        }
        if not self.fsync:
            settings["innodb-flush-log-at-trx-commit"] = 2
        if self.tls:
            settings |= {
                "ssl-cert": self.folder / "cert.pem",
                "ssl-key": self.folder / "key.pem",
                "require-secure-transport": "ON",
            }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [str(self.executable), "--no-defaults", *options]

    def ready(self) -> bool:
        """A server that can log somebody in greets with version 10 of its protocol."""
        try:
            with socket.create_connection((HOST, self.port), timeout=5) as connection:
                return connection.recv(5)[4:] == b"\n"
        except OSError:
            return False

    @property
    def uri(self) -> str:
        return self.given or self._database(self.user)

    def fresh_database(self) -> str:
        name = f"mqcore_{secrets.token_hex(6)}"
        self.sql(f"CREATE DATABASE {name}")
        return self._database(name)

    def sql(self, statement: str, uri: str = "") -> str:
        """What the client prints, without headings. Raises RuntimeError."""
        at = urlsplit(uri or self.uri)
        return self.run(
            "mariadb",
            *("--no-defaults", "--protocol=tcp", "--batch", "--skip-column-names"),
            f"--host={at.hostname}",
            f"--port={at.port or 3306}",
            f"--user={unquote(at.username or '')}",
            f"--database={at.path.strip('/')}",
            *([f"--ssl-ca={self.ca}", "--ssl-verify-server-cert"] if self.tls else []),
            f"--execute={statement}",
            MYSQL_PWD=unquote(at.password or ""),
        ).strip()

    def _database(self, name: str) -> str:
        if self.given:
            return urlsplit(self.given)._replace(path=f"/{name}").geturl()
        tls = f"?ssl_ca={self.ca}" if self.tls else ""
        return f"{self.address('mariadb', self.port)}/{name}{tls}"
