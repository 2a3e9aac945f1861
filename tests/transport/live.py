"""A live server in this process, and small helpers to talk to it."""

import socket
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
import uvloop

from mqcore.contract import Driver
from mqcore.memory import open_driver
from mqcore.service import Service, ServiceLimits
from mqcore.transport.app import build_app
from mqcore.transport.bridge import Bridge
from mqcore.transport.protocol import bounded_protocol
from mqcore.transport.settings import AppSettings

CLIENT_ID = "3381af92-2b9e-11e3-b191-71861300734c"
OTHER_CLIENT_ID = "11111111-2b9e-11e3-b191-71861300734c"
KEY = "sekrit"


class Clock:
    """A time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Server(uvicorn.Server):
    """uvicorn, which says when it accepts connections."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


class Live:
    """What a test knows of a running server."""

    def __init__(self, port: int, clock: Clock, driver: Driver) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.clock = clock
        self.driver = driver

    def connect(self) -> socket.socket:
        """A raw connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def api(self, project: str | None = None) -> "Api":
        """A client of a project, by default one that nobody else uses."""
        return Api(self, project or f"p-{uuid.uuid4().hex}")


@contextmanager
def serve(
    settings: AppSettings | None = None,
    limits: ServiceLimits | None = None,
    driver: Driver | None = None,
) -> Iterator[Live]:
    """Run a server on a free port until the end of the block."""
    clock = Clock()
    store = driver or open_driver("memory://", clock=clock)
    listener = socket.create_server(("127.0.0.1", 0))
    started: list[Server] = []
    ready = threading.Event()

    async def main() -> None:
        bridge = Bridge(2)
        service = Service(store, limits=limits, clock=clock)
        app = build_app(service, bridge, settings or AppSettings(signed_url_key=KEY))
        config = uvicorn.Config(
            app,
            http=bounded_protocol(max_head=65536, head_timeout=10),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        server = Server(config)
        server.ready = ready
        started.append(server)
        await server.serve([listener])
        await bridge.close()

    thread = threading.Thread(target=lambda: uvloop.run(main()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield Live(listener.getsockname()[1], clock, store)
    finally:
        started[0].should_exit = True
        thread.join(10)
        listener.close()
        store.close()


class Api:
    """Requests of one client of one project."""

    def __init__(self, live: Live, project: str, client_id: str = CLIENT_ID) -> None:
        self.live = live
        self.project = project
        self.headers = {"Client-ID": client_id, "X-Project-ID": project}
        self.http = httpx.Client(base_url=live.url, headers=self.headers, timeout=10, verify=False)

    def other_client(self) -> "Api":
        return Api(self.live, self.project, OTHER_CLIENT_ID)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        return self.http.put(path, **options)

    def send(self, path: str, **options: Any) -> httpx.Response:
        return self.http.post(path, **options)

    def patch(self, path: str, **options: Any) -> httpx.Response:
        return self.http.patch(path, **options)

    def delete(self, path: str) -> httpx.Response:
        return self.http.delete(path)

    def post(self, *bodies: Any, queue: str = "q", **members: Any) -> list[str]:
        """Post messages; their ids."""
        batch = [{"body": body, **members} for body in bodies]
        response = self.send(f"/v2/queues/{queue}/messages", json={"messages": batch})
        assert response.status_code == 201, response.text
        return [str(href).rsplit("/", 1)[1] for href in response.json()["resources"]]

    def claim(self, queue: str = "q", limit: int = 10, **lease: Any) -> tuple[str, list[Any]]:
        """Claim messages; the claim's path and the messages."""
        response = self.send(f"/v2/queues/{queue}/claims?limit={limit}", json=lease)
        assert response.status_code == 201, response.text
        return response.headers["Location"], response.json()["messages"]

    def ids(self, query: str = "echo=true&limit=20", queue: str = "q") -> list[str]:
        """The ids in a listing."""
        response = self.get(f"/v2/queues/{queue}/messages?{query}")
        assert response.status_code == 200, response.text
        return [message["id"] for message in response.json()["messages"]]


def refused(response: httpx.Response, status: int, title: str, *named: str) -> None:
    """Assert the form of an error, and that its description has the given words."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Vary"] == "Accept"
    assert response.headers["X-OpenStack-Request-Id"].startswith("req-")
    document = response.json()
    assert document["title"] == title, document
    assert set(document) <= {"title", "description"}
    for word in named:
        assert word in document["description"]


def pages(api: Api, path: str, key: str) -> list[Sequence[Any]]:
    """Follow the next links to the end; the pages, without the empty last one."""
    found: list[Sequence[Any]] = []
    while True:
        response = api.get(path)
        assert response.status_code == 200, response.text
        document = response.json()
        if not document[key]:
            assert document["links"] == []
            return found
        found.append(document[key])
        (link,) = document["links"]
        assert link["rel"] == "next"
        assert link["href"].startswith("/v2/queues")
        path = link["href"]
