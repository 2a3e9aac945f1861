"""The examples in README.md are run as they stand; only the port is ours."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .server.conftest import Server

README = Path(__file__).parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


def only(found: list[str], part: str) -> str:
    (block,) = [one for one in found if part in one]
    return block


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("readme")
    started = Server(folder, "--uri", f"sqlite:///{folder}/q.db")
    yield started
    started.stop()


def run(command: list[str], script: str, folder: Path) -> str:
    done = subprocess.run(
        command, input=script, capture_output=True, text=True, cwd=folder, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_curl_examples_do_what_they_say(server: Server, tmp_path: Path) -> None:
    script = only(blocks("sh"), "curl").replace("127.0.0.1:8888", f"127.0.0.1:{server.port}")
    said = run(["bash", "-e"], script, tmp_path)
    assert re.findall(r"HTTP/1.1 (\d+)", said) == ["201", "201", "200", "201", "200"]
    assert json.loads(said.splitlines()[-1])["messages"]["claimed"] == 1


def test_the_client_walk_through_does_what_it_says(server: Server, tmp_path: Path) -> None:
    script = only(blocks("python"), "zaqarclient")
    script = script.replace("127.0.0.1:8888", f"127.0.0.1:{server.port}")
    said = run([sys.executable, "-"], script, tmp_path)
    assert said.count("working on") == 2
    assert said.splitlines()[-1] == (
        "http://example.org/hook {'messages': {'claimed': 0, 'free': 0, 'total': 0}}"
    )


def test_the_in_process_example_does_what_it_says(tmp_path: Path) -> None:
    said = run([sys.executable, "-"], only(blocks("python"), "mqcore.connect"), tmp_path)
    assert said.count("working on") == 2
    assert "free=0, claimed=0" in said
