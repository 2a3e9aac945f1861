"""Waking: hints that a queue has messages, for those who would otherwise ask again and again.

`Driver.watch` says what a hint means. What is here makes hints, and a driver may use it or not:
`LocalWaking` within one process, `SharedWaking` by way of a store that can tell its clients
something (a channel, a notification, a stream of changes).
"""

import logging
import threading
from collections.abc import Callable, Collection, Hashable
from contextlib import AbstractContextManager
from functools import lru_cache
from hashlib import blake2b

from .errors import MQError
from .values import QueueRef
from .watchers import Paced, Stop, Wake, Watchers

__all__ = ["Listen", "LocalWaking", "Receive", "Send", "SharedWaking", "Waking"]

log = logging.getLogger(__name__)

STEP = 0.25
"""Seconds that a listener waits at a time, and so the most that closing takes."""
RETRY = 1.0
"""Seconds until a lost listener connects again."""

Send = Callable[[Collection[str]], None]
"""Tells all processes of these keys, sixteen letters and digits each. Raises an MQError."""

Receive = Callable[[float], Collection[str]]
"""Returns keys that were told, as soon as there are some, after so many seconds at most. Raises
an MQError when the connection is lost."""

Listen = Callable[[], AbstractContextManager[Receive]]
"""Connects: what is told from now on can be received. Raises an MQError."""


class Waking:
    """What a driver gives hints with. This one gives none."""

    def watch(self, queue: QueueRef, wake: Wake) -> Stop:
        """As `Driver.watch`."""
        return lambda: None

    def tell(self, queue: QueueRef) -> None:
        """Give a hint. To be called when the messages can be claimed; never waits."""

    def close(self) -> None:
        """Wake nobody any more. Idempotent."""


class LocalWaking(Waking):
    """Hints between the handles of this process on one store, which all name it by `store`."""

    def __init__(self, store: Hashable) -> None:
        self._store = store
        self._watchers = Watchers()
        self._paced = Paced(self._watchers.wake)

    def watch(self, queue: QueueRef, wake: Wake) -> Stop:
        with _lock:
            stop = self._watchers.add(queue, wake)
            others = _listening.get(self._store, ())
            if self not in others:
                _listening[self._store] = (*others, self)
        return stop

    def tell(self, queue: QueueRef) -> None:
        for listening in _listening.get(self._store, ()):
            listening._paced.tell(queue)

    def close(self) -> None:
        with _lock:
            self._watchers.close()
            others = tuple(one for one in _listening.pop(self._store, ()) if one is not self)
            if others:
                _listening[self._store] = others
        self._paced.close()


_listening: dict[Hashable, tuple[LocalWaking, ...]] = {}
"""Those with watchers, by store."""
_lock = threading.Lock()


class SharedWaking(Waking):
    """Hints by way of the store, to all processes that are connected to it.

    Who posts sends the key of the queue, a hash of its name, so that neither its length nor its
    letters matter; two queues with one key are woken together. `send` is called from a thread of
    this handle, with what gathered within PACE. `listen` is called from another one when
    somebody watches, and again after its connection was lost. Whenever it has connected, all are
    woken, since nobody knows what was told meanwhile.
    """

    def __init__(self, send: Send, listen: Listen) -> None:
        self._send = send
        self._listen = listen
        self._watchers = Watchers()
        self._paced = Paced(self._tell_store)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, queue: QueueRef, wake: Wake) -> Stop:
        stop = self._watchers.add(_key(queue), wake)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
                self._thread.start()
        return stop

    def tell(self, queue: QueueRef) -> None:
        self._paced.tell(queue)

    def close(self) -> None:
        self._closing.set()
        self._watchers.close()
        self._paced.close()
        with self._lock:
            thread = self._thread
        if thread not in (None, threading.current_thread()):
            thread.join()

    def _tell_store(self, queues: set[QueueRef]) -> None:
        try:
            self._send([*map(_key, queues)])
        except MQError as error:
            log.debug("a hint was lost: %s", error)

    def _run(self) -> None:
        lost = False
        while not self._closing.is_set():
            try:
                with self._listen() as receive:
                    lost = False
                    self._watchers.wake_all()
                    while not self._closing.is_set():
                        self._watchers.wake(receive(STEP))
            except MQError as error:
                if not lost:
                    log.warning("no hints from the store until it is back: %s", error)
                lost = True
                self._closing.wait(RETRY)


@lru_cache(4096)
def _key(queue: QueueRef) -> str:
    named = repr((queue.project, queue.name)).encode()
    return blake2b(named, digest_size=8).hexdigest()
