"""The command as a user meets it: one line on standard error, a status, never a traceback."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mqcore import cli, inventory
from mqcore.contract import Misconfigured, Unavailable


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, away from the checkout's folder."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MQCORE_")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "mqcore", *arguments],
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    assert done.stderr.startswith("mqcore: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


def test_the_version_is_that_of_the_distribution() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"mqcore {importlib.metadata.version('mqcore')}\n")


def test_help_names_the_commands() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("serve", "config", "drivers", "--version"))


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("dance",),
        ("config",),
        ("serve", "--bind"),
        ("serve", "--frobnicate"),
        ("serve", "--bind", "8888"),
        ("serve", "--bind", "::1:8888"),
        ("serve", "--bind", "127.0.0.1:http"),
        ("serve", "--bind", "127.0.0.1:99999"),
        ("serve", "--workers", "0"),
        ("serve", "--workers", "two"),
        ("serve", "--uri", "somewhere"),
        ("serve", "--uri", "rabbit://me:hush@host"),
        ("serve", "--config-file", "/nonexistent/mqcore.conf"),
    ],
)
def test_what_the_user_must_change_is_status_2(arguments: tuple[str, ...]) -> None:
    if arguments[:1] == ("serve",) and "--bind" not in arguments:
        arguments = (*arguments, "--bind", "127.0.0.1:0")
    done = run(*arguments)
    assert done.returncode == 2
    assert "hush" not in complaint(done)


def test_a_wrong_environment_names_the_variable() -> None:
    done = run("serve", MQCORE_TRANSPORT_MAX_CLAIM_TTL="forever")
    assert done.returncode == 2
    assert "MQCORE_TRANSPORT_MAX_CLAIM_TTL" in complaint(done)


def test_debug_shows_where_it_happened() -> None:
    for arguments in (("--debug", "serve"), ("serve", "--debug")):
        done = run(*arguments, "--workers", "0")
        assert done.returncode == 2
        assert "Traceback" in done.stderr
        assert done.stderr.splitlines()[-1].startswith("mqcore: ")


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8888", "127.0.0.1", "8888"),
        ("localhost:0", "localhost", "0"),
        ("[::1]:8888", "::1", "8888"),
        ("[::]:80", "::", "80"),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, host: str, port: str) -> None:
    assert cli.parse_address(text) == (host, port)


@pytest.mark.parametrize("text", ["", "8888", ":8888", "host:", "::1:8888", "[]:1", "[::1]"])
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(Misconfigured, match="HOST:PORT"):
        cli.parse_address(text)


def test_the_sample_has_every_group_with_units_and_ranges() -> None:
    done = run("config", "sample")
    assert done.returncode == 0
    assert done.stderr == ""
    for group in ("DEFAULT", "transport", "storage", "drivers:transport:wsgi", "signed_url", "log"):
        assert f"\n[{group}]\n" in f"\n{done.stdout}"
    assert "#max_message_ttl = 1209600" in done.stdout
    assert "in seconds" in done.stdout
    assert "# Minimum value: 60" in done.stdout


def test_a_reader_that_left_is_no_error() -> None:
    shell = f"{sys.executable} -P -m mqcore config sample | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[DEFAULT]\n", "")


def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "mqcore", "config", "sample"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "mqcore: [Errno 28] No space left on device\n"


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (Unavailable("the store is\ndown"), 1, "mqcore: the store is down\n"),
        (Misconfigured("change it"), 2, "mqcore: change it\n"),
        (RuntimeError("odd"), 1, "mqcore: unexpected RuntimeError: odd (--debug shows where)\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_a_failure_is_a_status_and_at_most_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    line: str,
) -> None:
    def fail() -> str:
        raise error

    monkeypatch.setattr(inventory, "as_text", fail)
    assert cli.main(["drivers"]) == status
    assert capsys.readouterr() == ("", line)


def test_the_drivers_are_listed_for_people() -> None:
    done = run("drivers")
    assert done.returncode == 0
    rows = [line.split() for line in done.stdout.splitlines()]
    memory = next(row for row in rows if row[:1] == ["memory"])
    assert memory[1] == "mqcore"
    assert memory[3:5] == ["ok", "FIFO"]
    assert any(row[:1] == ["redis"] for row in rows)


def test_the_drivers_are_listed_for_programs(tmp_path: Path) -> None:
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mqcore.drivers]\nacme = acme_driver:open_driver\n")
    done = run("drivers", "--json", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0
    listed = json.loads(done.stdout)
    drivers = {driver["scheme"]: driver for driver in listed["drivers"]}
    assert drivers["memory"]["usable"]
    assert "FIFO" in drivers["memory"]["capabilities"]
    assert not drivers["acme"]["usable"]
    assert "'acme' of acme 1.0" in drivers["acme"]["problem"]
    assert {"redis", "mongodb", "swift", "postgresql", "mysql"} <= {
        extra["name"] for extra in listed["extras"]
    }


def test_starting_the_command_imports_only_what_it_uses() -> None:
    code = "import sys, mqcore.cli; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    heavy = {"oslo_config", "sqlalchemy", "alembic", "falcon", "uvicorn", "stevedore"}
    assert not heavy & set(done.stdout.split())
