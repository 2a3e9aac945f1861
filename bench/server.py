"""What the HTTP server does: requests a second and latency, each as a ratio to its own ping.

python bench/server.py [--uri memory:// --uri sqlite] [--connections 1 16 64] [--seconds 2]

Needs `wrk` (Debian: apt-get install wrk). Every round runs all operations in turn on one server
with one worker, so that the machine's mood hits all alike; the table has medians over rounds and
the spread of the ratios. `claim_delete` counts requests: half claim ten messages, half delete ten.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

HERE = Path(__file__).parent
OPERATIONS = ("ping", "post_1", "post_10", "list_10", "claim_delete")
HEADERS = {"Client-ID": str(uuid.uuid4()), "X-Project-ID": "bench"}
FILL = 100
"""Messages in a request that fills the queue for claims."""


@contextmanager
def serving(uri: str, *flags: str) -> Iterator[int]:
    """Start a server; give its port."""
    command = [sys.executable, "-m", "mqcore", "serve", "--bind", "127.0.0.1:0", "--uri", uri]
    with subprocess.Popen(
        [*command, *flags],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "MQCORE_LOG_LEVEL": "warning"},
    ) as server:
        assert server.stdout
        found = re.search(r":(\d+),", server.stdout.readline())
        assert found, "the server did not start"
        try:
            yield int(found[1])
        finally:
            server.terminate()


def load(port: int, kind: str, queue: str, connections: int, seconds: int) -> dict[str, float]:
    """Run wrk; return requests a second, latencies in milliseconds, and errors."""
    done = subprocess.run(
        [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "-s",
            str(HERE / "wrk" / "common.lua"),
            f"http://127.0.0.1:{port}",
        ],
        env={**os.environ, "MQ_KIND": kind, "MQ_QUEUE": queue},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"RESULT (\d+) (\d+) ([\d.]+) ([\d.]+) ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    requests, micros, median, p99, errors = map(float, found.groups())
    return {"rate": requests / micros * 1e6, "p50": median, "p99": p99, "errors": errors}


def fill(port: int, queue: str, messages: int) -> None:
    """Have enough to claim."""
    body = {"messages": [{"body": "x" * 1000, "ttl": 3600}] * FILL}
    url = f"http://127.0.0.1:{port}/v2/queues/{queue}/messages"
    with httpx.Client(headers=HEADERS, timeout=60) as client:
        for _ in range(messages // FILL):
            client.post(url, json=body).raise_for_status()


def measure(uri: str, connections: int, rounds: int, seconds: int) -> list[dict[str, object]]:
    """All operations at one number of connections; a row each."""
    results: dict[str, list[dict[str, float]]] = {kind: [] for kind in OPERATIONS}
    with serving(uri) as port:
        load(port, "ping", "warm", connections, 1)
        for number in range(rounds):
            pings = load(port, "ping", "none", connections, seconds)
            for kind in OPERATIONS:
                queue = f"{kind.replace('_', '-')}-{connections}-{number}"
                if kind == "claim_delete":
                    fill(port, queue, int(pings["rate"] * seconds * 3))
                elif kind == "list_10":
                    fill(port, queue, 1000)
                result = load(port, kind, queue, connections, seconds)
                results[kind].append({**result, "ratio": result["rate"] / pings["rate"]})
                print(f"{uri} {connections} {number} {kind}", file=sys.stderr)
    return [
        {
            "store": uri.partition(":")[0],
            "connections": connections,
            "operation": kind,
            **{
                key: statistics.median(one[key] for one in found)
                for key in ("rate", "ratio", "p50", "p99")
            },
            "ratio_least": min(one["ratio"] for one in found),
            "ratio_most": max(one["ratio"] for one in found),
            "errors": sum(one["errors"] for one in found),
        }
        for kind, found in results.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uri", action="append", help="a store; `sqlite` is a new file")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the rows to this file, too")
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("bench/server.py needs wrk: apt-get install wrk")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for uri in arguments.uri or ["memory://", "sqlite"]:
            for connections in arguments.connections:
                made = f"sqlite:///{folder}/{time.time_ns()}.db" if uri == "sqlite" else uri
                rows += measure(made, connections, arguments.rounds, arguments.seconds)
    print(
        f"{'store':8} {'conns':>5} {'operation':13} {'req/s':>8} {'to ping':>8} "
        f"{'spread':>11} {'p50 ms':>8} {'p99 ms':>8} {'errors':>6}"
    )
    for row in rows:
        print(
            f"{row['store']:8} {row['connections']:5} {row['operation']:13} {row['rate']:8.0f} "
            f"{row['ratio']:8.2f} {row['ratio_least']:5.2f}-{row['ratio_most']:4.2f}  "
            f"{row['p50']:8.1f} {row['p99']:8.1f} {row['errors']:6.0f}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
