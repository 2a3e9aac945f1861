"""The plots. Needs matplotlib; importing this module without it raises ModuleNotFoundError."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # draws into files, wherever it runs

import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullLocator

from .results import Report, Row
from .table import number

__all__ = ["draw"]

COLUMNS = 4
USUAL = 2.0
"""Growth: the top of the scale, unless an operation goes beyond."""
GROWN = 1.5
"""Growth: an operation with a median ratio beyond this has a red title."""


def draw(report: Report, folder: Path) -> list[Path]:
    """Draw what was measured into PNG files of the folder; return their names."""
    drawn = []
    for name, draw_one in (("growth", _growth), ("server", _server), ("merging", _merging)):
        rows = [row for row in report.rows if row.section == name]
        if not rows:
            continue
        figure = draw_one(rows)
        figure.suptitle(f"{report.store}: {name}", fontsize=13)
        drawn.append(folder / f"{name}.png")
        figure.savefig(drawn[-1], dpi=110)
        plt.close(figure)
    return drawn


def _growth(rows: Sequence[Row]) -> Any:
    """A small picture for each operation: how often the cost on the smallest queue."""
    names = list(dict.fromkeys(row.operation for row in rows))
    states = list(dict.fromkeys(str(row.setting["state"]) for row in rows))
    lines = -(-len(names) // COLUMNS)
    figure, axes = plt.subplots(
        lines,
        COLUMNS,
        figsize=(3.3 * COLUMNS, 2.5 * lines + 1),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    least = int(rows[0].against.replace(",", ""))
    for axis, name in zip(axes.flat, names, strict=False):
        for state in states:
            mine = [r for r in rows if r.operation == name and r.setting["state"] == state]
            sizes = [least, *[int(row.setting["size"]) for row in mine]]
            middles = [1.0, *[row.spread.median for row in mine]]
            axis.plot(sizes, middles, marker="o", markersize=4, label=f"{state} ahead")
            low, high = [row.spread.lower for row in mine], [row.spread.upper for row in mine]
            axis.fill_between(sizes, [1.0, *low], [1.0, *high], alpha=0.2)
        dearest = max(row.figures["ms"] for row in rows if row.operation == name)
        top = max(row.spread.upper for row in rows if row.operation == name)
        grown = [row.spread.median for row in rows if row.operation == name]
        # All have one scale but those that go beyond it; those that grow are marked.
        axis.set_ylim(0, max(USUAL, 1.1 * top))
        axis.set_title(
            f"{name}: {number(dearest)} ms",
            fontsize=10,
            color="firebrick" if max(grown) > GROWN else "black",
        )
        axis.axhline(1, color="grey", linewidth=0.8)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(FuncFormatter(_short))
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    for axis in axes[:, 0]:
        axis.set_ylabel(f"cost, {_short(least)} = 1")
    for axis in axes.flat[max(0, len(names) - COLUMNS) : len(names)]:
        axis.set_xlabel("messages in the queue")
        axis.tick_params(labelbottom=True)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def _server(rows: Sequence[Row]) -> Any:
    """Rates, the share of ping, and latencies against connections; p99 at half of the load."""
    figure, axes = plt.subplots(2, 2, figsize=(12, 8.5), layout="constrained")
    full = [row for row in rows if row.ratio_of == "req/s"]
    for name in dict.fromkeys(row.operation for row in full):
        mine = [row for row in full if row.operation == name]
        at = [int(row.setting["connections"]) for row in mine]
        style = {"marker": "o", "markersize": 4, "label": name}
        if name in ("empty", "ping"):
            style |= {"linestyle": "--"}
        axes[0, 0].plot(at, [row.figures["req/s"] for row in mine], **style)
        axes[0, 1].plot(at, [row.figures["p99 ms"] for row in mine], **style)
        if name == "empty":
            axes[1, 0].plot([], [])  # keeps the colours alike
        else:
            label = "ping, of empty" if name == "ping" else name
            axes[1, 0].errorbar(at, *_middle_and_ends(mine), capsize=3, **{**style, "label": label})
    for axis, title in zip(
        (axes[0, 0], axes[0, 1], axes[1, 0]),
        ("requests/s", "p99 at full load, ms", "requests/s as a share of ping's"),
        strict=True,
    ):
        axis.set_title(title)
        axis.set_xlabel("connections")
        _connections(axis, full)
    for axis in (axes[0, 0], axes[1, 0]):
        axis.set_ylim(bottom=0)
    axes[0, 1].set_yscale("log")
    axes[0, 1].yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes[1, 0].legend(fontsize=9)
    axes[0, 0].legend(fontsize=9)
    _half(axes[1, 1], [row for row in rows if row.ratio_of != "req/s"])
    return figure


def _half(axis: Any, rows: Sequence[Row]) -> None:
    """p50 and p99 as bars, with the rate that was reached."""
    if not rows:
        axis.set_visible(False)
        return
    labels = [row.operation.removesuffix(" at half") for row in rows]
    places = range(len(rows))
    axis.barh([n - 0.2 for n in places], [row.figures["p50 ms"] for row in rows], 0.4, label="p50")
    bars = axis.barh(
        [n + 0.2 for n in places], [row.figures["p99 ms"] for row in rows], 0.4, label="p99"
    )
    rates = [
        f" {number(row.figures['p99 ms'])} ms at {row.figures['req/s']:,.0f}/s" for row in rows
    ]
    axis.bar_label(bars, rates, fontsize=9)
    axis.set_yticks(list(places), labels)
    axis.invert_yaxis()
    axis.margins(x=0.35)
    axis.set_title("latency at half of the highest rate, ms")
    axis.legend(fontsize=9)
    axis.grid(axis="x", alpha=0.3)


def _merging(rows: Sequence[Row]) -> Any:
    """How often the rate of a server that merges nothing, with the ends of the rounds."""
    figure, axis = plt.subplots(figsize=(7.5, 5), layout="constrained")
    for queues, against in dict.fromkeys((row.setting["queues"], row.against) for row in rows):
        mine = [r for r in rows if (r.setting["queues"], r.against) == (queues, against)]
        at = [int(row.setting["connections"]) for row in mine]
        label = f"{'one queue' if queues == 1 else f'{queues} queues'}, to {against}"
        style = "-" if against == rows[0].against else "--"
        middle, ends = _middle_and_ends(mine)
        axis.errorbar(at, middle, ends, linestyle=style, marker="o", capsize=3, label=label)
    axis.axhline(1, color="grey", linewidth=0.8)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("connections")
    axis.set_ylabel("single posts/s, the server that merges nothing = 1")
    _connections(axis, rows)
    axis.legend()
    return figure


def _middle_and_ends(rows: Sequence[Row]) -> tuple[list[float], list[list[float]]]:
    """The medians of the ratios, and how far both ends are from them."""
    spreads = [row.spread for row in rows]
    below = [each.median - each.least for each in spreads]
    above = [each.most - each.median for each in spreads]
    return [each.median for each in spreads], [below, above]


def _connections(axis: Any, rows: Sequence[Row]) -> None:
    at = sorted({int(row.setting["connections"]) for row in rows})
    axis.set_xscale("log", base=2)
    axis.set_xticks(at, [str(each) for each in at])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.grid(alpha=0.3)


def _short(value: float, _: object = None) -> str:
    """1000000 as 1M."""
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"
