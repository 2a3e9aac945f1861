"""Where the programs of servers are, and under which account they run."""

import functools
import os
import pwd
import re
import shutil
import subprocess
from glob import glob
from pathlib import Path
from typing import Any

PLACES = (
    "/usr/lib/postgresql/*/bin",  # Debian
    "/usr/pgsql-*/bin",  # Fedora and its kin
    "/usr/libexec",
    "/usr/sbin",
    "/usr/local/sbin",
    "/opt/homebrew/opt/*/bin",
    "/usr/local/opt/*/bin",
)


class Missing(Exception):
    """A test cannot run here. The text says what it needs and how to have it."""


def search_path() -> str:
    """PATH, then where distributions keep servers; or MQCORE_TEST_PATH and nothing else."""
    chosen = os.environ.get("MQCORE_TEST_PATH")
    if chosen is not None:
        return chosen
    places = [place for pattern in PLACES for place in sorted(glob(pattern), reverse=True)]
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *places])


def find(program: str, needed_for: str, beside: Path | None = None) -> Path:
    """The program's path, best from the folder of another one. Raises Missing."""
    path = search_path()
    if beside:
        path = os.pathsep.join([str(beside.resolve().parent), path])
    found = shutil.which(program, path=path) if path else None
    if found is None:
        raise Missing(f"{program} was not found, which {needed_for}")
    return Path(found)


@functools.cache
def version(program: Path) -> tuple[int, int]:
    text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)(?:\.(\d+))?", text)
    assert found, f"{program} --version says {text!r}"
    return int(found[1]), int(found[2] or 0)


def account() -> dict[str, Any]:
    """Arguments for subprocess: root runs servers as nobody, anybody else as themselves."""
    if os.geteuid() != 0:
        return {}
    return {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}
