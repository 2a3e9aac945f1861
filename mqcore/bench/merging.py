"""What merging brings: the server against the same one that merges nothing.

`unmerged` hands single calls to our own storage threads, `hop` to a plain pool of as many.
"""

from contextlib import ExitStack

from .plan import Plan
from .progress import Progress
from .results import Row, medians
from .serving import Client, Server, serving
from .wrk import Load, Sample

__all__ = ["measure"]

QUEUES = (1, 500)
MERGED, OTHERS = "merged", ("unmerged", "hop")
KINDS = {MERGED: "server", "unmerged": "unmerged", "hop": "hop"}

Setting = tuple[int, int]


def measure(plan: Plan, progress: Progress) -> list[Row]:
    """Post to all servers in turns, on one queue and over many."""
    if not plan.selected(("post_1",)):
        return []
    settings = [(queues, each) for queues in QUEUES for each in plan.connections]
    progress.begin("merging", len(KINDS) * plan.rounds * len(settings))
    rounds: dict[Setting, list[dict[str, Sample]]] = {setting: [] for setting in settings}
    with ExitStack() as stack:
        servers: list[tuple[str, Server]] = []
        for name, kind in KINDS.items():
            server = stack.enter_context(serving(plan.uri_for(name), kind))
            client = Client(server.port)
            _create(client, name)
            stack.callback(client.delete_all)
            server.load(Load("post_10", plan.connections[-1], 1, name))
            servers.append((name, server))
        for number in range(plan.rounds):
            first = number % len(servers)
            for queues, connections in settings:
                samples = {}
                # Each goes first in its turn: a later one may find a warmer machine.
                for name, server in servers[first:] + servers[:first]:
                    wanted = Load("post_1", connections, plan.seconds, name, queues)
                    samples[name] = server.load(wanted)
                    progress.step(f"{name}, queues: {queues}, connections: {connections}")
                rounds[queues, connections].append(samples)
    return [
        _row(*setting, other, samples) for setting, samples in rounds.items() for other in OTHERS
    ]


def _create(client: Client, name: str) -> None:
    client.create(name)
    for number in range(1, max(QUEUES) + 1):
        client.create(f"{name}-{number}")


def _row(queues: int, connections: int, other: str, rounds: list[dict[str, Sample]]) -> Row:
    pairs = [(samples[MERGED], samples[other]) for samples in rounds]
    return Row(
        section="merging",
        operation="post_1",
        setting={"queues": queues, "connections": connections},
        figures=medians(
            {
                "req/s": ours.rate,
                "p99 ms": ours.p99,
                "other/s": theirs.rate,
                "its p99": theirs.p99,
                "errors": ours.errors + theirs.errors,
            }
            for ours, theirs in pairs
        ),
        ratio_of="req/s",
        against=other,
        ratios=[ours.rate / theirs.rate for ours, theirs in pairs],
    )
