"""`mqcore bench` for the stores that we bundle, and SQLite against its raw statements.

python bench/bundled.py [--store NAME] [--folder FOLDER] [options of `mqcore bench`]

Tables, JSON and plots go below bench/results/, a folder for each store. The SQLite files are made
in a temporary folder, or in FOLDER, which says which disk is measured.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"
STORES = ("memory", "sqlite")


def run(command: Sequence[str | Path], table: Path) -> int:
    """Run it, show its table and keep it; progress goes to the terminal."""
    print(f"$ {' '.join(map(str, command[1:]))}", file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, flush=True)
    table.write_text(done.stdout, encoding="utf-8")
    return done.returncode


def bench(store: str, folder: str, options: list[str]) -> int:
    kept = RESULTS / store
    kept.mkdir(parents=True, exist_ok=True)
    uri = "memory://" if store == "memory" else f"sqlite:///{folder}/mqcore-{{}}.db"
    status = run(
        [
            *(sys.executable, "-m", "mqcore", "bench", uri, *options),
            *("--json", kept / "bench.json", "--plots", kept),
        ],
        kept / "table.txt",
    )
    if store == "sqlite" and status != 2:
        raw: list[str | Path] = [
            sys.executable,
            HERE / "raw_sqlite.py",
            "--folder",
            folder,
            *options,
        ]
        status = max(status, run([*raw, "--json", kept / "raw.json"], kept / "raw.txt"))
    return status


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", action="append", choices=STORES)
    parser.add_argument("--folder", type=Path)
    arguments, options = parser.parse_known_args()
    status = 0
    with tempfile.TemporaryDirectory(prefix="mqcore-bench-", dir=arguments.folder) as folder:
        for store in arguments.store or STORES:
            status = max(status, bench(store, folder, options))
    if "--only" not in options:
        status = max(status, run([sys.executable, HERE / "startup.py"], RESULTS / "startup.txt"))
    print(f"kept in {RESULTS}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
