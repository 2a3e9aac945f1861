"""A client that leaves before its claim is answered gets the claim released."""

import threading
from collections.abc import Sequence

from mqcore.contract import Claim, ClaimRequest, MQError, QueueRef
from mqcore.memory import MemoryDriver, open_driver

from .live import CLIENT_ID, Clock, serve


def hold_claims(driver: MemoryDriver) -> tuple[threading.Event, threading.Event, threading.Event]:
    """Make claims wait; events: one is being made, it may go on, one was released."""
    asked, go, released = threading.Event(), threading.Event(), threading.Event()
    claim, release = driver.claims.claim, driver.claims.release

    def slow_claim(
        queue: QueueRef, requests: Sequence[ClaimRequest]
    ) -> Sequence[Claim | MQError | None]:
        asked.set()
        assert go.wait(10)
        return claim(queue, requests)

    def seen_release(queue: QueueRef, claim_id: str) -> None:
        release(queue, claim_id)
        released.set()

    driver.claims.claim = slow_claim  # type: ignore[method-assign]
    driver.claims.release = seen_release  # type: ignore[method-assign]
    return asked, go, released


def test_the_claim_of_a_client_that_left_is_released() -> None:
    driver = open_driver("memory://", clock=Clock())
    asked, go, released = hold_claims(driver)
    with serve(driver=driver) as live:
        api = live.api()
        ids = api.post(1, 2)
        with live.connect() as connection:
            connection.sendall(
                b"POST /v2/queues/q/claims HTTP/1.1\r\nHost: x\r\n"
                b"Client-ID: %s\r\nX-Project-ID: %s\r\nContent-Length: 2\r\n\r\n{}"
                % (CLIENT_ID.encode(), api.project.encode())
            )
            assert asked.wait(10)
        assert api.get("/v2/ping").status_code == 204
        go.set()
        assert released.wait(10)
        assert api.ids() == ids


def test_the_claim_of_a_client_that_waits_is_kept() -> None:
    driver = open_driver("memory://", clock=Clock())
    _, go, released = hold_claims(driver)
    go.set()
    with serve(driver=driver) as live:
        api = live.api()
        api.post(1)
        for body in (b"", b'{"ttl": 60}'):
            response = api.send("/v2/queues/q/claims", content=body)
            assert response.status_code == 201
            assert not released.is_set()
            api.delete(response.headers["Location"])
            released.clear()
