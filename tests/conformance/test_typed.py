"""The wrapper that names what is wrong with an answer, and the rules that it quotes."""

import inspect
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest

from mqcore import contract
from mqcore.conformance import Clock
from mqcore.conformance.calls import CONTROLLERS
from mqcore.conformance.events import Case, Ended
from mqcore.conformance.progress import Progress
from mqcore.conformance.rules import RULES, ContractBroken
from mqcore.conformance.shapes import shape
from mqcore.conformance.typed import NAMED_ERRORS, TypedDriver
from mqcore.contract import (
    Capability,
    Claim,
    ClaimController,
    Driver,
    Limits,
    Message,
    MessageController,
    Page,
    Queue,
    QueueNotFound,
    QueueRef,
    QueueStats,
)
from mqcore.memory import MemoryDriver, open_driver

MESSAGE = Message("1", b"{}", 60, 1.5)


@pytest.fixture
def driver() -> Iterator[MemoryDriver]:
    driver = open_driver("memory://", clock=Clock())
    yield driver
    driver.close()


def answer_of(controller: type, method: str) -> Any:
    return get_type_hints(getattr(controller, method))["return"]


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("post", ["1", QueueNotFound(QueueRef(None, "q"))]),
        ("post", ()),
        ("get_many", (MESSAGE, MESSAGE)),
        ("list", Page((MESSAGE,), "1")),
        ("list", Page((), None)),
        ("delete", [None, QueueNotFound(QueueRef(None, "q"))]),
        ("first", Message("1", b"{}", 60, 1, "claim", 2, "md5")),
        ("purge", None),
    ],
)
def test_what_the_contract_has_is_taken(method: str, value: object) -> None:
    assert shape(answer_of(MessageController, method))(value) is None


@pytest.mark.parametrize(
    ("method", "value", "where", "what"),
    [
        ("post", "12", "", "a str where the contract has a sequence"),
        ("post", iter(["1"]), "", "a list_iterator where the contract has a sequence"),
        ("post", ["1", 2], "[1]", "an int where the contract has str or MQError"),
        ("post", ["1", KeyError()], "[1]", "a KeyError where the contract has str or MQError"),
        ("get_many", [MESSAGE], "", "a list where the contract has a tuple"),
        ("get_many", (each for each in "12"), "", "a generator where the contract has a tuple"),
        ("list", [MESSAGE], "", "a list where the contract has a Page"),
        ("list", Page((None,), "1"), ".items[0]", "None where the contract has a Message"),
        (
            "list",
            Page((), 7),  # type: ignore[arg-type]
            ".next",
            "an int where the contract has str or None",
        ),
        ("first", None, "", "None where the contract has a Message"),
        ("first", {"id": "1"}, "", "a dict where the contract has a Message"),
        (
            "first",
            Message("1", memoryview(b"1"), 60, 1.5),  # type: ignore[arg-type]
            ".body",
            "a memoryview where the contract has bytes",
        ),
        ("first", Message("1", b"", True, 1.5), ".ttl", "a bool where the contract has int"),
        ("purge", True, "", "a bool where the contract has None"),
    ],
)
def test_what_it_does_not_have_is_named(method: str, value: object, where: str, what: str) -> None:
    assert shape(answer_of(MessageController, method))(value) == (where, what)


def test_what_is_wrong_inside_a_claim_is_named() -> None:
    claim = Claim("1", 60, 60, 1.5, (MESSAGE, None))  # type: ignore[arg-type]
    problem = shape(answer_of(ClaimController, "claim"))([None, claim])
    assert problem == ("[1].messages[1]", "None where the contract has a Message")


def test_metadata_has_keys_of_text() -> None:
    problem = shape(Queue)(Queue("q", {1: 2}))  # type: ignore[dict-item]
    assert problem == (".metadata[1]", "an int as a key where the contract has str")


def test_a_batch_has_one_result_per_item(driver: MemoryDriver) -> None:
    driver.messages.delete = lambda queue, handles: []  # type: ignore
    with pytest.raises(ContractBroken, match="0 results for 2 items; the contract says: Batches"):
        TypedDriver(driver).messages.delete(QueueRef(None, "q"), [contract.Handle("1")] * 2)


def test_an_error_that_is_not_named_has_its_cause(driver: MemoryDriver) -> None:
    typed = TypedDriver(driver)
    with pytest.raises(QueueNotFound):
        typed.queues.get(QueueRef(None, "q"))
    driver.queues.delete = driver.queues.get  # type: ignore
    with pytest.raises(ContractBroken, match=r"queues.delete raised QueueNotFound") as caught:
        typed.queues.delete(QueueRef(None, "q"))
    assert isinstance(caught.value.__cause__, QueueNotFound)


@pytest.mark.parametrize(
    ("name", "value", "seen"),
    [
        ("capabilities", {"FIFO"}, "Driver.capabilities is a set, which is no Capability"),
        ("limits", None, "Driver.limits is None where the contract has a Limits"),
        ("limits", Limits(body="1k"), "Driver.limits.body is a str"),  # type: ignore[arg-type]
    ],
)
def test_what_a_driver_declares_is_checked(
    driver: MemoryDriver, name: str, value: object, seen: str
) -> None:
    setattr(driver, name, value)
    with pytest.raises(ContractBroken, match=seen):
        TypedDriver(driver)


def test_the_other_methods_of_a_driver_are_checked(driver: MemoryDriver) -> None:
    typed = TypedDriver(driver)
    assert typed.volume() == QueueStats(0, 0)
    assert typed.local is True
    assert typed.capabilities == driver.capabilities
    driver.collect = lambda limit: None  # type: ignore
    with pytest.raises(ContractBroken, match="collect returned None where the contract has int"):
        typed.collect()


def written() -> str:
    """All prose of the contract."""
    modules = [contract, *vars(contract).values()]
    sources = [inspect.getsource(module) for module in modules if inspect.ismodule(module)]
    return " ".join(" ".join(sources).split())


@pytest.mark.parametrize("rule", RULES.values())
def test_a_rule_is_a_sentence_of_the_contract(rule: str) -> None:
    assert rule in written()


def test_the_named_errors_are_those_of_the_contract() -> None:
    for name, errors in NAMED_ERRORS.items():
        place, _, method = name.partition(".")
        text = inspect.getdoc(getattr(CONTROLLERS[place], method)) or ""
        assert [error.__name__ for error in errors if error.__name__ not in text] == []
    raising = {
        f"{place}.{name}"
        for place, cls in CONTROLLERS.items()
        for name, method in inspect.getmembers(cls, inspect.isfunction)
        if "Raises " in (method.__doc__ or "")
    }
    assert raising <= set(NAMED_ERRORS)


class Terminal:
    """Takes what is written, as a terminal does."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


def test_a_terminal_shows_a_bar_that_grows() -> None:
    terminal = Terminal()
    case = Case("TestX::test_y", "claims", "bare", "", (), (), (), None, beyond=False)
    progress = Progress(terminal)  # type: ignore[arg-type]
    progress((case, case), Ended(0, "passed"))
    progress((case, case), Ended(1, "failed"))
    first, second = terminal.text.split("\r")[1:]
    assert first == "claims         [############............] 1/2"
    assert second == "claims         [########################] 2/2, 1 failed\n"


def test_a_capability_is_known_to_the_reports_schema() -> None:
    assert {c.name for c in Capability} == {
        "FIFO",
        "DELAY",
        "DURABLE",
        "EXACT_STATS",
        "ATOMIC_BATCH",
        "WAKING",
    }
    assert issubclass(TypedDriver, Driver)
