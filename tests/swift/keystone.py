"""An identity service that speaks what clients of Keystone v3 ask for, in front of a real Swift.

Its tokens are those of Swift's tempauth, so that Swift takes them.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.backends import Swift

USER, PASSWORD, PROJECT = "keeper", "s3cr3t/@", "messaging"
CREDENTIAL, SECRET = "credential-1", "of the application"


class Keystone(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, swift: Swift) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.swift = swift
        self.port: int = self.server_address[1]
        self.issued = 0

    def endpoints(self) -> list[dict[str, str]]:
        """Swift is the public one of region one; elsewhere there is nothing."""
        there = f"http://127.0.0.1:{self.swift.port}/v1/AUTH_test"
        nowhere = "http://127.0.0.1:9/v1/AUTH_test"
        places = {("one", "public"): there, ("one", "internal"): nowhere, ("two", "admin"): nowhere}
        return [
            {"id": f"{region}-{interface}", "interface": interface, "region": region,
             "region_id": region, "url": url}
            for (region, interface), url in places.items()
        ]  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    server: Keystone

    def do_GET(self) -> None:
        url = f"http://127.0.0.1:{self.server.port}/v3/"
        version = {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": url}]}
        self.answer(200, {"version": version})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["auth"]
        if not self.path.endswith("/auth/tokens") or not _is_known(asked):
            self.answer(401, {"error": {"code": 401, "message": "no", "title": "Unauthorized"}})
            return
        self.server.issued += 1
        service = {"type": "object-store", "name": "swift", "id": "s"}
        token = {
            "methods": asked["identity"]["methods"],
            "expires_at": "2099-01-01T00:00:00.000000Z",
            "issued_at": "2020-01-01T00:00:00.000000Z",
            "user": {"id": "u", "name": USER, "domain": {"id": "default", "name": "Default"}},
            "project": {"id": "p", "name": PROJECT, "domain": {"id": "default", "name": "Default"}},
            "catalog": [{**service, "endpoints": self.server.endpoints()}],
        }
        self.answer(201, {"token": token}, {"X-Subject-Token": self.server.swift.token()})

    def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: its output is that of the tests."""


def _is_known(asked: Any) -> bool:
    identity = asked["identity"]
    if identity["methods"] == ["password"]:
        user = identity["password"]["user"]
        named = (user["name"], user["password"], user["domain"]["name"])
        scope = asked["scope"]["project"]
        place = (scope["name"], scope["domain"]["name"])
        return named == (USER, PASSWORD, "Default") and place == (PROJECT, "Default")
    given = identity["application_credential"]
    return (given["id"], given["secret"]) == (CREDENTIAL, SECRET)


@contextmanager
def running(swift: Swift) -> Iterator[Keystone]:
    with Keystone(swift) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
