"""`mqcore conformance` as an author of a driver meets it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from .toys import install

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "conformance.md"

Report = dict[str, Any]

# The suite runs as a whole, and some of it hangs on purpose.
pytestmark = pytest.mark.timeout(300)


class Done:
    """A run of the command: its status, what it printed, and its JSON report."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.file = folder / "report.json"
        command = [sys.executable, "-P", "-m", "mqcore", "conformance", *arguments]
        done = subprocess.run(
            [*command, "--json", str(self.file)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder), "PYTEST_ADDOPTS": "--nonsense"},
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
        )
        self.status, self.text, self.errors = done.returncode, done.stdout, done.stderr

    @property
    def report(self) -> Report:
        report: Report = json.loads(self.file.read_text())
        jsonschema.validate(report, schema())
        return report

    def outcomes(self) -> dict[str, set[str]]:
        """The tests by outcome."""
        found: dict[str, set[str]] = {}
        for test in self.report["tests"]:
            found.setdefault(test["outcome"], set()).add(test["test"])
        return found

    def broken_rules(self) -> dict[str, str]:
        """What was seen, and the rule of the contract that it breaks."""
        return {test["seen"]: test["rule"] for test in self.report["tests"] if test["rule"]}


def schema() -> Report:
    """The one in the page."""
    block = re.search(r"^```json\n(\{\n  \"\$schema\".*?)^```", PAGE.read_text(), re.M | re.S)
    assert block
    found: Report = json.loads(block[1])
    return found


def certify_toy(folder: Path, name: str, *arguments: str) -> Done:
    install(name, folder)
    done = Done(folder, f"acme-{name}://me:hush@host/?token=pst", *arguments)
    for text in (done.text, done.errors, done.file.read_text()):
        assert not any(secret in text for secret in ("hush", "pst"))
        assert "Traceback" not in text or text.startswith("{")
    return done


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Every test on the reference driver."""
    return Done(tmp_path_factory.mktemp("memory"), "memory://")


def test_the_reference_driver_conforms(full: Done) -> None:
    assert full.status == 0, full.text
    assert full.report["holds"]
    assert full.report["complete"]
    assert set(full.outcomes()) == {"passed", "not_run"}
    assert full.text.endswith(
        "Every declared capability and every required behaviour that was tested holds.\n"
    )


def test_each_declared_capability_names_the_tests_that_show_it(full: Done) -> None:
    capabilities = full.report["capabilities"]
    declared = {name for name, proof in capabilities.items() if proof["declared"]}
    assert declared == {"FIFO", "DELAY", "EXACT_STATS", "ATOMIC_BATCH", "WAKING"}
    for name in declared:
        assert capabilities[name]["holds"]
        assert capabilities[name]["tests"]
    order = "TestOrder::test_order_is_that_of_the_posts_not_of_the_ids"
    assert order in capabilities["FIFO"]["tests"]
    assert "    TestOrder: order is that of the posts not of the ids\n" in full.text


def test_every_test_runs_bare_and_behind_the_gate(full: Done) -> None:
    ways: dict[tuple[str, str], list[str]] = {}
    for test in full.report["tests"]:
        ways.setdefault((test["test"], test["parameters"]), []).append(test["way"])
    assert {name for name, each in ways.items() if sorted(each) != ["bare", "gated"]} == set()


def test_the_report_says_what_was_not_run_and_why(full: Done) -> None:
    ledger = full.text.partition("\nNOT RUN: ")[2]
    assert "  without DURABLE:\n    TestDurability: everything is there after" in ledger
    assert "  this harness cannot break its backend:\n" in ledger
    assert full.report["groups"]["delay"]["not_run"] > 0


def test_progress_is_a_line_for_each_group(full: Done) -> None:
    lines = full.errors.splitlines()
    assert [line.partition(":")[0] for line in lines] == list(full.report["groups"])
    assert all(re.fullmatch(r"\w+: \d+ runs", line) for line in lines)


def test_a_store_of_a_file_is_opened_by_its_uri(tmp_path: Path) -> None:
    arguments = ("--group", "order", "--group", "lifecycle", "-k", "TestOrder or TestDurability")
    done = Done(tmp_path, "sqlite:///q.db", *arguments)
    assert done.status == 0, done.text
    assert (tmp_path / "q.db").exists()
    assert not done.report["complete"]
    assert set(done.report["groups"]) == {"order", "lifecycle"}
    assert done.report["capabilities"]["DURABLE"]["holds"]
    assert "Run all of them" in done.text


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("q.db",), "is not a URI"),
        (("rabbit://me:hush@host/",), "no installed driver has the scheme 'rabbit'"),
        (("memory://x?colour=red",), "unknown option colour"),
        (("memory://", "--group", "claim"), "--group 'claim' is none of claims, "),
        (("memory://", "-k", "one two"), "Wrong expression passed to '-k'"),
        (("memory://", "-k", "TestNothing"), "no test is selected"),
        (("memory://", "--timeout", "0"), "--timeout: write a number of seconds"),
        (("memory://", "--json", "/nonexistent/report.json"), "cannot be written"),
    ],
)
def test_what_the_user_must_change_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    json_last = arguments[1:2] == ("--json",)
    command = [sys.executable, "-P", "-m", "mqcore", "conformance", *arguments]
    done = subprocess.run(
        command if json_last else [*command, "--json", str(tmp_path / "r")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert reason in done.stderr
    assert "hush" not in done.stderr


def test_without_pytest_the_extra_is_named(tmp_path: Path) -> None:
    missing = "raise ModuleNotFoundError('No module named pytest', name='pytest')"
    (tmp_path / "pytest.py").write_text(missing)
    done = Done(tmp_path, "memory://")
    assert (done.status, done.text) == (2, "")
    assert done.errors == (
        "mqcore: the conformance suite needs the Python library 'pytest', which is not installed; "
        "run: pip install 'mqcore[conformance]'\n"
    )


@pytest.mark.parametrize(
    ("name", "seen", "rule"),
    [
        ("noimport", "ZeroDivisionError: division by zero", "The entry point of a driver"),
        ("exits", "it ended the process with status 7", "Nothing else than the named errors"),
        ("nothing", "it opened a NoneType, which is not a Driver", "The entry point of a driver"),
        ("unfinished", "abstract methods delete, first, get_many", "The four controllers"),
        ("secret", "OSError: no route to acme-secret://me@host/", "It connects, and so raises"),
    ],
)
def test_a_driver_that_cannot_be_opened_is_told_why(
    tmp_path: Path, name: str, seen: str, rule: str
) -> None:
    done = certify_toy(tmp_path, name)
    assert done.status == 1
    assert done.report["tests"] == []
    assert seen in done.report["problem"]["seen"]
    assert done.report["problem"]["rule"].startswith(rule)
    assert seen in done.text
    assert "No test was run." in done.text


def test_a_controller_of_another_class_fails_and_the_others_are_tested(tmp_path: Path) -> None:
    done = certify_toy(tmp_path, "duck", "--group", "subscriptions", "--group", "order")
    assert done.status == 1
    assert done.report["groups"]["order"]["failed"] == 0
    assert done.report["groups"]["subscriptions"]["passed"] == 0
    seen = "Driver.subscriptions is a Subscriptions, which is no SubscriptionController"
    assert done.broken_rules() == {seen: "The four controllers that every driver implements."}


def test_answers_of_a_wrong_kind_are_named(tmp_path: Path) -> None:
    done = certify_toy(tmp_path, "shapes", "-k", "TestPopping or TestReading or TestQueueListing")
    assert done.status == 1
    assert set(done.broken_rules()) == {
        "messages.get_many returned a generator where the contract has a tuple",
        "messages.pop, result[0]: a dict where the contract has a Message",
        "queues.list returned a tuple where the contract has a Page",
    }
    line = (
        "  TestPopping: pop takes out one message (B-074), bare and gated: "
        "messages.pop, result[0]: a dict where the contract has a Message\n"
    )
    assert line in done.text


def test_errors_that_the_contract_does_not_name_are_named(tmp_path: Path) -> None:
    done = certify_toy(tmp_path, "foreign", "-k", "TestStats or test_a_missing_queue_has_no")
    rule = "Nothing else than the named errors and these may escape."
    assert done.broken_rules() == {
        "queues.get raised KeyError: 'missing'": rule,
        "queues.stats raised SystemExit: gone": rule,
    }
    assert done.outcomes()["passed"]


def test_after_a_test_that_hangs_the_next_is_run(tmp_path: Path) -> None:
    groups = ("--group", "messages", "--group", "order")
    done = certify_toy(
        tmp_path, "hangs", *groups, "-k", "TestPurging or TestOrder", "--timeout", "3"
    )
    assert done.status == 1
    (seen,) = done.broken_rules()
    assert seen.startswith("it did not return within 3 seconds, in purge at ")
    assert done.broken_rules()[seen] == "No call waits for time."
    assert done.report["groups"]["order"] == {
        "passed": done.report["groups"]["order"]["passed"],
        **dict.fromkeys(("failed", "not_run", "refused"), 0),
    }
    assert "3 tests of this group hung:" in done.text


DYING = "test_pop_takes_what or test_purge_removes_delayed or test_a_message_lives"


def test_after_a_driver_ended_the_process_the_next_test_is_run(tmp_path: Path) -> None:
    done = certify_toy(tmp_path, "dies", "-k", DYING)
    seen = sorted(re.sub(r", in .*", "", each) for each in done.broken_rules())
    assert seen == [
        "it ended the process by the signal SIGSEGV",
        "it ended the process with status 3",
    ]
    assert "TestExpiry::test_a_message_lives_to_the_last_second" in done.outcomes()["passed"]
    assert len(done.outcomes()["failed"]) == 2


def test_threads_that_outlive_their_handle_are_named(tmp_path: Path) -> None:
    done = certify_toy(tmp_path, "threads", "--group", "threads", "--group", "order")
    (seen,) = done.broken_rules()
    assert seen == "3 closed handles left the threads acme pool, acme pool, acme pool"
    assert done.report["groups"]["threads"]["failed"] == 1
    assert done.report["groups"]["order"]["failed"] == 0


def test_a_failed_assert_is_told_in_one_line_with_its_values(tmp_path: Path) -> None:
    done = certify_toy(tmp_path, "wrong", "-k", "test_create_says_whether_the_queue_is_new")
    assert done.status == 1
    sentence = "TestQueues: create says whether the queue is new (B-001), bare and gated"
    assert f"\n  {sentence}: assert False is True\n" in done.text
    failed = done.report["tests"][0]
    assert "queues.py:" in failed["where"]
    assert "def test_create_says_whether_the_queue_is_new" in failed["detail"]


def test_a_driver_of_somebody_else_conforms_if_it_does(tmp_path: Path) -> None:
    done = certify_toy(tmp_path, "honest", "--group", "claims")
    assert done.status == 0, done.text
