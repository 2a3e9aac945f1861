"""Claims and deletes on PostgreSQL, alone and while another client holds a snapshot open.

python bench/held_snapshot.py postgresql://USER@HOST/DATABASE [--messages N] [--posting]

Makes two databases beside the named one, and drops them at the end. In each, N messages are posted,
and workers claim and delete them by ten; with `--posting`, each worker posts ten of its own before
each claim instead. While a snapshot is held, PostgreSQL can remove nothing that was deleted since:
whoever looks through what is dead gets slower and slower. Prints messages per second of each tenth
of the way, and the sizes of the tables before and after a vacuum.
"""

import argparse
import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.queues import Queue
from urllib.parse import urlsplit

import psycopg
from mqcore_sql.postgresql import open_driver

from mqcore.contract import Claim, ClaimRequest, Driver, Handle, NewMessage, QueueRef, new_id

QUEUE = QueueRef("mqcore-bench", "snapshot")
BODY = b"x" * 1024
TTL = 36_000
LEASE = 20
AT_ONCE = 10
TENTHS = 10
SIZES = """
SELECT relname, pg_total_relation_size(oid) / 1048576 FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 2 DESC, 1 LIMIT 5
"""


def post(driver: Driver, n: int) -> None:
    driver.messages.post(QUEUE, [NewMessage(new_id(), BODY, TTL) for _ in range(n)])


def work(uri: str, messages: int, posting: bool, done: "Queue[int]") -> None:
    """Claim and delete so many messages; tell of each step."""
    driver = open_driver(uri, clock=time.time)
    while messages > 0:
        if posting:
            post(driver, AT_ONCE)
        (claim,) = driver.claims.claim(QUEUE, [ClaimRequest(new_id(), AT_ONCE, LEASE, 0)])
        if isinstance(claim, Claim):
            handles = [Handle(message.id, (claim.id,)) for message in claim.messages]
            driver.messages.delete(QUEUE, handles)
            messages -= len(handles)
            done.put(len(handles))
        elif not posting:
            break
    done.put(0)
    driver.close()


@contextmanager
def snapshot(uri: str) -> Iterator[None]:
    """Hold a snapshot open, as a backup or a forgotten transaction does."""
    with psycopg.connect(uri) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT 1 FROM queues")
        yield


def rates(uri: str, messages: int, workers: int, posting: bool) -> list[float]:
    """Messages per second in each tenth of the way."""
    made = multiprocessing.get_context("spawn")
    done: Queue[int] = made.Queue()
    crew = [
        made.Process(target=work, args=(uri, messages // workers, posting, done))
        for _ in range(workers)
    ]
    for process in crew:
        process.start()
    each: list[float] = []
    seen, running, start = 0, workers, 0.0
    while running:
        n = done.get()
        start = start or time.perf_counter()
        seen += n
        running -= not n
        if seen * TENTHS >= messages * (len(each) + 1) or not running:
            each.append(time.perf_counter() - start)
    for process in crew:
        process.join()
    begins = [0.0, *each]
    return [messages / TENTHS / (b - a) for a, b in zip(begins, each, strict=False)][:TENTHS]


def sizes(uri: str, *, vacuum: bool = False) -> str:
    with psycopg.connect(uri, autocommit=True) as connection:
        if vacuum:
            connection.execute("VACUUM")
        return ", ".join(f"{name} {size}" for name, size in connection.execute(SIZES))


def measure(uri: str, arguments: argparse.Namespace, *, held: bool) -> list[float]:
    driver = open_driver(uri, clock=time.time)
    driver.queues.create(QUEUE, {})
    if not arguments.posting:
        for _ in range(arguments.messages // 500):
            post(driver, 500)
    driver.close()
    run: Callable[[], list[float]] = lambda: rates(  # noqa: E731
        uri, arguments.messages, arguments.workers, arguments.posting
    )
    print(f"{'held' if held else 'free'}: MiB before: {sizes(uri)}", flush=True)
    if held:
        with snapshot(uri):
            found = run()
    else:
        found = run()
    print("  messages/s by tenths:", *map(round, found))
    print(f"  MiB after: {sizes(uri)}")
    print(f"  after a vacuum: {sizes(uri, vacuum=True)}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("uri")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--posting", action="store_true")
    arguments = parser.parse_args()
    whole = {}
    with psycopg.connect(arguments.uri, autocommit=True) as connection:
        for held in (False, True):
            name = f"mqcore_bench_{'held' if held else 'free'}"
            uri = urlsplit(arguments.uri)._replace(path=f"/{name}").geturl()
            connection.execute(f"DROP DATABASE IF EXISTS {name}")
            connection.execute(f"CREATE DATABASE {name}")
            try:
                found = measure(uri, arguments, held=held)
            finally:
                connection.execute(f"DROP DATABASE {name}")
            whole[held] = len(found) / sum(1 / rate for rate in found)
    print(f"held / free: {whole[True] / whole[False]:.2f}")


if __name__ == "__main__":
    main()
