"""Every storage behaviour of the API spec has a test; docs/conformance.md says which.

Run `python -m tests.conformance.test_table` to write the table into the page again.
"""

import inspect
import re
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from mqcore import conformance

from .broken import FAULTS

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
START = "<!-- The table is written by tests/conformance/test_table.py. -->\n"

NUMBERS = [*range(1, 29), *range(40, 80), *range(90, 111), *range(120, 139)]
BEHAVIOURS = [f"B-{number:03}" for number in NUMBERS]

ELSEWHERE = {
    "B-005": "the service: a missing queue reads as one with default metadata",
    "B-137": "the drivers of stores that keep records of other versions",
}
"""Behaviours that no driver can show through the contract, and who does."""

SuiteTests = dict[str, str | None]


def suite_tests() -> SuiteTests:
    """The docstring of every test of the suite, by `Class::test`."""
    found: SuiteTests = {}
    for group in conformance.GROUPS:
        module = import_module(f"mqcore.conformance.{group}")
        for name in module.__all__:
            for test, function in inspect.getmembers(getattr(module, name), inspect.isfunction):
                if test.startswith("test_"):
                    found[f"{name}::{test}"] = function.__doc__
    return found


def behaviours(docstring: str | None) -> list[str]:
    """What a docstring like "B-051, B-052." names."""
    return re.findall(r"B-\d{3}", docstring or "")


def rows() -> Iterator[str]:
    """The lines of the table."""
    yield "| behaviour | tests |\n"
    yield "|---|---|\n"
    found = suite_tests()
    for behaviour in BEHAVIOURS:
        named = [name for name, text in found.items() if behaviour in behaviours(text)]
        cell = "<br>".join(name.replace("::test_", " ").replace("_", " ") for name in named)
        yield f"| {behaviour} | {cell or 'not here: ' + ELSEWHERE[behaviour]} |\n"


def test_every_behaviour_has_a_test_or_a_place_elsewhere() -> None:
    named = {each for text in suite_tests().values() for each in behaviours(text)}
    assert sorted(named | set(ELSEWHERE)) == BEHAVIOURS
    assert named.isdisjoint(ELSEWHERE)


def test_a_docstring_of_a_test_begins_with_its_behaviours() -> None:
    wrong = [
        name
        for name, text in suite_tests().items()
        if text and not re.match(r"B-\d{3}(, B-\d{3})*\.", text)
    ]
    assert wrong == []


def test_the_page_has_the_table() -> None:
    _, _, table = PAGE.read_text().partition(START)
    assert table == "".join(rows()), "run python -m tests.conformance.test_table"


def test_the_ledger_and_the_faults_name_tests_that_exist() -> None:
    ledger = tomllib.loads(Path(__file__).with_name("expected_skips.toml").read_text())
    listed = {name.partition("[")[0] for section in ledger.values() for name in section}
    assert (listed | set(FAULTS.values())) <= set(suite_tests())
    for section in ledger:
        assert Path(__file__).with_name(f"{section}.py").exists()


if __name__ == "__main__":
    page, _, _ = PAGE.read_text().partition(START)
    PAGE.write_text(page + START + "".join(rows()))
