"""The requests that the driver makes of Swift, all to one container."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from queue import Empty, LifoQueue
from typing import Any, TypeVar
from urllib.parse import quote

from mqcore.contract import Unavailable

from .address import Address
from .connect import Connections, disconnect
from .errors import is_answer, is_missing, is_passing, translate

__all__ = ["Requests"]

T = TypeVar("T")
R = TypeVar("R")

SHORT = 100
"""A listing of fewer names is complete: no cluster limits them to that."""
MOST_DELETED = 10_000
PAUSES = (0.05, 0.2)
"""Seconds before a request is made again, that failed in passing."""
AT_ONCE = 8
"""The most requests that one call makes at the same time."""


class Requests:
    """Every request may be made twice: names are put with one content only.

    Connections are kept open and lent to one request at a time.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self.place = f"container {address.container!r} at {address.place}"
        self.slow, self.timeout = address.slow, address.timeout
        self._connections = Connections(address)
        self._idle: LifoQueue[Any] = LifoQueue()
        self._turn = threading.BoundedSemaphore(address.pool_size)
        self._pool = ThreadPoolExecutor(min(AT_ONCE, address.pool_size), "mqcore-swift")
        self._bulk: int | None = None

    def open(self) -> None:
        """Make the container unless it is there. Raises Misconfigured or Unavailable."""
        container = self._address.container
        if self._call(lambda to: to.head_container(container), None, opening=True) is None:
            self._call(lambda to: to.put_container(container), opening=True)

    def ping(self) -> None:
        self._call(lambda to: to.head_container(self._address.container))

    def names(
        self, prefix: str, marker: str = "", *, reverse: bool = False, limit: int | None = None
    ) -> list[str]:
        """The names that begin so, after the marker; all of them, unless `limit` says fewer."""
        order = "reverse=true" if reverse else None
        return [row["name"] for row in self._rows(marker, limit, prefix=prefix, query_string=order)]

    def folders(self) -> list[str]:
        """What names begin with, up to the first slash."""
        return [row["subdir"].rstrip("/") for row in self._rows("", None, delimiter="/")]

    def _rows(self, marker: str, limit: int | None, **options: Any) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        while True:

            def ask(to: Any, marker: str = marker) -> Any:
                return to.get_container(self._address.container, marker, limit, **options)

            _, rows = self._call(ask)
            found += rows
            if limit is not None or len(rows) < SHORT:
                return found
            marker = rows[-1].get("name") or rows[-1]["subdir"]

    def put(self, name: str, content: bytes) -> bool:
        """Store an object. True when it was so quick that its name must be in the listing."""
        began = time.monotonic()
        container = self._address.container

        def ask(to: Any) -> None:
            # What cannot be read again is not sent again when a token has expired.
            to.put_object(container, name, BytesIO(content), content_length=len(content))

        self._call(ask)
        return time.monotonic() - began < self.slow

    def get(self, name: str, start: int = 0, size: int | None = None) -> bytes | None:
        """The object or a part of it; None when there is none."""
        part = {} if size is None else {"Range": f"bytes={start}-{start + size - 1}"}

        def ask(to: Any) -> Any:
            return to.get_object(self._address.container, name, headers=part)

        found = self._call(ask, None)
        return None if found is None else bytes(found[1])

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects; those that are gone do not matter."""
        container = self._address.container
        if len(names) > 2 and (most := self._bulk_most()):
            for start in range(0, len(names), most):
                self._delete_in_bulk(names[start : start + most])
        else:
            self.map(
                lambda name: self._call(lambda to: to.delete_object(container, name), None), names
            )

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """Several at the same time."""
        listed = list(items)
        if len(listed) < 2:
            return [function(item) for item in listed]
        return list(self._pool.map(function, listed))

    def close(self) -> None:
        """When no request is under way."""
        self._pool.shutdown()
        while True:
            try:
                disconnect(self._idle.get_nowait())
            except Empty:
                return

    def _bulk_most(self) -> int:
        if self._bulk is None:
            info = self._call(lambda to: to.get_capabilities(), {})
            self._bulk = int(info.get("bulk_delete", {}).get("max_deletes_per_request", 0))
        return min(self._bulk, MOST_DELETED)

    def _delete_in_bulk(self, names: Sequence[str]) -> None:
        paths = "\n".join(quote(f"/{self._address.container}/{name}") for name in names)
        headers = {"Content-Type": "text/plain", "Accept": "application/json"}

        def ask(to: Any) -> Any:
            return to.post_account(headers, query_string="bulk-delete", data=paths.encode())

        for pause in (*PAUSES, None):
            # It answers 200 before it begins, and says at the end what became of it.
            _, answer = self._call(ask)
            status = json.loads(answer)["Response Status"]
            if status.startswith(("200", "404")):
                return
            if pause is None or not status.startswith("5"):
                raise Unavailable(f"{self.place} did not delete: {status}")
            time.sleep(pause)

    def _call(
        self, request: Callable[[Any], Any], if_missing: Any = Ellipsis, *, opening: bool = False
    ) -> Any:
        """Make the request, and again when it failed in passing."""
        for pause in (*PAUSES, None):
            connection = self._borrow()
            try:
                answer = request(connection)
            except Exception as error:
                if is_answer(error):
                    self._idle.put(connection)
                else:
                    disconnect(connection)
                if is_missing(error) and if_missing is not Ellipsis:
                    return if_missing
                if pause is None or not is_passing(error):
                    place, container = self._address.place, self._address.container
                    raise translate(error, place, container, opening=opening) from error
            else:
                self._idle.put(connection)
                return answer
            finally:
                self._turn.release()
            time.sleep(pause)
        raise AssertionError("the last pause is None")

    def _borrow(self) -> Any:
        if not self._turn.acquire(timeout=self._address.timeout):
            raise Unavailable(
                f"all connections to {self.place} are in use; raise ?pool_size= in the storage URI"
            )
        try:
            return self._idle.get_nowait()
        except Empty:
            return self._connections.new()
