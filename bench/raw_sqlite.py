"""The SQL driver and a server on it against what SQLite itself takes, in one run.

python bench/raw_sqlite.py [--folder FOLDER] [options of `mqcore bench`]

The raw side is plain `sqlite3` on a file beside the driver's, with tables and indexes of the same
shape and the same settings (WAL, synchronous=FULL): only the statements that no driver can avoid.
"""

import argparse
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from mqcore.bench.driver import CHUNK, ROUNDS, chunk
from mqcore.bench.operations import Operations, fresh, settle, timer
from mqcore.bench.plan import Plan, add_options, plan_of
from mqcore.bench.progress import Progress
from mqcore.bench.results import Row, medians, write_rows
from mqcore.bench.serving import Client, serving
from mqcore.bench.table import section_as_text
from mqcore.bench.wrk import MISSING, Load, installed
from mqcore.contract import Driver, QueueRef, new_id
from mqcore.loader import open_store

ABOUT = "SQLite; the driver alone, and a server with one worker, against plain statements"
QUEUE = QueueRef("mqcore-bench", "raw")
WAITING = 1000
FREE, CLAIMED = 0, 2

SCHEMA = """
CREATE TABLE messages (
    queue_id INTEGER NOT NULL, seq INTEGER NOT NULL, id VARCHAR(255) NOT NULL,
    posted_at DOUBLE NOT NULL, client TEXT, ttl INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    state SMALLINT NOT NULL, visible_at INTEGER NOT NULL, claim_id VARCHAR(255),
    claim_count INTEGER NOT NULL,
    PRIMARY KEY (queue_id, seq), UNIQUE (queue_id, id)
) WITHOUT ROWID;
CREATE INDEX messages_by_state ON messages (queue_id, state, seq);
CREATE INDEX messages_due ON messages (queue_id, visible_at, seq) WHERE visible_at > 0;
CREATE TABLE bodies (
    queue_id INTEGER NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL, checksum TEXT,
    PRIMARY KEY (queue_id, seq)
);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT INTO counters VALUES ('commits', 0);
"""
INSERT = "INSERT INTO messages VALUES (1, ?, ?, ?, ?, ?, ?, ?, 0, NULL, 0)"
INSERT_BODY = "INSERT INTO bodies VALUES (1, ?, ?, NULL)"
FIND = (
    "SELECT m.seq, m.id, m.ttl, m.posted_at, m.claim_count, b.body FROM messages m"
    " JOIN bodies b ON b.queue_id = m.queue_id AND b.seq = m.seq"
    " WHERE m.queue_id = 1 AND m.state = ? ORDER BY m.seq LIMIT ?"
)
MARK = (
    "UPDATE messages SET state = ?, visible_at = ?, claim_id = ?, claim_count = claim_count + 1"
    " WHERE queue_id = 1 AND seq = ?"
)
DELETE = "DELETE FROM messages WHERE queue_id = 1 AND seq = ?"
DELETE_BODY = "DELETE FROM bodies WHERE queue_id = 1 AND seq = ?"


class Raw:
    """Plain statements. Each method returns its seconds and leaves as many messages."""

    body: bytes | None = None
    """What is posted, when it is not what the driver's operations post."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, cached_statements=256)
        self._run = self._connection.execute
        self._many = self._connection.executemany
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -32768"):
            self._run(f"PRAGMA {pragma}")
        self._connection.executescript(SCHEMA)
        self._seq = 0
        self._insert(WAITING)

    def close(self) -> None:
        self._connection.close()

    def post(self, n: int) -> float:
        with timer() as spent:
            seqs = self._insert(n)
        self._delete(seqs)
        return spent()

    def claim_delete(self, n: int) -> float:
        with timer() as spent:
            self._delete(self._claim(n))
        self._insert(n)
        return spent()

    def commit(self, _: int = 1) -> float:
        """The least that a transaction can do: change one row."""
        with timer() as spent:
            self._run("BEGIN IMMEDIATE")
            self._run("UPDATE counters SET value = value + 1 WHERE name = 'commits'")
            self._run("COMMIT")
        return spent()

    def _insert(self, n: int) -> list[tuple[int]]:
        now = time.time()
        rows, bodies = [], []
        for new in fresh(n):
            self._seq += 1
            end = int(now + new.ttl + 1)
            rows.append((self._seq, new.id, now, new.client, new.ttl, end, FREE))
            bodies.append((self._seq, self.body or new.body))
        self._run("BEGIN IMMEDIATE")
        self._many(INSERT, rows)
        self._many(INSERT_BODY, bodies)
        self._run("COMMIT")
        return [(row[0],) for row in rows]

    def _claim(self, n: int) -> list[tuple[int]]:
        claim_id, end = new_id(), int(time.time() + 300)
        self._run("BEGIN IMMEDIATE")
        found = self._run(FIND, (FREE, n)).fetchall()
        assert len(found) == n
        self._many(MARK, [(CLAIMED, end, claim_id, row[0]) for row in found])
        self._run("COMMIT")
        return [(row[0],) for row in found]

    def _delete(self, seqs: list[tuple[int]]) -> None:
        self._run("BEGIN IMMEDIATE")
        self._many(DELETE, seqs)
        self._many(DELETE_BODY, seqs)
        self._run("COMMIT")


def against_driver(plan: Plan, raw: Raw, driver: Driver, progress: Progress) -> list[Row]:
    """Both sides in turns; each goes first every second time."""
    driver.queues.create(QUEUE, {})
    driver.messages.post(QUEUE, fresh(WAITING))
    ours = Operations(driver, QUEUE)
    calls: list[tuple[str, int, Callable[[int], float], Callable[[int], float]]] = [
        (name, batch, getattr(ours, name), getattr(raw, name))
        for name in ("post", "claim_delete")
        for batch in (1, 10)
    ]
    for _ in settle([ours.post, raw.post], plan.seconds):
        pass
    rounds = plan.rounds * ROUNDS
    progress.begin("raw, driver", rounds * len(calls))
    taken: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for number in range(rounds):
        for name, batch, mine, theirs in calls:
            seconds = {}
            for call in (mine, theirs) if number % 2 == 0 else (theirs, mine):
                seconds[call] = chunk(lambda c=call, b=batch: c(b), plan.seconds * CHUNK)  # type: ignore[misc]
            taken.setdefault((name, batch), []).append((seconds[mine], seconds[theirs]))
            progress.step(f"{name} {batch}")
    return [
        Row(
            section="raw",
            operation=name,
            setting={"batch": batch},
            figures=medians({"msg/s": batch / a, "raw msg/s": batch / b} for a, b in pairs),
            ratio_of="msg/s",
            against="raw",
            ratios=[b / a for a, b in pairs],
        )
        for (name, batch), pairs in taken.items()
    ]


def against_server(plan: Plan, raw: Raw, uri: str, progress: Progress) -> list[Row]:
    """Single posts over HTTP against single commits of a file in the same folder."""
    samples = []
    raw.body = b'"%s"' % (b"x" * 1000)  # what the load generator posts
    at = plan.connections
    progress.begin("raw, server", plan.rounds * len(at))
    with serving(uri) as server:
        client = Client(server.port)
        client.create("raw")
        server.load(Load("post_10", at[-1], 1, "raw"))
        for _ in settle([raw.post], plan.seconds):
            pass
        for _ in range(plan.rounds):
            for connections in at:
                before = chunk(raw.commit, plan.seconds / 4)
                single = 1 / chunk(lambda: raw.post(1), plan.seconds / 4)
                posts = server.load(Load("post_1", connections, plan.seconds, "raw"))
                # The disk may be busier after the load than before it.
                commit = 2 / (before + chunk(raw.commit, plan.seconds / 4))
                samples.append((connections, posts, commit, single))
                progress.step(f"post_1, {connections} connections")
    rows = []
    for connections in at:
        mine = [(posts, a, b) for each, posts, a, b in samples if each == connections]
        rows.append(
            Row(
                section="raw",
                operation="server post_1",
                setting={"connections": connections},
                figures=medians(
                    {**posts.figures, "raw commits/s": commit, "raw posts/s": single}
                    for posts, commit, single in mine
                ),
                ratio_of="msg/s",
                against="raw commits",
                ratios=[posts.messages / commit for posts, commit, _ in mine],
            )
        )
    return rows


def measure(plan: Plan, folder: Path) -> list[Row]:
    rows = []
    with closing(Raw(folder / "raw.db")) as raw, Progress(sys.stderr) as progress:
        if "driver" in plan.sections:
            with closing(open_store(f"sqlite:///{folder / 'driver.db'}")) as driver:
                rows += against_driver(plan, raw, driver, progress)
        if "server" in plan.sections and installed():
            rows += against_server(plan, raw, f"sqlite:///{folder / 'server.db'}", progress)
        elif "server" in plan.sections:
            progress.say(f"server against raw commits is not measured: {MISSING}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, help="where the files are made; default: temporary")
    add_options(parser)
    arguments = parser.parse_args(["sqlite:///", *sys.argv[1:]])
    folder = Path(tempfile.mkdtemp(prefix="mqcore-raw-", dir=arguments.folder))
    try:
        rows = measure(plan_of(arguments), folder)
    finally:
        shutil.rmtree(folder)
    if rows:
        print(section_as_text(rows, ABOUT))
    write_rows(rows, arguments.json)


if __name__ == "__main__":
    main()
