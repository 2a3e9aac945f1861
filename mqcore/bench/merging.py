"""What merging brings: the server against the same one with a hop for each request."""

from contextlib import closing

from .plan import Plan
from .progress import Progress
from .results import Row, medians
from .serving import Client, serving
from .wrk import Load, Sample

__all__ = ["measure"]

QUEUES = (1, 500)

Pair = tuple[Sample, Sample]


def measure(plan: Plan, progress: Progress) -> list[Row]:
    """Post to both servers in turns, on one queue and over many."""
    if not plan.selected(("post_1",)):
        return []
    settings = [(queues, each) for queues in QUEUES for each in plan.connections]
    progress.begin("merging", 2 * plan.rounds * len(settings))
    pairs: dict[tuple[int, int], list[Pair]] = {setting: [] for setting in settings}
    with (
        serving(plan.uri_for("merged")) as merged,
        serving(plan.uri_for("unmerged"), "unmerged") as unmerged,
        closing(Client(merged.port)) as first,
        closing(Client(unmerged.port)) as second,
    ):
        servers = (("merged", merged, first), ("unmerged", unmerged, second))
        for name, server, client in servers:
            _create(client, name)
            server.load(Load("post_10", plan.connections[-1], 1, name))
        for number in range(plan.rounds):
            for setting in settings:
                samples = {}
                # Each goes first every second time: the second one may find a warmer machine.
                for name, server, _ in servers[:: 1 if number % 2 == 0 else -1]:
                    queues, connections = setting
                    wanted = Load("post_1", connections, plan.seconds, name, queues)
                    samples[name] = server.load(wanted)
                    progress.step(f"{name}, {queues} queues, {connections} connections")
                pairs[setting].append((samples["merged"], samples["unmerged"]))
        for _, _, client in servers:
            client.delete_all()
    return [_row(*setting, pairs[setting]) for setting in settings]


def _create(client: Client, name: str) -> None:
    client.create(name)
    for number in range(1, max(QUEUES) + 1):
        client.create(f"{name}-{number}")


def _row(queues: int, connections: int, pairs: list[Pair]) -> Row:
    return Row(
        section="merging",
        operation="post_1",
        setting={"queues": queues, "connections": connections},
        figures=medians(
            {
                "req/s": merged.rate,
                "p99 ms": merged.p99,
                "unmerged/s": unmerged.rate,
                "its p99": unmerged.p99,
                "errors": merged.errors + unmerged.errors,
            }
            for merged, unmerged in pairs
        ),
        ratio_of="req/s",
        against="unmerged",
        ratios=[merged.rate / unmerged.rate for merged, unmerged in pairs],
    )
