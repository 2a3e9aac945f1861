"""The Swift driver against bare requests of swiftclient of the same shape, and how it grows.

python bench/raw_swift.py URI [--rounds N] [--messages N]

The container must be empty; what was put there is deleted at the end. A post, a claim and a
delete are an object that is put and a listing after it, so that is what the bare client does,
with as many bytes. The sides take turns, and what is told are ratios of medians.
"""

import argparse
import resource
import time
from collections.abc import Callable
from functools import partial
from io import BytesIO
from itertools import count
from statistics import median

from mqcore_swift.address import read
from mqcore_swift.connect import Connections
from mqcore_swift.driver import SwiftDriver, open_driver

from mqcore.contract import Claim, ClaimRequest, Handle, NewMessage, QueueRef, new_id

BODY = b"x" * 1024
DAY = 86_400
SMALL = 200
BATCH = 500


class Bare:
    """Puts an object and lists what follows the one before, on one kept connection."""

    def __init__(self, uri: str) -> None:
        address = read(uri)
        self._client, self._container = Connections(address).new(), address.container
        self._numbers = count()

    def put_and_list(self, content: bytes) -> None:
        number = next(self._numbers)
        name = f"bare/{number:012x}.{'e' * 24}"
        content_of = BytesIO(content) if content else b""
        self._client.put_object(self._container, name, content_of, content_length=len(content))
        self._client.get_container(
            self._container, marker=f"bare/{number - 1:012x}/", prefix="bare/"
        )

    def close(self) -> None:
        _, rows = self._client.get_container(self._container, full_listing=True)
        for row in rows:
            self._client.delete_object(self._container, row["name"])
        self._client.close()


class Ours:
    def __init__(self, driver: SwiftDriver, project: str) -> None:
        self._driver, self._queue = driver, QueueRef(project, "queue")
        driver.queues.create(self._queue, {})
        self._claimed: Claim | None = None

    def post(self, n: int) -> None:
        self._driver.messages.post(self._queue, [NewMessage(new_id(), BODY, DAY) for _ in range(n)])

    def claim(self, n: int) -> None:
        (made,) = self._driver.claims.claim(self._queue, [ClaimRequest(new_id(), n, DAY, 60)])
        assert isinstance(made, Claim)
        self._claimed = made

    def delete(self, _: int) -> None:
        assert self._claimed
        found = self._claimed.messages
        handles = [Handle(message.id, (self._claimed.id,)) for message in found]
        self._driver.messages.delete(self._queue, handles)

    def calls(self, n: int) -> dict[str, Callable[[], None]]:
        """They leave as many messages as there were."""
        named = {"post": self.post, "claim": self.claim, "delete": self.delete}
        return {f"{name} of {n}": partial(call, n) for name, call in named.items()}


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(bare: Bare, ours: Ours, rounds: int) -> None:
    print("of the time of a put and a listing of the same size, on a bare client:")
    for n in (1, 10):
        took: dict[str, list[tuple[float, float]]] = {}
        for _ in range(rounds):
            for name, call in ours.calls(n).items():
                content = BODY * n if name.startswith("post") else b""
                ideal = seconds(partial(bare.put_and_list, content))
                took.setdefault(name, []).append((seconds(call), ideal))
        for name, pairs in took.items():
            mine, ideal = (median(column) for column in zip(*pairs, strict=True))
            print(f"  {name:14} {mine / ideal:5.2f}")


def grow(driver: SwiftDriver, state: str, most: int, rounds: int) -> None:
    """The same calls beside few messages and beside many, in turns."""
    sides = Ours(driver, f"few-{state}"), Ours(driver, f"many-{state}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for side, size in zip(sides, (SMALL, most), strict=True):
        for _ in range(max(1, size // BATCH)):
            side.post(min(size, BATCH))
            if state == "claimed":
                side.claim(min(size, BATCH))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    for side in sides:
        side.post(10)
    print(f"{most} {state} against {SMALL} ({grown / most:.1f} KiB of memory each):")
    took: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        small, large = (side.calls(10) for side in sides)
        for name, call in small.items():
            took.setdefault(name, []).append((seconds(call), seconds(large[name])))
    for name, pairs in took.items():
        few, many = (median(column) for column in zip(*pairs, strict=True))
        print(f"  {name:14} {many / few:5.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uri")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--messages", type=int, default=20_000)
    given = parser.parse_args()
    driver = open_driver(given.uri, clock=time.time)
    bare = Bare(given.uri)
    try:
        compare(bare, Ours(driver, "compared"), given.rounds)
        for state in ("waiting", "claimed"):
            grow(driver, state, given.messages, given.rounds)
    finally:
        driver.close()
        bare.close()


if __name__ == "__main__":
    main()
