"""The report for people: a table for each part."""

from collections.abc import Iterator, Sequence

from .results import Report, Row

__all__ = ["as_text", "number", "section_as_text"]

ABOUT = {
    "driver": "the driver alone, one thread; each rate against that of post 1 in the same round",
    "growth": "milliseconds a call; each call on the larger queue against the one on the smallest",
    "server": "one worker, load by wrk; each rate against ping in the same round",
    "merging": "single posts; the server against the same one that merges nothing",
    "memory": "memory of the server process in MB",
}


def as_text(report: Report) -> str:
    """All tables, then what was not measured and why."""
    lines = [f"mqcore bench of {report.store}, {report.seconds:.0f} s"]
    for section in dict.fromkeys(row.section for row in report.rows):
        lines += ["", section_as_text([row for row in report.rows if row.section == section])]
    if report.not_run:
        lines += ["", "NOT MEASURED"]
        lines += [f"  {each.part}: {each.reason}" for each in report.not_run]
    return "\n".join(lines) + "\n"


def section_as_text(rows: Sequence[Row], about: str = "") -> str:
    """The rows of one section. Rows that have other columns make another table."""
    section = rows[0].section
    lines = [f"{section.upper()}: {about or ABOUT.get(section, '')}"]
    for layout in dict.fromkeys(_layout(row) for row in rows):
        lines += ["", *_table([row for row in rows if _layout(row) == layout])]
    return "\n".join(lines)


def _layout(row: Row) -> tuple[str, ...]:
    return (*row.setting, *row.figures, row.ratio_of)


def _table(rows: Sequence[Row]) -> Iterator[str]:
    first = rows[0]
    heads = ["operation", *first.setting, *first.figures, f"{first.ratio_of} to", "ratio", *_ENDS]
    cells = [_cells(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    texts = [0, heads.index(f"{first.ratio_of} to")]
    texts += [n for n, key in enumerate(first.setting, 1) if isinstance(first.setting[key], str)]
    for line in (heads, *cells):
        padded = (
            text.ljust(width) if n in texts else text.rjust(width)
            for n, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        yield "  ".join(padded).rstrip()


_ENDS = ("least", "quartile", "quartile", "most")


def _cells(row: Row) -> list[str]:
    spread = row.spread
    return [
        row.operation,
        *(f"{value:,}" if isinstance(value, int) else value for value in row.setting.values()),
        *(number(value) for value in row.figures.values()),
        row.against,
        f"{spread.median:.2f}",
        *(f"{end:.2f}" for end in (spread.least, spread.lower, spread.upper, spread.most)),
    ]


def number(value: float) -> str:
    """Three digits, or all digits of a large number."""
    if value == 0:
        return "0"
    for least, digits in ((100, 0), (10, 1), (1, 2)):
        if abs(value) >= least:
            return f"{value:,.{digits}f}"
    return f"{value:.3f}"
