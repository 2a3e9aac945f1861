"""The report for people."""

from collections.abc import Iterator

from .events import NotOpened
from .report import OUTCOMES, Finding, Proof, Report

__all__ = ["as_text"]

MOST_SIGHTS = 8
"""How many ways to break one rule are listed."""

COLUMNS = ("passed", "refused", "failed", "not run")


def as_text(report: Report) -> str:
    """The report as lines: capabilities, groups, what failed, what was not run, the verdict."""
    lines = [f"mqcore conformance of {report.label}", ""]
    if isinstance(report.opened, NotOpened):
        lines += ["FAILED", f"  the driver cannot be opened: {report.opened.seen}"]
        if report.opened.rule:
            lines.append(f"    the contract says: {report.opened.rule}")
        lines += ["", "No test was run."]
        return "\n".join(lines) + "\n"
    lines += [*_capabilities(report), "", *_groups(report)]
    lines += [*_broken_rules(report), *_failed(report), *_not_run(report), "", *_verdict(report)]
    return "\n".join(lines) + "\n"


def _capabilities(report: Report) -> Iterator[str]:
    yield "CAPABILITIES"
    for name, proof in report.capabilities().items():
        yield f"  {name}: {_standing(proof)}"
        yield from _names(proof)
    yield "LIMITS"
    for name, (value, proof) in report.limits().items():
        yield f"  {name}: {f'{value} bytes, {_holding(proof)}' if value is not None else 'none'}"
        yield from _names(proof)


def _standing(proof: Proof) -> str:
    if proof.declared:
        return f"declared, {_holding(proof)}"
    return f"not declared; its absence {_holding(proof) if proof.tests else 'was not tested'}"


def _holding(proof: Proof) -> str:
    if proof.holds is None:
        return "not shown by any test of this run"
    return "holds" if proof.holds else "DOES NOT HOLD"


def _names(proof: Proof) -> Iterator[str]:
    for test in proof.tests:
        yield f"    {_sentence(test)}"


def _sentence(test: str) -> str:
    cls, _, name = test.partition("::test_")
    return f"{cls}: {name.replace('_', ' ')}"


def _groups(report: Report) -> Iterator[str]:
    groups = report.groups()
    width = max(map(len, groups))
    yield f"{'GROUP':<{width}}" + "".join(f"{column:>9}" for column in COLUMNS)
    for name, counts in groups.items():
        yield f"{name:<{width}}" + "".join(f"{counts[column]:>9}" for column in COLUMNS)
    totals = (sum(counts[column] for counts in groups.values()) for column in COLUMNS)
    yield f"{'all':<{width}}" + "".join(f"{total:>9}" for total in totals)


def _broken_rules(report: Report) -> Iterator[str]:
    """What is wrong with any call, told once and not for each test that met it."""
    rules: dict[str, dict[str, set[str]]] = {}
    for case, result in zip(report.cases, report.results, strict=True):
        if result.rule:
            rules.setdefault(result.rule, {}).setdefault(result.seen, set()).add(case.test)
    if rules:
        yield from ("", "BROKEN RULES OF THE CONTRACT")
    for rule, sights in rules.items():
        yield f"  {rule}"
        for seen, tests in list(sights.items())[:MOST_SIGHTS]:
            yield f"    {seen} ({_count(len(tests), 'test')})"
        if len(sights) > MOST_SIGHTS:
            yield f"    and {len(sights) - MOST_SIGHTS} more like these"


def _failed(report: Report) -> Iterator[str]:
    found = [each for each in report.findings() if each.outcome == "failed"]
    if found:
        yield from ("", f"FAILED: {_count(len(found), 'test')}")
    for each in found:
        case, result = each.of("failed")[0]
        numbers = f" ({', '.join(case.behaviours)})" if case.behaviours else ""
        yield f"  {case.sentence}{numbers}, {_ways(each, 'failed')}: {result.seen}"


def _ways(finding: Finding, outcome: str) -> str:
    """Where it had this outcome: "bare", "bare and gated", "2 of 8 runs, bare"."""
    pairs = finding.of(outcome)
    ways = " and ".join(dict.fromkeys(case.way for case, _ in pairs))
    few = len(pairs) < len([case for case, _ in finding.results if case.way in ways])
    return f"{len(pairs)} of {len(finding.results)} runs, {ways}" if few else ways


def _not_run(report: Report) -> Iterator[str]:
    found = [each for each in report.findings() if each.outcome == "not run"]
    if found:
        yield from ("", f"NOT RUN: {_count(len(found), 'test')}")
    reasons: dict[str, list[str]] = {}
    for each in found:
        why = "; ".join(dict.fromkeys(result.seen for _, result in each.results))
        reasons.setdefault(why, []).append(each.case.sentence)
    for why, sentences in reasons.items():
        yield f"  {why}:"
        yield from (f"    {sentence}" for sentence in sentences)


def _verdict(report: Report) -> Iterator[str]:
    found = [each.outcome for each in report.findings()]
    counts = ", ".join(f"{found.count(each)} {each}" for each in reversed(OUTCOMES))
    yield f"{_count(len(found), 'test')} in {report.seconds:g} s: {counts}."
    if not report.holds:
        unproven = [n for n, p in report.capabilities().items() if p.declared and p.holds is None]
        if "failed" not in found:
            yield f"Declared, but not shown by any test: {', '.join(unproven)}."
        yield "The driver does NOT conform."
    elif report.narrowed:
        yield "Every test that was selected holds. Run all of them to know whether it conforms."
    else:
        yield "Every declared capability and every required behaviour that was tested holds."


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
