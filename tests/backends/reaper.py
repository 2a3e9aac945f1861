"""Ends the servers of a test run that was killed: `python reaper.py PID FOLDER`.

A server works in a folder of its own, and so do its children: by that it is known.
"""

import os
import shutil
import sys
import time
from pathlib import Path

import psutil


def processes_in(folder: Path) -> list[psutil.Process]:
    """Every process whose working directory is the folder or lies below it."""
    found = []
    for process in psutil.process_iter(["cwd"]):
        cwd = process.info["cwd"]
        if cwd and Path(cwd).is_relative_to(folder):
            found.append(process)
    return found


def kill_all_in(folder: Path) -> None:
    """SIGKILL to every process in the folder, until there is none."""
    while found := processes_in(folder):
        for process in found:
            process.kill()
        psutil.wait_procs(found, timeout=5)


def main(parent: int, folder: Path) -> None:
    """Wait for the end of the parent, then clean up what it left behind."""
    while os.getppid() == parent:
        time.sleep(0.2)
    kill_all_in(folder)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
