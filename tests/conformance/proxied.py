"""A harness whose store is behind proxies, which break and lose what they are told to."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol
from urllib.parse import urlsplit

from mqcore.checked import CheckedDriver
from mqcore.conformance import DriverHarness
from mqcore.conformance.proxy import Proxy
from mqcore.contract import OpenDriver

__all__ = ["Meter", "ProxiedHarness", "database_harness"]


class Meter(Protocol):
    def work(self, call: Callable[[], object]) -> int:
        """Make the call; return how much the store did for it."""


class ProxiedHarness(DriverHarness):
    """Opens the URI, which leads to the proxies: one for each server of the store."""

    quiet = 0.0
    """Seconds until the hints of earlier calls are over: the reply to be lost is that of a call."""

    def __init__(
        self, open_driver: OpenDriver, uri: str, *proxies: Proxy, meter: Meter | None = None
    ) -> None:
        super().__init__(open_driver, uri)
        self.proxies = proxies
        self.meter = meter

    def work(self, call: Callable[[], object]) -> int | None:
        return self.meter.work(call) if self.meter else super().work(call)

    def lose_reply(self, skip: int = 0) -> Callable[[], bool]:
        time.sleep(self.quiet)
        for proxy in self.proxies:
            proxy.lose_reply(skip)
        return lambda: not all(proxy.pending for proxy in self.proxies)

    def break_backend(self) -> None:
        for proxy in self.proxies:
            proxy.cut()

    def repair_backend(self) -> None:
        for proxy in self.proxies:
            proxy.restore()


@contextmanager
def database_harness(
    open_driver: OpenDriver, uri: str, meter: Meter | None
) -> Iterator[ProxiedHarness]:
    """One behind core's gate, as in a server, on a database that nobody else has."""
    direct = urlsplit(uri)
    assert direct.port
    with Proxy("127.0.0.1", direct.port) as proxy:
        there = direct.netloc.replace(f":{direct.port}", f":{proxy.port}")
        query = f"{direct.query}&pool_size=8".lstrip("&")
        behind = direct._replace(netloc=there, query=query).geturl()
        harness = ProxiedHarness(open_driver, behind, proxy, meter=meter)
        harness.gate = CheckedDriver
        yield harness
