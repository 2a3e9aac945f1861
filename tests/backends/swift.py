"""One OpenStack Swift, with one replica or three, from the package of that name."""

import http.client
import importlib.util
import secrets
import ssl
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from . import swift_server
from .base import HOST, Missing, Server
from .programs import search_path

ACCOUNT = "test"

SWIFT_CONF = """
[swift-hash]
swift_hash_path_suffix = tests
[storage-policy:0]
name = Policy-0
default = yes
"""

COMMON = """
[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
log_level = ERROR
log_custom_handlers = swift_server.to_stderr
fallocate_reserve = 0
disable_fallocate = true
"""

PROXY = (
    COMMON
    + """
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats {bulk} tempauth account-quotas container-quotas \
copy proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
conn_timeout = {connect_timeout}
node_timeout = 60
post_quorum_timeout = {update_timeout}
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:account-quotas]
use = egg:swift#account_quotas
[filter:container-quotas]
use = egg:swift#container_quotas
[filter:copy]
use = egg:swift#copy
[filter:tempauth]
use = egg:swift#tempauth
token_life = {token_life}
storage_url_scheme = default
user_{account}_{user} = {password} .admin
user_{account}_operator = {password} .admin .reseller_admin
user_{account}_stranger = {password}
"""
)

STORAGE = (
    COMMON
    + """
[pipeline:main]
pipeline = {role}-server
[app:{role}-server]
use = egg:swift#{role}
conn_timeout = {connect_timeout}
node_timeout = 60
container_update_timeout = {update_timeout}
"""
)


class Swift(Server):
    """Its URI names a container that is made when a driver opens it.

    Everything is in one process, with tempauth. `replicas` are folders, all of one machine.
    `bulk=False` has no bulk delete; `token_life` is in seconds, and so is `update_timeout`: after
    it, a name is left out of its listing. It is 1 unless it is set; tests share a machine.
    """

    kind = "Swift"
    program = "swift"
    oldest = (3, 11)  # of Python, which runs it
    package = "the package swift from PyPI, as the extra `test` does"
    password = "p@s/s:w+r&?"

    def __init__(
        self,
        given: str = "",
        *,
        fsync: bool = True,
        tls: bool = False,
        replicas: int = 1,
        bulk: bool = True,
        token_life: int = 86_400,
        update_timeout: float = 10,
    ) -> None:
        self.replicas, self.bulk, self.token_life = replicas, bulk, token_life
        self.update_timeout = update_timeout
        super().__init__(given, fsync=fsync, tls=tls)

    def find_server(self) -> Path:
        if not search_path() or importlib.util.find_spec("swift") is None:
            raise Missing(f"swift was not found, which Swift needs: install {self.package}")
        return Path(sys.executable)

    def prepare(self) -> None:
        values = {
            "folder": self.folder,
            "account": ACCOUNT,
            "user": self.user,
            "password": self.password,
            "token_life": self.token_life,
            "bulk": "bulk" if self.bulk else "",
            "update_timeout": self.update_timeout,
            "connect_timeout": self.update_timeout / 2,
        }
        self.write("swift_server.py", Path(swift_server.__file__).read_bytes())
        self.write("swift.conf", SWIFT_CONF.encode())
        self.write("proxy-server.conf", PROXY.format(**values).encode())
        for role in swift_server.STORAGE:
            self.write(f"{role}-server.conf", STORAGE.format(role=role, **values).encode())
        for number in range(self.replicas):
            device = self.folder / "devices" / f"d{number}"
            device.mkdir(parents=True)
            self._hand_over(device)

    def command(self) -> list[str]:
        tls = [f"{self.folder}/cert.pem", f"{self.folder}/key.pem"] if self.tls else []
        script = f"{self.folder}/swift_server.py"
        numbers = [str(self.port), str(self.replicas)]
        return [str(self.executable), "-W", "ignore", script, str(self.folder), *numbers, *tls]

    def runs_as(self) -> dict[str, Any]:
        """The account of the tests: no other may be able to read their Python."""
        return {}

    def ready(self) -> bool:
        try:
            return bool(self.token())
        except (OSError, http.client.HTTPException):
            return False

    def token(self, user: str = Server.user) -> str:
        """One for the user; empty when it is refused."""
        headers = {"X-Auth-User": f"{ACCOUNT}:{user}", "X-Auth-Key": self.password}
        _, answer = self.ask("GET", "/auth/v1.0", headers)
        return answer.get("x-auth-token", "")

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, dict[str, str]]:
        """Send one bare request; return the status and the headers, and the text as `body`."""
        connection = self._connection()
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
            found = {name.lower(): value for name, value in response.getheaders()}
            return response.status, {**found, "body": text}
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        at = urlsplit(self.uri)
        if not at.scheme.endswith("https"):
            return http.client.HTTPConnection(at.hostname or HOST, at.port, timeout=10)
        trusting = ssl.create_default_context(cafile=None if self.given else str(self.ca))
        return http.client.HTTPSConnection(
            at.hostname or HOST, at.port, timeout=10, context=trusting
        )

    def admin(
        self, method: str, path: str = "", *, body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str]]:
        """A request on the account, or on what lies below it, with the rights to do anything."""
        all_headers = {name.replace("_", "-"): value for name, value in headers.items()}
        all_headers["X-Auth-Token"] = self.token("operator")
        return self.ask(method, f"/v1/AUTH_{ACCOUNT}{path}", all_headers, body)

    def work(self) -> tuple[int, int]:
        """How many requests there have been, and bytes in their bodies and those of answers."""
        requests, size = self.ask("GET", "/work")[1]["body"].split()
        return int(requests), int(size)

    def container_databases(self) -> list[Path]:
        return sorted((self.folder / "devices").glob("*/containers/**/*.db"))

    @property
    def uri(self) -> str:
        return self.given or self._database("mqcore")

    def fresh_database(self) -> str:
        return self._database(f"mqcore-{secrets.token_hex(6)}")

    def _database(self, container: str) -> str:
        if self.given:
            return urlsplit(self.given)._replace(query=f"container={container}").geturl()
        scheme = "swift+https" if self.tls else "swift"
        user = quote(f"{ACCOUNT}:{self.user}", safe="")
        tls = f"&ca={self.ca}" if self.tls else ""
        place = self.address(scheme, self.port, user, self.password)
        return f"{place}/auth/v1.0?slow={self.update_timeout:g}{tls}&container={container}"
