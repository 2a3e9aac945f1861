"""One handle's way to one store: running scripts on it."""

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from redis.cluster import RedisCluster

from mqcore.contract import Clock, Closed, QueueRef, Unavailable

from . import server
from .address import Address
from .connect import Client, connect, disconnect
from .errors import is_lost, is_script_missing, translated
from .keys import Keys
from .scripts import Script

__all__ = ["Moment", "Store"]

T = TypeVar("T")
Argument = str | bytes | int


class Moment:
    """The time of a call. Ends are whole seconds, so comparing them with `second` is exact."""

    __slots__ = ("now", "second")

    def __init__(self, now: float) -> None:
        self.now = now
        self.second = math.floor(now)

    def end(self, seconds: int) -> int:
        """The end of something that begins now, rounded up."""
        return math.ceil(self.now + seconds)

    def __str__(self) -> str:
        return repr(float(self.now))


class Store:
    """A client, and what every call does with it."""

    def __init__(self, address: Address, clock: Clock) -> None:
        self._address = address
        self._clock = clock
        self._closed = False
        self._calls = 0
        self._idle = threading.Condition()
        with translated(address.place, opening=True):
            self._client: Client = connect(address)
            try:
                self.durable = server.inspect(self._client, address)
                self.keys = Keys(address.prefix, server.layout(self._client, address))
            except BaseException:
                disconnect(self._client, address)
                raise

    def moment(self) -> Moment:
        return Moment(self._clock())

    def on_queue(
        self,
        script: Script,
        queue: QueueRef,
        *args: Argument,
        more_keys: Sequence[str] = (),
        at: Moment | None = None,
        repeat: bool = True,
    ) -> Any:
        """Run a script that begins with `queue.lua`."""
        keys = self.keys.of(queue)
        second = (at or self.moment()).second
        return self.run(
            script,
            (keys.agenda, *keys.queue, *more_keys),
            (keys.stem, second, *args),
            repeat=repeat,
        )

    def on_subscriptions(
        self, script: Script, queue: QueueRef, *args: Argument, at: Moment | None = None
    ) -> Any:
        """Run a script that begins with `subscriptions.lua`."""
        keys = self.keys.of(queue)
        second = (at or self.moment()).second
        return self.run(script, (keys.agenda, *keys.subscriptions), (keys.stem, second, *args))

    def run(
        self,
        script: Script,
        keys: Sequence[str],
        args: Sequence[Argument],
        *,
        repeat: bool = True,
    ) -> Any:
        """Run the script, once more when the connection breaks and `repeat` allows it."""
        rest = (len(keys), *keys, *args)
        with self._calling():
            try:
                return self._send(script, rest)
            except Exception as error:
                if not (repeat and is_lost(error)):
                    raise
            return self._send(script, rest)

    def command(self, *words: Argument) -> Any:
        """Run a plain command that reads."""
        with self._calling():
            return self._client.execute_command(*words)

    def ping(self) -> None:
        with self._calling():
            if isinstance(self._client, RedisCluster):
                self._client.ping(target_nodes=RedisCluster.PRIMARIES)
            else:
                self._client.ping()

    def close(self) -> None:
        with self._idle:
            self._closed = True
            self._idle.wait_for(lambda: self._calls == 0)
            client, self._client = self._client, None
        if client is not None:
            disconnect(client, self._address)

    def _send(self, script: Script, rest: tuple[Argument, ...]) -> Any:
        try:
            return self._acknowledged("EVALSHA", script.sha, *rest)
        except Exception as error:
            if not is_script_missing(error):
                raise
        return self._acknowledged("EVAL", script.text, *rest)

    def _acknowledged(self, *words: Argument) -> Any:
        """Run the command; with `wait_replicas`, return when so many replicas have it, too."""
        wanted = self._address.wait_replicas
        if not wanted:
            return self._client.execute_command(*words)
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.execute_command(*words)
            pipeline.execute_command("WAIT", wanted, math.ceil(self._address.wait_timeout * 1000))
            result, copies = pipeline.execute()
        if copies < wanted:
            raise Unavailable(
                f"{copies} of {wanted} replicas of {self._address.place} have acknowledged;"
                " start replicas, or lower ?wait_replicas="
            ) from TimeoutError("WAIT ended early")
        return result

    @contextmanager
    def _calling(self) -> Iterator[None]:
        with self._idle:
            if self._closed:
                raise Closed("this driver is closed; open another one")
            self._calls += 1
        try:
            with translated(self._address.place):
                yield
        finally:
            with self._idle:
                self._calls -= 1
                if self._closed:
                    self._idle.notify_all()
