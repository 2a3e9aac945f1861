"""Memory of the server process: while messages go through it, and with many idle connections."""

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .plan import Plan
from .progress import Progress
from .results import NotMeasured, NotRun, Row, medians
from .serving import Client, Server, serving
from .wrk import Load, Sample

__all__ = ["measure", "raise_open_files"]

MB = 1_000_000
SPARE = 300
"""Open files that a server and we need beside the idle connections."""
KEEP_ALIVE = 3600
SETTLE = 0.5
"""Seconds in which the server notices that the idle ones are gone."""
OPENED_AT_ONCE = 500
PING = (
    b"GET /v2/ping HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Project-ID: mqcore-bench\r\n"
    b"Client-ID: 3381af92-2b9e-11e3-b191-71861300734c\r\n\r\n"
)


def measure(plan: Plan, progress: Progress, not_run: list[NotRun]) -> list[Row]:
    """Both measurements, each on a server of its own."""
    selected = plan.selected(("through", "idle"))
    rows = []
    if "through" in selected:
        with serving(plan.uri_for("memory")) as server:
            rows.append(_through(plan, server, progress))
    if "idle" in selected:
        room = raise_open_files() - SPARE
        idle = min(plan.idle, room)
        if idle < 1:
            raise NotMeasured("no files may be opened beyond those that we need (ulimit -n)")
        if idle < plan.idle:
            reason = f"ulimit -n allows {idle} connections, not {plan.idle}"
            not_run.append(NotRun("memory", reason))
        with serving(plan.uri_for("idle"), keep_alive=KEEP_ALIVE) as server:
            rows.append(_beside_idle(plan, server, idle, progress))
    return rows


def raise_open_files() -> int:
    """Let this process, and the servers that it starts, open as many files as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 1_000_000 if hard == resource.RLIM_INFINITY else hard
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def _resident(server: Server) -> float:
    """The resident memory of the server, in MB."""
    import psutil  # an extra

    return float(psutil.Process(server.process.pid).memory_info().rss) / MB


def _through(plan: Plan, server: Server, progress: Progress) -> Row:
    """Post, claim and delete messages until enough went through."""
    connections = min(plan.connections[-1], 16)
    progress.begin("memory", plan.messages * 11 // 10)
    client = Client(server.port)
    rates: list[float] = []

    def push(messages: int) -> Iterator[float]:
        while messages > 0:
            # What wrk leaves half done at its end must not pile up, so each load has a queue.
            queue = f"through-{len(rates)}"
            client.create(queue)
            sample = server.load(Load("through", connections, plan.seconds, queue))
            client.delete_all()
            moved = int(sample.messages * plan.seconds)
            if moved == 0:
                raise NotMeasured("no message went through the server")
            messages -= moved
            rates.append(sample.messages)
            progress.step("messages through the server", moved)
            yield _resident(server)

    before = _resident(server)
    warm = [*push(max(1, plan.messages // 10))][-1]
    readings = [*push(plan.messages)]
    return Row(
        section="memory",
        operation="through",
        setting={"messages": plan.messages, "connections": connections},
        figures={
            "fresh": before,
            "warm": warm,
            "after": readings[-1],
            "highest": max(readings),
            "growth": readings[-1] - warm,
            **medians({"msg/s": rate} for rate in rates),
        },
        ratio_of="memory",
        against="warm",
        ratios=[each / warm for each in readings],
    )


def _beside_idle(plan: Plan, server: Server, idle: int, progress: Progress) -> Row:
    """A busy load with and without idle connections, in turns."""
    connections = plan.connections[-1]
    busy = Load("post_1", connections, plan.seconds, "busy")
    progress.begin("idle", plan.rounds * (2 + idle // OPENED_AT_ONCE))
    pairs: list[tuple[Sample, Sample]] = []
    readings: list[dict[str, float]] = []
    client = Client(server.port)
    client.create("busy")
    server.load(Load("post_10", connections, 1, "busy"))
    for number in range(plan.rounds):
        samples: dict[bool, Sample] = {}
        # Each goes first every second time.
        for crowded in (False, True) if number % 2 == 0 else (True, False):
            if crowded:
                before = _resident(server)
                with _idle_connections(server.port, idle, progress) as held:
                    reading = {"MB": before, "MB beside": _resident(server)}
                    samples[crowded] = server.load(busy)
                    reading["still open"] = sum(_is_open(each) for each in held)
                readings.append(reading)
                time.sleep(SETTLE)
            else:
                samples[crowded] = server.load(busy)
            progress.step("busy beside idle ones" if crowded else "busy alone")
        pairs.append((samples[False], samples[True]))
    client.delete_all()
    kept = medians(readings)
    # Only the first round opens them in fresh memory; later ones may find room that was kept.
    each_kb = (readings[0]["MB beside"] - readings[0]["MB"]) * 1000 / idle
    return Row(
        section="memory",
        operation="idle",
        setting={"idle": idle, "connections": connections},
        figures={
            **kept,
            "KB each": each_kb,
            "post 1/s": medians({"": alone.rate} for alone, _ in pairs)[""],
            "beside/s": medians({"": beside.rate} for _, beside in pairs)[""],
            "p99 ms": medians({"": alone.p99} for alone, _ in pairs)[""],
            "beside p99": medians({"": beside.p99} for _, beside in pairs)[""],
            "errors": sum(alone.errors + beside.errors for alone, beside in pairs),
        },
        ratio_of="req/s",
        against="no idle",
        ratios=[beside.rate / alone.rate for alone, beside in pairs],
    )


@contextmanager
def _idle_connections(port: int, count: int, progress: Progress) -> Iterator[list[socket.socket]]:
    """Connections that have asked once, so that the server keeps them for the next request."""
    held: list[socket.socket] = []
    try:
        for number in range(1, count + 1):
            held.append(socket.create_connection(("127.0.0.1", port), timeout=30))
            held[-1].sendall(PING)
            answer = held[-1].recv(4096)
            if not answer.startswith(b"HTTP/1.1 204"):
                raise NotMeasured(f"idle connection {number} was answered {answer[:40]!r}")
            if number % OPENED_AT_ONCE == 0:
                progress.step(f"{number:,} idle connections")
        yield held
    except OSError as exc:
        raise NotMeasured(f"idle connection {len(held)} failed: {exc}") from exc
    finally:
        for each in held:
            each.close()


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
