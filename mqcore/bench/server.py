"""What a server with one worker does: rates and latencies at several numbers of connections."""

from collections.abc import Iterator

from .plan import Plan
from .progress import Progress
from .results import Row, medians
from .serving import Client, Server, serving
from .wrk import Load, Sample

__all__ = ["OPERATIONS", "measure"]

OPERATIONS = ("post_1", "post_10", "list_10", "claim_delete", "mixed")
EMPTY, PING, HALF = "empty", "ping", "at half"
LISTED = 1000
"""Messages in a queue that is listed."""

Key = tuple[str, int]


def measure(plan: Plan, progress: Progress) -> list[Row]:
    """Run all loads in turn, round by round, on one server and on an empty one."""
    kinds = plan.selected(OPERATIONS)
    if not kinds and not plan.selected((PING,)):
        return []
    halves = len(kinds) + 1 if plan.half else 0
    progress.begin("server", plan.rounds * (len(plan.connections) * (len(kinds) + 2) + halves))
    with (
        serving(plan.uri_for("server")) as server,
        serving(plan.uri_for("empty"), "empty") as empty,
    ):
        client = Client(server.port)
        run = _Run(plan, progress, server, empty, client)
        run.warm_up()
        for number in range(plan.rounds):
            # Another order each round, so that nobody always runs in the shadow of the same one.
            turned = kinds[number % max(1, len(kinds)) :] + kinds[: number % max(1, len(kinds))]
            run.round(number, turned)
        client.delete_all()
    return [*run.rows(kinds), *run.rows_at_half(kinds)]


class _Run:
    def __init__(
        self, plan: Plan, progress: Progress, server: Server, empty: Server, client: Client
    ) -> None:
        self._plan = plan
        self._progress = progress
        self._server = server
        self._empty = empty
        self._client = client
        self._samples: dict[Key, list[Sample]] = {}
        self._halves: dict[str, list[tuple[Sample, float, float]]] = {}
        """For each operation: what came of the load, the rate wanted, the highest rate."""
        self._claims_to_ping = 0.4

    def warm_up(self) -> None:
        self._empty.load(Load(EMPTY, self._plan.connections[-1], 1))
        self._client.create("warm-up")
        self._server.load(Load("post_10", self._plan.connections[-1], 1, "warm-up"))

    def round(self, number: int, kinds: tuple[str, ...]) -> None:
        for connections in self._plan.connections:
            self._keep(self._empty, Load(EMPTY, connections, self._plan.seconds))
            ping = self._keep(self._server, Load(PING, connections, self._plan.seconds))
            for kind in kinds:
                queue = f"{kind}-{connections}-{number}".replace("_", "-")
                # No load is faster than ping; a share that is half as high again finds enough.
                share = min(1, 1.5 * self._claims_to_ping) if kind == "claim_delete" else 1
                self._prepare(kind, queue, ping.rate * share)
                wanted = Load(kind, connections, self._plan.seconds, queue)
                self._keep(self._server, wanted)
        # That of ping says what this machine can show at all.
        for kind in (PING, *kinds) if self._plan.half else ():
            self._half(kind, number)

    def _keep(self, server: Server, wanted: Load) -> Sample:
        sample = server.load(wanted)
        key = (wanted.kind, wanted.connections)
        self._samples.setdefault(key, []).append(sample)
        if wanted.kind == "claim_delete":
            ping = self._samples[PING, wanted.connections][-1]
            self._claims_to_ping = max(self._claims_to_ping, sample.rate / ping.rate)
        self._progress.step(f"{wanted.kind}, {wanted.connections} connections")
        return sample

    def _prepare(self, kind: str, queue: str, rate: float) -> None:
        """Create the queue, and fill it with what will be listed or claimed at this rate."""
        requests = rate * self._plan.seconds
        if kind == "claim_delete":
            # Every second request claims ten.
            self._client.fill(queue, LISTED + int(requests * 5))
        elif kind == "mixed":
            # 60 % bring one message each, 10 % take ten.
            self._client.fill(queue, LISTED + int(requests * 0.5))
        elif kind == "list_10":
            self._client.fill(queue, LISTED)
        else:
            self._client.create(queue)

    def _half(self, kind: str, number: int) -> None:
        """Offer half of the highest rate that this round has seen."""
        connections = self._plan.connections
        highest = max(self._samples[kind, each][-1].rate for each in connections)
        queue = f"{kind}-half-{number}".replace("_", "-")
        self._prepare(kind, queue, highest / 2)
        wanted = Load(kind, connections[-1], self._plan.seconds, queue, rate=highest / 2)
        sample = self._server.load(wanted)
        self._halves.setdefault(kind, []).append((sample, highest / 2, highest))
        self._progress.step(f"{kind} at half of its highest rate")

    def rows(self, kinds: tuple[str, ...]) -> Iterator[Row]:
        for connections in self._plan.connections:
            for kind in (EMPTY, PING, *kinds):
                against = EMPTY if kind in (EMPTY, PING) else PING
                mine = self._samples[kind, connections]
                theirs = self._samples[against, connections]
                empties = self._samples[EMPTY, connections]
                yield Row(
                    section="server",
                    operation=kind,
                    setting={"connections": connections},
                    figures=medians(
                        {
                            **one.figures,
                            "dry": one.dry,
                            "of empty": one.rate / empty.rate,
                            **_by_processor(one, other),
                        }
                        for one, empty, other in zip(mine, empties, theirs, strict=True)
                    ),
                    ratio_of="req/s",
                    against=against,
                    ratios=[a.rate / b.rate for a, b in zip(mine, theirs, strict=True)],
                )

    def rows_at_half(self, kinds: tuple[str, ...]) -> Iterator[Row]:
        for kind in (PING, *kinds):
            samples = self._halves.get(kind)
            if not samples:
                continue
            yield Row(
                section="server",
                operation=f"{kind} {HALF}",
                setting={"connections": self._plan.connections[-1]},
                figures={
                    "wanted/s": medians({"": wanted} for _, wanted, _ in samples)[""],
                    **medians({**s.figures, "dry": s.dry} for s, _, _ in samples),
                    "worst p99": max(sample.p99 for sample, _, _ in samples),
                },
                ratio_of="reached/s",
                against="highest",
                ratios=[sample.rate / highest for sample, _, highest in samples],
            )


def _by_processor(one: Sample, other: Sample) -> dict[str, float]:
    """The processor time of a request, and the ratio if only that counted."""
    return {"cpu us": one.cpu, "by cpu": other.cpu / one.cpu} if one.cpu and other.cpu else {}
