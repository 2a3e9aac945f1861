"""How long `mqcore serve` takes from the command to the first answer over HTTP.

python bench/startup.py [--rounds 7]: a table of medians and extremes in seconds, interleaved.
"""

import argparse
import http.client
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

HEADERS = {"Client-ID": str(uuid.uuid4()), "X-Project-ID": "bench"}


def first_answer(uri: str, *flags: str) -> float:
    """Start a server, ask it once, stop it; return the seconds until the answer."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "mqcore", "serve", "--bind", "127.0.0.1:0", "--uri", uri]
    with subprocess.Popen(
        [*command, *flags], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout
        found = re.search(r":(\d+),", server.stdout.readline())
        assert found
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]))
        connection.request("GET", "/v2/ping", headers=HEADERS)
        assert connection.getresponse().status == 204
        seconds = time.perf_counter() - start
        connection.close()
        server.terminate()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    taken: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        old = f"sqlite:///{folder}/old.db"
        first_answer(old)
        for number in range(rounds):
            for name, uri, flags in (
                ("memory", "memory://", ()),
                ("sqlite, new file", f"sqlite:///{folder}/new-{number}.db", ()),
                ("sqlite, old file", old, ()),
                ("sqlite, two workers", old, ("--workers", "2")),
            ):
                taken.setdefault(name, []).append(first_answer(uri, *flags))
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
        assert Path(folder, "old.db").exists()
    print(f"{'seconds to the first answer':30} {'median':>7} {'least':>7} {'most':>7}")
    for name, values in taken.items():
        print(f"{name:30} {statistics.median(values):7.2f} {min(values):7.2f} {max(values):7.2f}")


if __name__ == "__main__":
    main()
