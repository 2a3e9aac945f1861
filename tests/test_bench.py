"""`mqcore bench`: what it prints and keeps, and what it says when it cannot measure. No timing."""

import asyncio
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import psutil
import pytest

from mqcore.bench import command, growth, wrk
from mqcore.bench.plan import Plan
from mqcore.bench.progress import Progress
from mqcore.bench.results import NotMeasured, Report, Row, Spread
from mqcore.bench.serving import Client, serving
from mqcore.bench.table import as_text
from mqcore.bench.unmerged import Hop, Unmerged
from mqcore.contract import MQError, QueueNotFound, QueueRef
from mqcore.transport.bridge import Bridge
from mqcore.transport.merged import Merged

from .test_cli import complaint, run

ROOT = Path(__file__).parent.parent
DOCUMENTED = re.search(r"```json\n(.*?)```", (ROOT / "docs/bench.md").read_text(), re.DOTALL)
TINY = ("--seconds", "1", "--rounds", "1")

needs_wrk = pytest.mark.skipif(
    not shutil.which("wrk") and os.environ.get("CI") != "true",
    reason="wrk is not installed (Debian, Ubuntu: apt-get install wrk)",
)


def kept(path: Path) -> dict[str, Any]:
    """The JSON file, which is as documented."""
    assert DOCUMENTED
    found: dict[str, Any] = json.loads(path.read_text())
    jsonschema.validate(found, json.loads(DOCUMENTED[1]))
    return found


def test_the_driver_and_its_growth_are_shown_kept_and_drawn(tmp_path: Path) -> None:
    done = run(
        *("bench", "memory://", *TINY, "--only", "driver", "--only", "growth"),
        *("--operation", "post", "--operation", "pop_10", "--size", "2000"),
        *("--json", str(tmp_path / "b.json"), "--plots", str(tmp_path / "plots")),
    )
    assert done.returncode == 0, done.stderr
    for head in ("DRIVER: ", "GROWTH: ", "msg/s to", "ratio", "least", "most"):
        assert head in done.stdout
    report = kept(tmp_path / "b.json")
    assert report["not_run"] == []
    settings = [(row["operation"], row["setting"]) for row in report["rows"]]
    assert settings == [
        ("post", {"batch": 1}),
        ("post", {"batch": 10}),
        ("pop_10", {"state": "waiting", "size": 2000}),
        ("pop_10", {"state": "claimed", "size": 2000}),
    ]
    drawn = (tmp_path / "plots" / "growth.png").read_bytes()
    assert drawn.startswith(b"\x89PNG")
    assert "driver: 100 %" in done.stderr


LOADED = {
    "server": ("--operation", "post_1"),
    "memory": ("--messages", "1000", "--idle", "20"),
    "merging": (),
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """Gives the folder of a part once it is measured. All are at the same time: each takes long."""
    folder = tmp_path_factory.mktemp("loaded")
    running = {}
    for name, options in LOADED.items():
        (folder / name).mkdir()
        given = (*TINY, "--connections", "2", *options, "--json", "b.json", "--plots", ".")
        running[name] = subprocess.Popen(
            [sys.executable, "-P", "-m", "mqcore", "bench", "memory://", "--only", name, *given],
            cwd=folder / name,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait(name: str) -> Path:
        said = running[name].communicate(timeout=100)[1]
        assert running[name].returncode == 0, said
        return folder / name

    yield wait
    for process in running.values():
        with process:
            process.terminate()


@needs_wrk
def test_a_server_is_measured_against_ping_and_an_empty_one(
    loaded: Callable[[str], Path],
) -> None:
    rows = {row["operation"]: row for row in kept(loaded("server") / "b.json")["rows"]}
    assert {name: row["against"] for name, row in rows.items()} == {
        "empty": "empty",
        "ping": "empty",
        "post_1": "ping",
        "ping at half": "highest",
        "post_1 at half": "highest",
    }
    for row in rows.values():
        assert row["figures"]["req/s"] > 0
        assert row["figures"]["errors"] == 0
    for name in ("empty", "ping", "post_1"):
        assert 1 < rows[name]["figures"]["cpu us"] < 1e6
    assert rows["empty"]["figures"]["by cpu"] == 1
    assert (loaded("server") / "server.png").exists()


@needs_wrk
def test_memory_is_read_while_messages_go_through_and_clients_wait(
    loaded: Callable[[str], Path],
) -> None:
    through, idle = kept(loaded("memory") / "b.json")["rows"]
    assert through["figures"]["warm"] > 0
    assert idle["figures"]["still open"] == 20


@needs_wrk
def test_merging_is_compared_on_one_queue_and_on_many(loaded: Callable[[str], Path]) -> None:
    rows = kept(loaded("merging") / "b.json")["rows"]
    compared = [(row["setting"]["queues"], row["against"]) for row in rows]
    assert compared == [(n, other) for n in (1, 500) for other in ("unmerged", "hop")]
    for row in rows:
        assert row["figures"]["req/s"] > 0
        assert row["figures"]["other/s"] > 0
        assert row["figures"]["errors"] == 0
    assert (loaded("merging") / "merging.png").exists()


@needs_wrk
def test_sigterm_leaves_no_server_behind() -> None:
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "mqcore", "bench", "memory://", "--only", "server"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as bench:
        servers: list[psutil.Process] = []
        end = time.monotonic() + 30
        while len(servers) < 2 and time.monotonic() < end:
            time.sleep(0.05)
            servers = [one for one in psutil.Process(bench.pid).children() if serves(one)]
        bench.send_signal(signal.SIGTERM)
        assert bench.wait(60) == 128 + signal.SIGTERM
    assert len(servers) == 2
    assert not psutil.wait_procs(servers, timeout=10)[1]


def serves(process: psutil.Process) -> bool:
    try:
        return "-m" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def test_without_wrk_one_line_says_what_to_install(tmp_path: Path) -> None:
    done = run("bench", "memory://", "--only", "server", "--only", "merging", PATH=str(tmp_path))
    assert done.returncode == 2
    assert "apt-get install wrk" in complaint(done)


def test_without_wrk_the_rest_is_measured(tmp_path: Path) -> None:
    done = run(
        *("bench", "memory://", *TINY, "--only", "server", "--only", "driver"),
        *("--operation", "stats", "--json", str(tmp_path / "b.json")),
        PATH=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("mqcore: ")]
    assert len(said) == 1
    assert "apt-get install wrk" in said[0]
    report = kept(tmp_path / "b.json")
    assert [row["operation"] for row in report["rows"]] == ["post", "stats"]
    assert [(each["part"], each["failed"]) for each in report["not_run"]] == [("server", False)]
    assert "NOT MEASURED" in done.stdout


def test_without_matplotlib_the_figures_come_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    plan = Plan("memory://", sections=("driver",), operations=("post",), seconds=1, rounds=1)
    assert command.bench(plan, plots=str(tmp_path)) == 0
    shown = capsys.readouterr()
    assert "pip install 'mqcore[bench]'" in shown.err
    assert "DRIVER" in shown.out
    assert list(tmp_path.iterdir()) == []


def test_without_psutil_memory_alone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.setattr(wrk, "installed", lambda: True)
    with pytest.raises(MQError, match=r"pip install 'mqcore\[bench\]'"):
        command.bench(Plan("memory://", sections=("memory",)))


@pytest.mark.parametrize(
    "options",
    [
        ("--only", "everything"),
        ("--operation", "dance"),
        ("--connections", "0"),
        ("--connections", "1,many"),
        ("--seconds", "0.5"),
        ("--rounds", "0"),
        ("--size", "1000"),
        ("--state", "lost"),
        ("--json", "/nonexistent/b.json"),
        ("--plots", "/dev/null/plots"),
    ],
)
def test_a_wrong_option_is_one_line_and_status_2(options: Sequence[str]) -> None:
    done = run("bench", "memory://", *options)
    assert done.returncode == 2
    assert options[0] in complaint(done)


@pytest.mark.parametrize("uri", ["somewhere", "rabbit://me:hush@host"])
def test_a_wrong_uri_is_one_line_and_status_2(uri: str) -> None:
    done = run("bench", uri, "--only", "driver")
    assert done.returncode == 2
    assert "hush" not in complaint(done)


def test_a_part_that_fails_leaves_the_others_standing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(plan: Plan, progress: Progress) -> list[Row]:
        raise NotMeasured("the store lost a message")

    monkeypatch.setattr(growth, "measure", fail)
    plan = Plan("memory://", ("growth", "driver"), operations=("post",), seconds=1, rounds=1)
    assert command.bench(plan) == 1
    shown = capsys.readouterr().out
    assert "DRIVER" in shown
    assert "growth: the store lost a message" in shown


def test_a_server_that_does_not_start_says_why() -> None:
    with pytest.raises(MQError, match="rabbit"), serving("rabbit://host"):
        pass


def test_a_store_of_its_own_for_each_part_where_the_uri_has_a_place() -> None:
    assert Plan("toy://host/a-{}-b").uri_for("growth") == "toy://host/a-growth-b"
    assert Plan("toy://host/a").uri_for("growth") == "toy://host/a"


def test_the_report_has_no_password() -> None:
    report = Report("toy://host/a", Plan("toy://me:hush@host/a?key=hush"), "now")
    assert "hush" not in json.dumps(report.as_json()) + as_text(report)


def test_the_spread_of_one_round_and_of_several() -> None:
    assert Spread.of([2.0]) == Spread(2.0, 2.0, 2.0, 2.0, 2.0)
    assert Spread.of([1.0, 2.0, 3.0, 4.0, 50.0]) == Spread(3.0, 1.0, 2.0, 4.0, 50.0)


def get(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_preparations_go_on_after_the_server_closed_an_idle_connection() -> None:
    with serving("memory://", keep_alive=1) as server:
        client = Client(server.port)
        client.create("q")
        time.sleep(1.5)
        client.fill("q", 1)


def test_the_empty_server_has_nothing_but_one_handler() -> None:
    with serving("memory://", "empty") as server:
        assert (get(server.port, "/"), get(server.port, "/v2/ping")) == (204, 404)


@pytest.mark.parametrize("kind", ["unmerged", "hop"])
def test_a_server_that_merges_nothing_serves(kind: str) -> None:
    with serving("memory://", kind) as server:
        client = Client(server.port)
        client.fill("q", 100)
        client.delete_all()


@pytest.mark.parametrize("kind", [Unmerged, Hop])
def test_unmerged_calls_are_single_and_raise_their_errors(kind: type[Bridge]) -> None:
    queue = QueueRef("p", "q")
    seen: list[Sequence[int]] = []

    def many(_: QueueRef, requests: Sequence[int]) -> Sequence[int | MQError]:
        seen.append(requests)
        return [one if one < 3 else QueueNotFound(queue) for one in requests]

    async def ask() -> list[int | BaseException]:
        bridge = kind(2)
        single = Merged(many)
        asked = (bridge.merged(single, queue, one) for one in (1, 2, 3))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        await bridge.close()
        return answers

    one, two, three = asyncio.run(ask())
    assert (one, two) == (1, 2)
    assert isinstance(three, QueueNotFound)
    assert sorted(map(list, seen)) == [[1], [2], [3]]
