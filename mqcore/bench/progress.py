"""What a run shows while it goes on, on standard error."""

import time
from types import TracebackType
from typing import Any, TextIO

__all__ = ["Progress"]

PAUSE = 5.0
"""Seconds between two lines when nobody watches a terminal."""


class Progress:
    """A bar for each part on a terminal; elsewhere a line now and then."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._bar = _bar(output)
        self._task: Any = None
        self._part = ""
        self._done = self._total = 0
        self._shown = 0.0

    def __enter__(self) -> "Progress":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def begin(self, part: str, total: int) -> None:
        """A part begins, which has this many steps."""
        self._part, self._done, self._total = part, 0, max(total, 1)
        if self._bar:
            self._task = self._bar.add_task(part, total=self._total, what="")

    def step(self, what: str, steps: int = 1) -> None:
        """Some steps were done; `what` they were."""
        self._done = min(self._done + steps, self._total)
        if self._bar:
            self._bar.update(self._task, advance=steps, what=what)
            return
        now = time.monotonic()
        if now - self._shown >= PAUSE or self._done == self._total:
            self._shown = now
            percent = 100 * self._done // self._total
            self._output.write(f"{self._part}: {percent} %, {what}\n")
            self._output.flush()

    def say(self, line: str) -> None:
        """Write a line of its own."""
        if self._bar:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            self._output.write(f"{line}\n")
            self._output.flush()


def _bar(output: TextIO) -> Any:
    """A bar when there is a terminal, and the library that draws it; else None."""
    if not output.isatty():
        return None
    try:
        from rich import progress
        from rich.console import Console
    except ModuleNotFoundError:
        return None
    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TextColumn("{task.percentage:3.0f} %"),
        progress.TimeElapsedColumn(),
        progress.TextColumn("{task.fields[what]}"),
        console=Console(file=output),
    )
