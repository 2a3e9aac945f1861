"""Does the cost of a call grow with what is in the queue? Prints a table.

Fills one SQLite file per state and size, then times each operation on the small and the large
file in turns, in one run, so that the machine's mood hits both alike. Each timed call is undone
outside the clock, so that the queue stays as it was.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mqcore_sql.driver import SqlDriver, open_driver

from mqcore.contract import ClaimRequest, Handle, NewMessage, QueueRef, new_id

QUEUE = QueueRef("bench", "growth")
BODY = b'{"event": "%s"}' % (b"x" * 180)
DAY = 86_400
POSTED_AT_ONCE = 1000
CLAIMED_AT_ONCE = 400
AHEAD = 1000
"""Free messages behind those that are claimed, delayed or expired ahead."""

Timed = Callable[[], float]


class Clock:
    """The real time, moved on by what a state needs."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


def fresh(n: int, *, ttl: int = 14 * DAY, delay: int = 0) -> list[NewMessage]:
    return [NewMessage(new_id(), BODY, ttl, delay, client="producer") for _ in range(n)]


class Subject:
    """One queue in one state and size."""

    def __init__(self, folder: Path, state: str, size: int) -> None:
        self.clock = Clock()
        self.driver: SqlDriver = open_driver(
            f"sqlite:///{folder / f'{state}-{size}.db'}", clock=self.clock
        )
        self.driver.queues.create(QUEUE, {})
        self.label = f"{state} {size:,}"
        self._fill(state, size)

    def _fill(self, state: str, size: int) -> None:
        delay = 10 * DAY if state == "delayed" else 0
        ttl = DAY if state == "expired" else 14 * DAY
        held_for = DAY if state == "lapsed" else 10 * DAY
        self._post(size, ttl=ttl, delay=delay)
        if state in ("claimed", "lapsed"):
            done = 0
            while done < size:
                n = min(CLAIMED_AT_ONCE, size - done)
                self.driver.claims.claim(QUEUE, [ClaimRequest(new_id(), n, held_for, 60)])
                done += n
                self._progress("claimed", done, size)
        if state in ("expired", "lapsed"):
            self.clock.ahead = 2.0 * DAY
        if state != "waiting":
            self._post(AHEAD, ttl=14 * DAY, delay=0)

    def _post(self, size: int, *, ttl: int, delay: int) -> None:
        done = 0
        while done < size:
            n = min(POSTED_AT_ONCE, size - done)
            self.driver.messages.post(QUEUE, fresh(n, ttl=ttl, delay=delay))
            done += n
            self._progress("posted", done, size)

    def _progress(self, what: str, done: int, size: int) -> None:
        if size > AHEAD and (done % 20_000 < CLAIMED_AT_ONCE or done == size):
            end = "\n" if done == size else ""
            print(f"\r{self.label}: {what} {done:,}", end=end, file=sys.stderr, flush=True)

    def post_1(self) -> float:
        return self._timed_post(1)

    def post_10(self) -> float:
        return self._timed_post(10)

    def claim_10(self) -> float:
        request = ClaimRequest(new_id(), 10, 300, 60)
        with timer() as spent:
            (claim,) = self.driver.claims.claim(QUEUE, [request])
        assert claim is not None, "nothing to claim"
        self.driver.claims.release(QUEUE, request.id)
        return spent()

    def page_of_10(self) -> float:
        with timer() as spent:
            page = self.driver.messages.list(QUEUE, limit=10)
        assert len(page.items) == 10
        return spent()

    def page_hiding_own(self) -> float:
        with timer() as spent:
            self.driver.messages.list(QUEUE, limit=10, hide_client="producer")
        return spent()

    def page_of_all(self) -> float:
        with timer() as spent:
            self.driver.messages.list(QUEUE, limit=10, include_claimed=True, include_delayed=True)
        return spent()

    def stats(self) -> float:
        with timer() as spent:
            self.driver.queues.stats(QUEUE)
        return spent()

    def delete_1(self) -> float:
        new = fresh(1)
        self.driver.messages.post(QUEUE, new)
        with timer() as spent:
            self.driver.messages.delete(QUEUE, [Handle(new[0].id)])
        return spent()

    def get_10(self) -> float:
        ids = [one.id for one in self.driver.messages.list(QUEUE, limit=10).items]
        with timer() as spent:
            found = self.driver.messages.get_many(QUEUE, ids)
        assert len(found) == 10
        return spent()

    def renew(self) -> float:
        request = self._claim(10)
        with timer() as spent:
            self.driver.claims.renew(QUEUE, request.id, ttl=600, grace=60)
        self.driver.claims.release(QUEUE, request.id)
        return spent()

    def release(self) -> float:
        request = self._claim(10)
        with timer() as spent:
            self.driver.claims.release(QUEUE, request.id)
        return spent()

    def delete_10_claimed(self) -> float:
        """What is deleted is posted again at the end, so the size stays."""
        request = self._claim(10)
        claim = self.driver.claims.get(QUEUE, request.id)
        handles = [Handle(one.id, (request.id,)) for one in claim.messages]
        with timer() as spent:
            self.driver.messages.delete(QUEUE, handles)
        self.driver.claims.release(QUEUE, request.id)
        self.driver.messages.post(QUEUE, fresh(10))
        return spent()

    def _claim(self, n: int) -> ClaimRequest:
        request = ClaimRequest(new_id(), n, 300, 60)
        (claim,) = self.driver.claims.claim(QUEUE, [request])
        assert claim is not None, "nothing to claim"
        return request

    def delete_oldest(self) -> float:
        """The message that is deleted is posted again at the end, so the size stays."""
        (oldest,) = self.driver.messages.list(QUEUE, limit=1).items
        with timer() as spent:
            self.driver.messages.delete(QUEUE, [Handle(oldest.id)])
        self.driver.messages.post(QUEUE, fresh(1))
        return spent()

    def _timed_post(self, n: int) -> float:
        new = fresh(n)
        with timer() as spent:
            self.driver.messages.post(QUEUE, new)
        self.driver.messages.delete(QUEUE, [Handle(each.id) for each in new])
        return spent()


OPERATIONS = (
    "post_1",
    "post_10",
    "claim_10",
    "page_of_10",
    "page_hiding_own",
    "page_of_all",
    "stats",
    "delete_1",
    "delete_oldest",
    "delete_10_claimed",
    "get_10",
    "renew",
    "release",
)


@contextmanager
def timer() -> Iterator[Timed]:
    start = time.perf_counter()
    spent = 0.0
    yield lambda: spent
    spent = time.perf_counter() - start


def spread(times: list[float]) -> str:
    """The middle half, in milliseconds."""
    low, _, high = statistics.quantiles(times, n=4)
    return f"{low * 1000:.2f}-{high * 1000:.2f}"


def measure(small: Subject, large: Subject, rounds: int) -> float:
    """Print a line per operation; return the largest ratio."""
    print(f"\n{small.label} against {large.label}: milliseconds, median and middle half")
    print(f"{'':16} {'small':>8} {'':>13} {'large':>8} {'':>13} {'ratio':>6}")
    worst = 0.0
    for name in OPERATIONS:
        times: tuple[list[float], list[float]] = ([], [])
        for turn in range(rounds + 10):
            for subject, mine in zip((small, large), times, strict=True):
                spent = getattr(subject, name)()
                if turn >= 10:
                    mine.append(spent)
        medians = [statistics.median(mine) for mine in times]
        ratio = medians[1] / medians[0]
        worst = max(worst, ratio)
        print(
            f"{name:16} {medians[0] * 1000:8.3f} {spread(times[0]):>13}"
            f" {medians[1] * 1000:8.3f} {spread(times[1]):>13} {ratio:6.2f}",
            flush=True,
        )
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uri-dir", type=Path, help="folder for the files; default: temporary")
    parser.add_argument("--size", type=int, default=1_000_000, help="messages in the large queue")
    parser.add_argument("--rounds", type=int, default=300, help="timed calls per operation")
    parser.add_argument(
        "--states",
        nargs="+",
        default=["waiting", "claimed"],
        choices=["waiting", "claimed", "delayed", "expired", "lapsed"],
    )
    options = parser.parse_args()
    worst = 0.0
    with tempfile.TemporaryDirectory(prefix="mqcore-growth-", dir=options.uri_dir) as folder:
        for state in options.states:
            small = Subject(Path(folder), state, 1000)
            large = Subject(Path(folder), state, options.size)
            worst = max(worst, measure(small, large, options.rounds))
            small.driver.close()
            large.driver.close()
    print(f"\nlargest ratio: {worst:.2f}")


if __name__ == "__main__":
    main()
