"""What to measure, and the options that say so.

The command line needs it at every start, so it imports nothing heavy.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

__all__ = ["SECTIONS", "Plan", "add_options", "plan_of"]

SECTIONS = ("driver", "growth", "server", "merging", "memory")
STATES = ("waiting", "claimed", "delayed", "expired", "lapsed")


@dataclass(frozen=True, slots=True)
class Plan:
    """One run.

    `seconds` is the length of one load; `operations` empty is all of them; `half` is whether a
    server is measured at half of its highest rate, too.
    """

    uri: str
    sections: tuple[str, ...] = SECTIONS
    operations: tuple[str, ...] = ()
    connections: tuple[int, ...] = (1, 16, 64)
    seconds: int = 2
    rounds: int = 3
    size: int = 100_000
    states: tuple[str, ...] = ("waiting", "claimed")
    messages: int = 100_000
    idle: int = 10_000
    half: bool = True

    def uri_for(self, store: str) -> str:
        """The URI of a store of its own when the user's URI has a place for its name."""
        return self.uri.replace("{}", store)

    def selected(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the operations that shall be measured."""
        return tuple(n for n in names if not self.operations or n in self.operations)


QUICK = {
    "connections": (16,),
    "seconds": 1,
    "rounds": 2,
    "size": 10_000,
    "states": ("waiting",),
    "messages": 10_000,
    "idle": 500,
    "half": False,
}
"""What `--quick` changes."""


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            number = int(text.replace("_", ""))
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"write a whole number from {least} to {most}")
        return number

    return parse


def _numbers(text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        numbers = ()
    if not numbers or not 1 <= numbers[0] <= numbers[-1] <= 4096:
        raise argparse.ArgumentTypeError("write numbers from 1 to 4096, like 1,16,64")
    return numbers


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mqcore bench`. None is what was not given."""
    parser.add_argument(
        "uri",
        metavar="URI",
        help="a store made for tests only; {} in it becomes the name of a store for each part",
    )
    add = parser.add_argument
    add("--json", metavar="FILE", help="write all figures to this file, too")
    add("--plots", metavar="FOLDER", help="draw plots (PNG) into this folder")
    add("--quick", action="store_true", help="a rough look in about a minute")
    add("--only", action="append", choices=SECTIONS, dest="sections", help="only this part")
    add("--operation", action="append", metavar="NAME", dest="operations", help="only this one")
    add("--connections", type=_numbers, metavar="N,...", help="default 1,16,64")
    add("--seconds", type=_whole(1, 3600), metavar="S", help="of each load; default 2")
    add("--rounds", type=_whole(1, 1000), metavar="N", help="default 3")
    add(
        "--size",
        type=_whole(2_000, 100_000_000),
        metavar="N",
        help="growth: messages in the largest queue; default 100000",
    )
    add("--state", action="append", choices=STATES, dest="states", help="growth: of the messages")
    add(
        "--messages",
        type=_whole(1_000, 100_000_000),
        metavar="N",
        help="memory: how many go through the server; default 100000",
    )
    add(
        "--idle",
        type=_whole(1, 1_000_000),
        metavar="N",
        help="memory: idle connections; default 10000",
    )


def plan_of(arguments: argparse.Namespace) -> Plan:
    """The plan that the options ask for."""
    plan = Plan(arguments.uri)
    if arguments.quick:
        plan = replace(plan, **QUICK)  # type: ignore[arg-type]
    given = {
        field.name: tuple(dict.fromkeys(value)) if isinstance(value, list) else value
        for field in fields(Plan)
        if (value := getattr(arguments, field.name, None)) is not None
    }
    return replace(plan, **given)  # type: ignore[arg-type]
