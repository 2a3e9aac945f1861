"""The SQL driver against plain statements on the same PostgreSQL or MariaDB, in one run.

python bench/raw_sql.py URI [--clients 1,4,16] [options of `mqcore bench`]

URI names an empty database. The raw side has tables and indexes of the same shape there, the same
client library and the same settings, and runs only the statements that no driver can avoid: one
that takes numbers under a lock, so that messages appear in their order, and those for the rows.
Each of the clients is a thread, with a connection of its own on the raw side.
"""

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from itertools import count
from threading import Barrier, Thread
from typing import Any

from mqcore_sql.client import Client
from mqcore_sql.mysql import MysqlClient
from mqcore_sql.postgresql import PostgresqlClient

from mqcore.bench.operations import fresh
from mqcore.bench.plan import Plan, add_options, plan_of
from mqcore.bench.progress import Progress
from mqcore.bench.results import Row, medians, write_rows
from mqcore.bench.table import section_as_text
from mqcore.contract import Claim, ClaimRequest, Driver, Handle, QueueRef, StoreUri, new_id
from mqcore.loader import open_store

ABOUT = "the driver against plain statements on the same server"
QUEUE = QueueRef("mqcore-bench", "raw")

SCHEMA = """
CREATE TABLE raw_numbers (queue_id BIGINT PRIMARY KEY, next_seq BIGINT NOT NULL);
CREATE TABLE raw_messages (
    queue_id BIGINT NOT NULL, seq BIGINT NOT NULL, id VARCHAR(255) NOT NULL,
    posted_at DOUBLE PRECISION NOT NULL, client TEXT, ttl BIGINT NOT NULL,
    expires_at BIGINT NOT NULL, state SMALLINT NOT NULL, visible_at BIGINT NOT NULL,
    claim_id VARCHAR(255), claim_count BIGINT NOT NULL,
    PRIMARY KEY (queue_id, seq), UNIQUE (queue_id, id)
);
CREATE INDEX raw_by_state ON raw_messages (queue_id, state, seq);
CREATE INDEX raw_due ON raw_messages (queue_id, visible_at, seq) {due};
CREATE TABLE raw_bodies (
    queue_id BIGINT NOT NULL, seq BIGINT NOT NULL, body {bytes} NOT NULL, checksum TEXT,
    PRIMARY KEY (queue_id, seq)
);
INSERT INTO raw_numbers VALUES (1, 1)
"""
WORDS = {
    "postgresql": {"due": "WHERE visible_at > 0", "bytes": "BYTEA"},
    "mysql": {"due": "", "bytes": "LONGBLOB"},
}
TABLES = ("raw_numbers", "raw_messages", "raw_bodies")
TAKE = "UPDATE raw_numbers SET next_seq = next_seq + %s WHERE queue_id = 1"
TAKEN = "SELECT next_seq FROM raw_numbers WHERE queue_id = 1"
INSERT = "INSERT INTO raw_messages VALUES (1, %s, %s, %s, %s, %s, %s, 0, 0, NULL, 0)"
INSERT_BODY = "INSERT INTO raw_bodies VALUES (1, %s, %s, NULL)"
FIND = (
    "SELECT seq, id, ttl, posted_at, claim_count FROM raw_messages {hint}"
    " WHERE queue_id = 1 AND state = 0 ORDER BY seq LIMIT %s FOR UPDATE SKIP LOCKED"
)
READ = "SELECT seq, body FROM raw_bodies WHERE queue_id = 1 AND seq IN ({seqs})"
MARK = (
    "UPDATE raw_messages SET state = 2, visible_at = %s, claim_id = %s,"
    " claim_count = claim_count + 1 WHERE queue_id = 1 AND seq IN ({seqs})"
)
DELETE = "DELETE FROM raw_messages WHERE queue_id = 1 AND seq IN ({seqs})"
DELETE_BODY = "DELETE FROM raw_bodies WHERE queue_id = 1 AND seq IN ({seqs})"


class Raw:
    """Plain statements on one connection."""

    def __init__(self, client: Client) -> None:
        self._connection = client.connect()
        self._cursor = client.cursor(self._connection)
        self._run, self._begin = self._cursor.execute, client.write
        self._numbered = client.dialect.name == "postgresql"
        self._hint = "" if self._numbered else "FORCE INDEX (raw_by_state)"

    def close(self) -> None:
        self._connection.close()

    def post(self, n: int) -> None:
        now = time.time()
        new = fresh(n)
        self._run(self._begin)
        if self._numbered:
            self._run(f"{TAKE} RETURNING next_seq", (n,))
        else:
            self._run(TAKE, (n,))
            self._run(TAKEN)
        first = self._cursor.fetchone()[0] - n
        rows = [
            (seq, each.id, now, each.client, each.ttl, int(now + each.ttl + 1))
            for seq, each in enumerate(new, first)
        ]
        self._cursor.executemany(INSERT, rows)
        self._cursor.executemany(
            INSERT_BODY, [(seq, each.body) for seq, each in enumerate(new, first)]
        )
        self._run("COMMIT")

    def cycle(self, n: int) -> None:
        self.post(n)
        self._run(self._begin)
        self._run(FIND.format(hint=self._hint), (n,))
        seqs = [row[0] for row in self._cursor.fetchall()]
        marks = ", ".join(["%s"] * len(seqs))
        if seqs:
            self._run(MARK.format(seqs=marks), (int(time.time() + 300), new_id(), *seqs))
            self._run(READ.format(seqs=marks), seqs)
            self._cursor.fetchall()
        self._run("COMMIT")
        if seqs:
            self._run(self._begin)
            self._run(DELETE.format(seqs=marks), seqs)
            self._run(DELETE_BODY.format(seqs=marks), seqs)
            self._run("COMMIT")


class Ours:
    """The same calls of the driver."""

    def __init__(self, driver: Driver) -> None:
        self._messages, self._claims = driver.messages, driver.claims

    def post(self, n: int) -> None:
        self._messages.post(QUEUE, fresh(n))

    def cycle(self, n: int) -> None:
        self.post(n)
        request = ClaimRequest(new_id(), n, 300, 60)
        (claim,) = self._claims.claim(QUEUE, [request])
        if isinstance(claim, Claim):
            handles = [Handle(message.id, (request.id,)) for message in claim.messages]
            self._messages.delete(QUEUE, handles)


def rate(calls: list[Callable[[int], None]], batch: int, seconds: float) -> float:
    """Messages a second, of clients that call at the same time."""
    barrier, done = Barrier(len(calls) + 1), [0] * len(calls)

    def work(number: int, call: Callable[[int], None]) -> None:
        barrier.wait()
        end = time.perf_counter() + seconds
        for made in count(1):
            call(batch)
            if time.perf_counter() > end:
                done[number] = made
                return

    threads = [Thread(target=work, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    barrier.wait()
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    return sum(done) * batch / (time.perf_counter() - start)


def measure(plan: Plan, client: Client, most: list[int]) -> list[Row]:
    taken: dict[tuple[str, int, int], list[tuple[float, float]]] = {}
    with ExitStack() as stack:
        progress = stack.enter_context(Progress(sys.stderr))
        driver = stack.enter_context(closing(open_store(plan.uri)))
        driver.queues.create(QUEUE, {})
        stack.callback(make_tables(client))
        raws = [stack.enter_context(closing(Raw(client))) for _ in range(max(most))]
        ours = [Ours(driver)] * max(most)
        settings = [(name, n, b) for name in ("post", "cycle") for n in most for b in (1, 10)]
        progress.begin("raw, driver", plan.rounds * len(settings))
        for number in range(-1, plan.rounds):
            for name, clients, batch in settings:
                tidy(client)
                rates = {}
                # Each side goes first every second time. The first round is to settle.
                for side in (ours, raws) if number % 2 == 0 else (raws, ours):
                    calls = [getattr(each, name) for each in side[:clients]]
                    rates[side is ours] = rate(calls, batch, plan.seconds if number >= 0 else 0.2)
                if number >= 0:
                    pair = rates[True], rates[False]
                    taken.setdefault((name, clients, batch), []).append(pair)
                    progress.step(f"{name}, {clients} clients, {batch}")
    return [
        Row(
            section="raw",
            operation=name,
            setting={"clients": clients, "batch": batch},
            figures=medians({"msg/s": a, "raw msg/s": b} for a, b in pairs),
            ratio_of="msg/s",
            against="raw",
            ratios=[a / b for a, b in pairs],
        )
        for (name, clients, batch), pairs in taken.items()
    ]


def tidy(client: Client) -> None:
    """Let no side walk over what earlier rounds deleted."""
    if client.dialect.name == "postgresql":
        with closing(client.connect()) as connection:
            connection.execute("VACUUM")


def make_tables(client: Client) -> Callable[[], None]:
    """Returns what drops them."""

    def run(statements: list[str]) -> None:
        with closing(client.connect()) as connection:
            cursor: Any = client.cursor(connection)
            for statement in statements:
                cursor.execute(statement)
            connection.commit()

    drop = [f"DROP TABLE IF EXISTS {table}" for table in TABLES]
    run([*drop, *SCHEMA.format(**WORDS[client.dialect.name]).split(";\n")])
    return lambda: run(drop)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clients", default="1,4,16", help="how many at once (1,4,16)")
    add_options(parser)
    arguments = parser.parse_args()
    uri = StoreUri(arguments.uri)
    kind = PostgresqlClient if uri.scheme == "postgresql" else MysqlClient
    most = [int(each) for each in arguments.clients.split(",")]
    rows = measure(plan_of(arguments), kind(uri), most)
    print(section_as_text(rows, ABOUT))
    write_rows(rows, arguments.json)


if __name__ == "__main__":
    main()
