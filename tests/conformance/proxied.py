"""A harness whose store is behind proxies, which break and lose what they are told to."""

from collections.abc import Callable

from mqcore.conformance import DriverHarness
from mqcore.conformance.proxy import Proxy
from mqcore.contract import OpenDriver

from .meters import Meter

__all__ = ["ProxiedHarness"]


class ProxiedHarness(DriverHarness):
    """Opens the URI, which leads to the proxies: one for each server of the store."""

    def __init__(
        self, open_driver: OpenDriver, uri: str, *proxies: Proxy, meter: Meter | None = None
    ) -> None:
        super().__init__(open_driver, uri)
        self.proxies = proxies
        self.meter = meter

    def work(self, call: Callable[[], object]) -> int | None:
        return self.meter.work(call) if self.meter else super().work(call)

    def lose_reply(self, skip: int = 0) -> Callable[[], bool]:
        for proxy in self.proxies:
            proxy.lose_reply(skip)
        return lambda: not all(proxy.pending for proxy in self.proxies)

    def break_backend(self) -> None:
        for proxy in self.proxies:
            proxy.cut()

    def repair_backend(self) -> None:
        for proxy in self.proxies:
            proxy.restore()
