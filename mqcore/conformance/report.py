"""The report of a run: what a driver declares, and what of it was shown to hold."""

from collections import Counter
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from ..contract import Capability
from .events import Case, Ended, NotOpened, Opened

__all__ = ["OUTCOMES", "Finding", "Proof", "Report"]

OUTCOMES = ("failed", "refused", "passed", "not run")
"""What became of a test. `refused` is a test of a refusal that passed. The worst comes first."""

FORMAT = 1


@dataclass(slots=True)
class Finding:
    """What became of a test, with all its parameters, bare and behind the gate."""

    case: Case
    outcome: str = "not run"
    results: list[tuple[Case, Ended]] = field(default_factory=list)

    def add(self, case: Case, result: Ended) -> None:
        self.results.append((case, result))
        self.outcome = min(self.outcome, outcome(case, result), key=OUTCOMES.index)

    def of(self, *outcomes: str) -> list[tuple[Case, Ended]]:
        return [pair for pair in self.results if outcome(*pair) in outcomes]


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether a capability or limit holds, or its absence is refused; None: nothing showed it."""

    declared: bool
    holds: bool | None
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A run. `opened` says what the driver declares, or why it could not be opened."""

    label: str
    opened: Opened | NotOpened | None
    cases: tuple[Case, ...]
    results: tuple[Ended, ...]
    narrowed: bool
    seconds: float

    @property
    def holds(self) -> bool:
        """No test failed and, unless the run was narrowed, every declared capability was shown."""
        if not isinstance(self.opened, Opened) or any(r.outcome == "failed" for r in self.results):
            return False
        proofs = self.capabilities().values()
        return self.narrowed or all(proof.holds for proof in proofs if proof.declared)

    def findings(self) -> list[Finding]:
        """One for each test, in the order of the run."""
        found: dict[str, Finding] = {}
        for case, result in zip(self.cases, self.results, strict=True):
            found.setdefault(case.test, Finding(case)).add(case, result)
        return list(found.values())

    def groups(self) -> dict[str, Counter[str]]:
        """How many tests of each group ended how; bare and behind the gate is one test."""
        single: dict[tuple[str, str, str], Finding] = {}
        for case, result in zip(self.cases, self.results, strict=True):
            key = (case.group, case.test, case.parameters)
            single.setdefault(key, Finding(case)).add(case, result)
        counts: dict[str, Counter[str]] = {}
        for (group, _, _), finding in single.items():
            counts.setdefault(group, Counter())[finding.outcome] += 1
        return counts

    def capabilities(self) -> dict[str, Proof]:
        """For each capability the tests that show it or, undeclared, that show its absence."""
        declared = self.opened.declared if isinstance(self.opened, Opened) else ()
        proofs = {}
        for name in (str(capability.name) for capability in Capability):
            have = name in declared
            about = [
                each
                for each in self.findings()
                if name in (each.case.capabilities if have else each.case.refusals)
            ]
            proofs[name] = _proof(have, about)
        return proofs

    def limits(self) -> dict[str, tuple[int | None, Proof]]:
        """For each limit its value, and the tests that show that it is kept."""
        found = {}
        for name in ("body", "metadata"):
            value = getattr(self.opened, name, None)
            about = [each for each in self.findings() if each.case.limit == name]
            found[name] = value, _proof(value is not None, about)
        return found

    def as_json(self) -> dict[str, Any]:
        """The whole report; docs/conformance.md has the schema."""
        problem = self.opened if isinstance(self.opened, NotOpened) else None
        return {
            "format": FORMAT,
            "mqcore": version("mqcore"),
            "driver": self.label,
            "holds": self.holds,
            "complete": not self.narrowed,
            "seconds": self.seconds,
            "problem": problem and {"seen": problem.seen, "rule": problem.rule},
            "capabilities": {k: _proof_as_json(proof) for k, proof in self.capabilities().items()},
            "limits": {
                name: {"value": value} | _proof_as_json(proof)
                for name, (value, proof) in self.limits().items()
            },
            "groups": {
                name: {each.replace(" ", "_"): counts[each] for each in OUTCOMES}
                for name, counts in self.groups().items()
            },
            "tests": [_test(*pair) for pair in zip(self.cases, self.results, strict=True)],
        }


def outcome(case: Case, result: Ended) -> str:
    """One of OUTCOMES."""
    if result.outcome == "passed" and (case.refusals or case.beyond):
        return "refused"
    return result.outcome


def _proof(declared: bool, about: list[Finding]) -> Proof:
    run = [each for each in about if each.outcome != "not run"]
    holds = all(each.outcome != "failed" for each in run) if run else None
    return Proof(declared, holds, tuple(each.case.test for each in run))


def _proof_as_json(proof: Proof) -> dict[str, Any]:
    return {"declared": proof.declared, "holds": proof.holds, "tests": list(proof.tests)}


def _test(case: Case, result: Ended) -> dict[str, Any]:
    return {
        "test": case.test,
        "group": case.group,
        "sentence": case.sentence,
        "behaviours": list(case.behaviours),
        "way": case.way,
        "parameters": case.parameters,
        "outcome": outcome(case, result).replace(" ", "_"),
        "seconds": result.seconds,
        "seen": result.seen,
        "rule": result.rule,
        "where": result.where,
        "detail": result.detail,
    }
