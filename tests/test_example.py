"""The example driver as its users get it: built, installed elsewhere, served and certified."""

import json
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .server.conftest import Server
from .test_packaging import ROOT, call, checkout, new_environment, wheel

__all__ = ["checkout", "wheel"]

GUIDE = ROOT / "docs" / "drivers.md"
EXAMPLE = Path("examples") / "mqcore-lmdb"

BLOCK = re.compile(r"<!-- from (?P<path>\S+) -->\n```\w*\n(?P<text>.*?)```\n", re.DOTALL)

NOT_RUN = {
    "with ATOMIC_BATCH",
    "with DELAY",
    "without EXACT_STATS",
    "without WAKING",
    "without a limit for bodies",
    "without a limit for metadata",
    "this harness cannot break its backend",
    "this harness cannot lose the reply of its backend",
    "this harness does not count work",
}
"""Why tests of the suite do not apply to the driver or to one of its harnesses."""

# Building and installing fetch from the package index.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def certifying(
    wheel: Path,
    checkout: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The commands of a new environment with both wheels and what the suite needs."""
    folder = tmp_path_factory.mktemp("example")
    call(
        sys.executable, "-m", "build", "--wheel", "--outdir", folder, checkout / EXAMPLE, cwd=folder
    )
    (driver,) = folder.glob("*.whl")
    commands = new_environment(folder / "venv")
    call(
        *(commands / "python", "-m", "pip", "install", "--quiet"),
        *(f"mqcore[conformance] @ {wheel.as_uri()}", f"mqcore-lmdb[test] @ {driver.as_uri()}"),
        cwd=folder,
    )
    return commands


@pytest.fixture
def quick() -> Iterator[Path]:
    """A folder in memory, where there is one: on a busy disk each synced commit takes long."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="mqcore-", dir=memory) as folder:
        yield Path(folder)


def test_its_wheel_brings_only_its_own_package(certifying: Path) -> None:
    (environment,) = (certifying.parent / "lib").glob("python*/site-packages")
    (record,) = environment.glob("mqcore_lmdb-*.dist-info/RECORD")
    tops = {line.partition("/")[0] for line in record.read_text().splitlines()}
    assert tops == {"mqcore_lmdb", record.parent.name}


def test_mqcore_lists_it_with_what_it_promises(certifying: Path, tmp_path: Path) -> None:
    listed = json.loads(call(certifying / "mqcore", "drivers", "--json", cwd=tmp_path))
    (found,) = [driver for driver in listed["drivers"] if driver["scheme"] == "lmdb"]
    assert found["distribution"] == "mqcore-lmdb"
    assert found["usable"]
    assert found["capabilities"] == ["FIFO", "DELAY", "DURABLE", "ATOMIC_BATCH"]


def test_it_serves(certifying: Path, tmp_path: Path) -> None:
    flags = ("--uri", f"lmdb:///{tmp_path}/queues.mdb")
    server = Server(tmp_path, *flags, python=certifying / "python")
    try:
        server.post({"n": 1}, {"n": 2})
        assert server.stop(signal.SIGTERM) == 0
        server = Server(tmp_path, *flags, python=certifying / "python")
        claimed = server.claim()
        assert [message["body"] for message in claimed] == [{"n": 1}, {"n": 2}]
        for message in claimed:
            assert server.http.delete(message["href"].removeprefix("/v2")).status_code == 204
        assert server.http.get("/queues/q/stats").json()["messages"]["total"] == 0
    finally:
        server.stop(signal.SIGKILL)


def test_its_own_tests_certify_it(certifying: Path, checkout: Path, quick: Path) -> None:
    # Moved away from the package, so that the installed one is tested.
    tests = shutil.copytree(checkout / EXAMPLE / "tests", quick / "tests")
    options = ("-q", "-p", "no:cacheprovider", "-W", "error", "--basetemp", quick / "stores")
    said = call(certifying / "python", "-m", "pytest", *options, tests, cwd=quick)
    reasons = re.findall(r"^\S+\.py::\w+::\w+: (.*?)(?: \(\d+x\))?$", said, re.MULTILINE)
    assert reasons
    assert set(reasons) - NOT_RUN == set()


def test_one_command_certifies_it(certifying: Path, quick: Path) -> None:
    uri = f"lmdb:///{quick}/queues.mdb"
    # A few groups show that the command finds it; its own tests have run them all.
    groups = ("--group", "claims", "--group", "lifecycle", "--group", "stats")
    call(certifying / "mqcore", "conformance", uri, *groups, "--json", "report.json", cwd=quick)
    report = json.loads((quick / "report.json").read_text())
    assert report["holds"]
    declared = {name for name, found in report["capabilities"].items() if found["declared"]}
    assert declared == {"FIFO", "DELAY", "DURABLE", "ATOMIC_BATCH"}


def test_the_authors_test_file_has_ten_lines() -> None:
    lines = (ROOT / EXAMPLE / "tests" / "test_conformance.py").read_text().splitlines()
    assert len([line for line in lines if line]) <= 10


def test_the_guide_shows_what_is_in_the_files() -> None:
    blocks = list(BLOCK.finditer(GUIDE.read_text(encoding="utf-8")))
    assert len(blocks) > 5
    for block in blocks:
        assert block["text"] in (ROOT / block["path"]).read_text(encoding="utf-8"), block["path"]
