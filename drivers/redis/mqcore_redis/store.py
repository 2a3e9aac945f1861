"""One handle's way to one store: running scripts on it."""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from redis.cluster import RedisCluster

from mqcore import contract
from mqcore.contract import Calls, Clock, MQError, QueueRef, SharedWaking, Unavailable

from . import server
from .address import Address
from .connect import Client, connect, disconnect, is_cooperative, server_of
from .errors import is_lost, is_script_missing, translate, translated
from .keys import Keys
from .pubsub import channel, listen
from .scripts import Script

__all__ = ["Moment", "Store"]

T = TypeVar("T")
Argument = str | bytes | int
Words = tuple[Argument, ...]
FIRST_KEY = 3
"""Its place in EVALSHA."""


class Moment(contract.Moment):
    """The time of a call, which scripts take as text."""

    __slots__ = ()

    def __str__(self) -> str:
        return repr(float(self.now))


class Store:
    """A client, and what every call does with it."""

    def __init__(self, address: Address, clock: Clock) -> None:
        self._address = address
        self._clock = clock
        self._calls = Calls()
        self.waking = SharedWaking(self._publish, partial(listen, address))
        with translated(address.place, opening=True):
            self._client: Client = connect(address)
            try:
                self.durable = server.inspect(self._client, address)
                self.keys = Keys(address.prefix, server.layout(self._client, address))
            except BaseException:
                disconnect(self._client, address)
                raise

    @property
    def is_one_server(self) -> bool:
        """Whether every call goes to the same server."""
        return self._address.kind != "cluster"

    @property
    def cooperative(self) -> bool:
        """Whether calls give way while they wait."""
        return is_cooperative(self._client)

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
        """Run a script that begins with `queue.lua`.

        `repeat`: once more when the connection breaks.
        """
        words = self._words(queue, at or self.moment(), args, more_keys)
        return self._run(script, words, repeat=repeat)

    def on_subscriptions(
        self, script: Script, queue: QueueRef, *args: Argument, at: Moment | None = None
    ) -> Any:
        """Run a script that begins with `subscriptions.lua`."""
        keys = self.keys.of(queue)
        second = (at or self.moment()).second
        return self.run(script, (keys.agenda, *keys.subscriptions), (keys.stem, second, *args))

    def run(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """Run the script, once more when the connection breaks."""
        return self._run(script, (len(keys), *keys, *args))

    def _run(self, script: Script, words: Words, *, repeat: bool = True) -> Any:
        send = partial(self._send, script, words)
        with self._calling():
            return _persist(send) if repeat else send()

    def on_queues(
        self,
        script: Script,
        calls: Sequence[tuple[QueueRef, Sequence[Argument]]],
        *,
        at: Moment,
        in_order: bool = True,
    ) -> list[Any]:
        """Run a script that begins with `queue.lua` on several queues, in few round trips.

        Returns what each returns or raises. It runs again when the connection breaks. `in_order`:
        of calls on one queue, none overtakes another.
        """
        results: list[Any] = []
        for some in _without_repeats(calls) if in_order else [calls]:
            words = [self._words(queue, at, args) for queue, args in some]
            try:
                with self._calling():
                    answers = _persist(partial(self._send_all, script, words))
            except MQError as error:
                results += [error] * len(some)
            else:
                results += map(self._translated, answers)
        return results

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
        self.waking.close()
        if self._calls.close():
            disconnect(self._client, self._address)

    def _publish(self, keys: Collection[str]) -> None:
        """Tell all listeners. A Cluster hands it on to all its nodes."""
        with self._calling():
            self._client.publish(channel(self._address), " ".join(keys))

    def _words(
        self,
        queue: QueueRef,
        at: Moment,
        args: Sequence[Argument],
        more_keys: Sequence[str] = (),
    ) -> Words:
        """What follows the name of a script that begins with `queue.lua`."""
        names = self.keys.of(queue)
        keys = (names.agenda, *names.queue, *more_keys)
        return (len(keys), *keys, names.stem, at.second, *args)

    def _translated(self, answer: Any) -> Any:
        return translate(answer, self._address.place) if isinstance(answer, Exception) else answer

    def _send(self, script: Script, rest: Words) -> Any:
        try:
            return self._acknowledged("EVALSHA", script.sha, *rest)
        except Exception as error:
            if not is_script_missing(error):
                raise
        return self._acknowledged("EVAL", script.text, *rest)

    def _acknowledged(self, *words: Argument) -> Any:
        """Run the command; with `wait_replicas`, return when so many replicas have it, too."""
        if not self._address.wait_replicas:
            return self._client.execute_command(*words)
        with server_of(self._client, str(words[FIRST_KEY])) as server:
            (result,) = self._pipelined([words], server)
            if isinstance(result, Exception):
                raise result
        return result

    def _send_all(self, script: Script, calls: Sequence[Words]) -> list[Any]:
        """Run the script with each of these in one round trip; two when the server lacks it."""
        server = self._client
        results = self._pipelined([("EVALSHA", script.sha, *rest) for rest in calls], server)
        missing = [place for place, result in enumerate(results) if is_script_missing(result)]
        if missing:
            server.script_load(script.text)
            again = self._pipelined([("EVALSHA", script.sha, *calls[n]) for n in missing], server)
            for place, result in zip(missing, again, strict=True):
                results[place] = result
        return results

    def _pipelined(self, commands: Sequence[Words], server: Client) -> list[Any]:
        """Run the commands in one round trip; return what each returns or raises.

        With `wait_replicas`, return when so many replicas have what they did.
        """
        results: list[Any]
        wanted = self._address.wait_replicas
        with server.pipeline(transaction=False) as pipeline:
            for words in commands:
                pipeline.execute_command(*words)
            if not wanted:
                results = pipeline.execute(raise_on_error=False)
                return results
            pipeline.execute_command("WAIT", wanted, math.ceil(self._address.wait_timeout * 1000))
            *results, copies = pipeline.execute(raise_on_error=False)
        if all(isinstance(result, Exception) for result in results):
            return results
        if isinstance(copies, Exception):
            raise copies
        if copies < wanted:
            raise Unavailable(
                f"{copies} of {wanted} replicas of {self._address.place} have acknowledged;"
                " start replicas, or lower ?wait_replicas="
            ) from TimeoutError("WAIT ended early")
        return results

    @contextmanager
    def _calling(self) -> Iterator[None]:
        with self._calls.one(), translated(self._address.place):
            yield


def _persist(send: Callable[[], T]) -> T:
    """Send it, once more when the connection breaks."""
    try:
        return send()
    except Exception as error:
        if not is_lost(error):
            raise
    return send()


def _without_repeats(
    calls: Sequence[tuple[QueueRef, Sequence[Argument]]],
) -> Iterator[Sequence[tuple[QueueRef, Sequence[Argument]]]]:
    """The calls in order, in parts that name each queue once, so that one cannot overtake another.

    In a round trip, the first calls may find that the server lacks the script and the others not.
    """
    start, named = 0, set[QueueRef]()
    for place, (queue, _) in enumerate(calls):
        if queue in named:
            yield calls[start:place]
            start, named = place, set()
        named.add(queue)
    if calls:
        yield calls[start:]
