"""One Redis server, with an append-only file or without."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from .base import HOST, Missing, Server, workspace


class Redis(Server):
    """Its URI is that of database 0.

    Every write is on disk before it is answered. `append_only=False` keeps nothing on disk;
    `password=True` asks for one, of the default user and of an ACL user called `mqcore`;
    `settings` are more lines for its configuration.
    """

    kind = "Redis"
    program = "redis-server"
    oldest = (6, 2)
    package = "Redis (6.2 or newer)"

    def __init__(
        self,
        given: str = "",
        *,
        fsync: bool = True,
        tls: bool = False,
        append_only: bool = True,
        password: bool = False,
        settings: tuple[str, ...] = (),
    ) -> None:
        self.append_only, self.settings = append_only, settings
        self.secret = self.password if password else ""
        self._used = {0}
        super().__init__(given, fsync=fsync, tls=tls)

    def find_server(self) -> Path:
        """Debian's `redis-tools` calls the same program redis-check-rdb, and has no service."""
        try:
            return super().find_server()
        except Missing:
            alias = workspace() / self.program
            if not alias.exists():
                alias.symlink_to(self.tool("redis-check-rdb"))
            return alias

    def prepare(self) -> None:
        lines = [
            f"bind {HOST}",
            f"dir {self.folder}",
            'save ""',
            f"appendonly {'yes' if self.append_only else 'no'}",
            f"appendfsync {'always' if self.fsync else 'no'}",
            *self.settings,
        ]
        if self.secret:
            lines += [f'requirepass "{self.secret}"']
            lines += [f'user {self.user} on ">{self.secret}" ~* &* +@all']
        if self.tls:
            lines += [
                f"tls-cert-file {self.folder}/cert.pem",
                f"tls-key-file {self.folder}/key.pem",
            ]
            lines += [f"tls-ca-cert-file {self.ca}", "tls-auth-clients no"]
        self.write("redis.conf", "\n".join(lines).encode())

    def command(self) -> list[str]:
        ports = ["--port", "0", "--tls-port"] if self.tls else ["--port"]
        return [str(self.executable), f"{self.folder}/redis.conf", *ports, str(self.port)]

    def ready(self) -> bool:
        try:
            return self.cli("ping") == "PONG"
        except RuntimeError:
            return False

    @property
    def uri(self) -> str:
        return self.given or self._database(0)

    def cli(self, *command: str, database: int = 0) -> str:
        """What redis-cli prints. Raises RuntimeError when the server cannot be reached."""
        at = urlsplit(self.uri)
        options = ["-h", at.hostname or HOST, "-p", str(at.port or 6379), "-n", str(database)]
        if at.username:
            options += ["--user", unquote(at.username)]
        if at.scheme == "rediss":
            options += ["--tls", *([] if self.given else ["--cacert", str(self.ca)])]
        secret = {"REDISCLI_AUTH": unquote(at.password)} if at.password else {}
        return self.run("redis-cli", *options, *command, **secret).strip()

    def fresh_database(self) -> str:
        """One of the numbered databases that is empty; there are 16. Raises Missing after these."""
        count = int(self.cli("config", "get", "databases").split()[-1])
        for number in range(1, count):
            if number not in self._used and self.cli("dbsize", database=number) == "0":
                self._used.add(number)
                return self._database(number)
        raise Missing(f"all {count} databases of this Redis are in use: flush one, or set more")

    def _database(self, number: int) -> str:
        if self.given:
            return urlsplit(self.given)._replace(path=f"/{number}").geturl()
        tls = f"?ssl_ca_certs={self.ca}" if self.tls else ""
        scheme = "rediss" if self.tls else "redis"
        user = self.user if self.secret else ""
        return f"{self.address(scheme, self.port, user, self.secret)}/{number}{tls}"
