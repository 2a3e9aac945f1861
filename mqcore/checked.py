"""The gate that core puts around every driver: what was not declared is refused, never ignored."""

import json
from collections.abc import Sequence
from typing import Any, cast

from .contract import (
    Capability,
    Driver,
    MessageController,
    Metadata,
    MQError,
    NewMessage,
    NotSupported,
    QueueController,
    QueueRef,
    QueueStats,
    Stop,
    TooLarge,
    Wake,
)

__all__ = ["CheckedDriver"]


class _Gate:
    """A controller that hands on every call that it does not define itself."""

    def __init__(self, inner: object, driver: Driver) -> None:
        self._inner: Any = inner
        self._capabilities = driver.capabilities
        self._limits = driver.limits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Queues(_Gate):
    def create(self, queue: QueueRef, metadata: Metadata) -> bool:
        self._check(metadata)
        return cast(bool, self._inner.create(queue, metadata))

    def set_metadata(
        self, queue: QueueRef, metadata: Metadata, *, if_version: str | None = None
    ) -> None:
        self._check(metadata)
        self._inner.set_metadata(queue, metadata, if_version=if_version)

    def _check(self, metadata: Metadata) -> None:
        most = self._limits.metadata
        if most is None:
            return
        text = json.dumps(dict(metadata), ensure_ascii=False, separators=(",", ":"))
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > most:
            raise TooLarge(f"the metadata has {size} bytes; this store takes at most {most}")


class _Messages(_Gate):
    def post(self, queue: QueueRef, messages: Sequence[NewMessage]) -> Sequence[str | MQError]:
        self._check(messages)
        return cast(Sequence[str | MQError], self._inner.post(queue, messages))

    def post_to_several(
        self, posts: Sequence[tuple[QueueRef, Sequence[NewMessage]]]
    ) -> Sequence[Sequence[str | MQError] | MQError]:
        refused: dict[int, MQError] = {}
        for position, (_, messages) in enumerate(posts):
            try:
                self._check(messages)
            except MQError as error:
                refused[position] = error
        good = [post for position, post in enumerate(posts) if position not in refused]
        results = iter(self._inner.post_to_several(good))
        return [refused.get(position) or next(results) for position in range(len(posts))]

    def _check(self, messages: Sequence[NewMessage]) -> None:
        most = self._limits.body
        for message in messages:
            if message.delay and Capability.DELAY not in self._capabilities:
                raise NotSupported("this store cannot delay messages; post without a delay")
            if most is not None and len(message.body) > most:
                size = len(message.body)
                raise TooLarge(f"a body has {size} bytes; this store takes at most {most}")


class CheckedDriver(Driver):
    """Wraps a driver and refuses what goes beyond its capabilities and limits.

    A refused call raises before the driver runs: `NotSupported` for a delay without DELAY,
    `TooLarge` for a body or metadata over the limit. Everything else goes through unchanged.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.capabilities = driver.capabilities
        self.limits = driver.limits
        self.queues = cast(QueueController, _Queues(driver.queues, driver))
        self.messages = cast(MessageController, _Messages(driver.messages, driver))
        self.claims = driver.claims
        self.subscriptions = driver.subscriptions

    @property
    def local(self) -> bool:  # type: ignore[override]
        """Whether the wrapped driver's store is in this process only."""
        return self._driver.local

    @property
    def blocking(self) -> bool:  # type: ignore[override]
        """Whether calls of the wrapped driver wait for a disk or another process."""
        return self._driver.blocking

    @property
    def cooperative(self) -> bool:  # type: ignore[override]
        """Whether calls of the wrapped driver give way while they wait."""
        return self._driver.cooperative

    @property
    def checks_versions(self) -> bool:  # type: ignore[override]
        """Whether posts and claims of the wrapped driver heed `QueueRef.if_version`."""
        return self._driver.checks_versions

    def ping(self) -> None:
        self._driver.ping()

    def volume(self) -> QueueStats:
        return self._driver.volume()

    def collect(self, limit: int = 1000) -> int:
        return self._driver.collect(limit)

    def watch(self, queue: QueueRef, wake: Wake) -> Stop:
        return self._driver.watch(queue, wake)

    def close(self) -> None:
        self._driver.close()
