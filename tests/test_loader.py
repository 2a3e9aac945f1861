"""Finding a driver by scheme, and what is said when that fails.

The distributions are real ones, written where Python looks for them.
"""

import importlib.metadata
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mqcore.checked import CheckedDriver
from mqcore.contract import (
    BadUri,
    Closed,
    Misconfigured,
    MQError,
    NewMessage,
    QueueRef,
    Unavailable,
    new_id,
)
from mqcore.extras import installed_extras
from mqcore.loader import DriverInfo, installed_drivers, open_store

Install = Callable[..., None]

OPENS_MEMORY = """
from mqcore.contract import Clock, Driver
from mqcore.memory import open_driver as open_memory

def open_driver(uri: str, *, clock: Clock) -> Driver:
    return open_memory("memory://", clock=clock)
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs `name` 1.0 with one module and the entry points of the group `mqcore.drivers`."""
    loaded = set(sys.modules)

    def installer(name: str, code: str, entry_points: str, metadata: str = "") -> None:
        site = tmp_path / name
        info = site / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        (info / "METADATA").write_text(head + metadata, encoding="utf-8")
        (info / "entry_points.txt").write_text(
            f"[mqcore.drivers]\n{entry_points}\n", encoding="utf-8"
        )
        (site / f"{name.replace('-', '_')}.py").write_text(code, encoding="utf-8")
        monkeypatch.syspath_prepend(str(site))

    yield installer
    for module in set(sys.modules) - loaded:
        if module.startswith("acme"):
            del sys.modules[module]


def failure(uri: str) -> MQError:
    with pytest.raises(MQError) as caught:
        open_store(uri)
    assert "\n" not in str(caught.value)
    return caught.value


def info(scheme: str) -> DriverInfo:
    return next(driver for driver in installed_drivers() if driver.scheme == scheme)


def test_a_store_is_opened_by_its_scheme_and_checked() -> None:
    store = open_store("memory://")
    assert isinstance(store, CheckedDriver)
    store.ping()
    store.close()
    with pytest.raises(Closed):
        store.ping()


def test_the_clock_is_handed_to_the_driver() -> None:
    store = open_store("memory://", clock=lambda: 42.0)
    queue = QueueRef(None, "q")
    store.queues.create(queue, {})
    store.messages.post(queue, [NewMessage(new_id(), b"1", 60)])
    assert store.messages.first(queue).posted_at == 42.0
    store.close()


def test_a_driver_of_a_third_party_is_found(install: Install) -> None:
    install("acme-good", OPENS_MEMORY, "acme = acme_good:open_driver")
    open_store("acme://somewhere/x?y=z").close()


def test_an_unknown_scheme_lists_the_installed_ones() -> None:
    error = failure("rabbit://user:hush@host/")
    assert isinstance(error, BadUri)
    assert "[storage] uri" in str(error)
    assert "'rabbit'" in str(error)
    assert "memory, " in str(error)
    assert "sqlite, " in str(error)
    assert "hush" not in str(error)


@pytest.mark.parametrize("uri", ["", "q.db", "/var/lib/q.db", "sqlite:/q.db", "user:hush@host"])
def test_text_that_is_no_uri_is_told_what_one_looks_like(uri: str) -> None:
    error = failure(uri)
    assert isinstance(error, BadUri)
    assert "[storage] uri" in str(error)
    assert "sqlite:////var/lib/mqcore/mqcore.db" in str(error)
    assert "hush" not in str(error)


def test_a_missing_library_names_the_extra_of_the_distribution(install: Install) -> None:
    install(
        "acme-extra",
        "import acme_client_library",
        "acmes = acme_extra:open_driver",
        "Provides-Extra: acmes\nRequires-Dist: acme-client; extra == 'acmes'\n",
    )
    error = failure("acmes://")
    assert isinstance(error, Misconfigured)
    assert "'acme_client_library'" in str(error)
    assert "pip install 'acme-extra[acmes]'" in str(error)
    assert isinstance(error.__cause__, ModuleNotFoundError)


def test_the_extra_may_be_named_by_the_entry_point(install: Install) -> None:
    install(
        "acme-named",
        "import acme_client_library",
        "acmen = acme_named:open_driver [fast]",
        "Provides-Extra: fast\n",
    )
    assert "pip install 'acme-named[fast]'" in str(failure("acmen://"))


def test_a_missing_library_without_an_extra_names_the_distribution(install: Install) -> None:
    install("acme-bare", "import acme_client_library", "acmeb = acme_bare:open_driver")
    assert "pip install --force-reinstall acme-bare" in str(failure("acmeb://"))


def test_a_library_that_is_missed_only_on_opening_is_named_too(install: Install) -> None:
    code = "def open_driver(uri, *, clock):\n    import acme_client_library\n"
    install("acme-late", code, "acmel = acme_late:open_driver")
    error = failure("acmel://")
    assert isinstance(error, Misconfigured)
    assert "'acme_client_library'" in str(error)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("assert False, 'first\\nsecond'", "AssertionError: first"),
        ("def open_driver(", "SyntaxError"),
        ("from mqcore.contract import Gone", "ImportError"),
        ("import mqcore.gone", "ModuleNotFoundError"),
        ("import acme_bad.gone", "ModuleNotFoundError"),
        ("", "AttributeError"),
        ("open_driver = 5", "is not callable"),
        ("def open_driver(uri, *, clock): return None", "NoneType, which is not a Driver"),
    ],
)
def test_a_broken_driver_is_named_with_its_distribution(
    install: Install, code: str, reason: str
) -> None:
    install("acme-bad", code, "acmebad = acme_bad:open_driver")
    error = failure("acmebad://")
    assert isinstance(error, Misconfigured)
    assert "'acmebad' of acme-bad 1.0" in str(error)
    assert reason in str(error)


def test_a_foreign_error_on_opening_is_unavailable_without_the_password(install: Install) -> None:
    code = "def open_driver(uri, *, clock):\n    raise OSError('no route to ' + uri + ' p@ss')\n"
    install("acme-down", code, "acmed = acme_down:open_driver")
    error = failure("acmed://me:p%40ss@host/db?token=hush")
    assert isinstance(error, Unavailable)
    assert isinstance(error.__cause__, OSError)
    assert "OSError: no route to acmed://me@host/db" in str(error)
    assert not any(secret in str(error) for secret in ("p%40ss", "p@ss", "hush"))


def test_an_error_of_the_contract_passes_as_it_is(install: Install) -> None:
    code = (
        "from mqcore.contract import Unavailable\n"
        "def open_driver(uri, *, clock):\n    raise Unavailable('asleep')\n"
    )
    install("acme-asleep", code, "acmea = acme_asleep:open_driver")
    assert str(failure("acmea://")) == "asleep"


def test_two_distributions_of_one_scheme_are_both_named(install: Install) -> None:
    install("acme-one", OPENS_MEMORY, "acmetwice = acme_one:open_driver")
    install("acme-two", "1 / 0", "acmetwice = acme_two:open_driver")
    error = failure("acmetwice://")
    assert isinstance(error, Misconfigured)
    assert "acme-one 1.0 and acme-two 1.0" in str(error)
    assert "acme-one 1.0 and acme-two 1.0" in str(info("acmetwice").problem)


def test_another_distribution_of_a_scheme_of_ours_is_refused(install: Install) -> None:
    install("acme-memory", OPENS_MEMORY, "memory = acme_memory:open_driver")
    assert "acme-memory 1.0 and mqcore" in str(failure("memory://"))


def test_the_inventory_says_what_each_driver_declares(install: Install) -> None:
    install("acme-good", OPENS_MEMORY, "acme = acme_good:open_driver")
    memory = info("memory")
    assert memory.distribution == "mqcore"
    assert memory.version == importlib.metadata.version("mqcore")
    assert memory.problem is None
    assert memory.capabilities is not None
    assert "FIFO" in memory.capabilities
    later = info("acme")
    assert (later.problem, later.capabilities) == (None, None)


def test_the_inventory_survives_a_broken_driver(install: Install) -> None:
    install("acme-bad", "1 / 0", "acmebad = acme_bad:open_driver")
    assert "ZeroDivisionError" in str(info("acmebad").problem)
    assert info("memory").problem is None


def test_extras_are_read_from_the_metadata_and_tried(install: Install) -> None:
    install(
        "acme-extras",
        "",
        "acmex = acme_extras:open_driver",
        "Provides-Extra: there\nProvides-Extra: absent\nProvides-Extra: test\n"
        "Requires-Dist: pytest>=1; extra == 'there'\n"
        "Requires-Dist: acme-client[fast]>=2; extra == 'absent'\n",
    )
    there, absent = installed_extras("acme-extras")
    assert (there.name, there.libraries, there.usable) == ("there", ("pytest",), True)
    assert (absent.name, absent.libraries, absent.usable) == ("absent", ("acme-client",), False)
    assert absent.problems == ("acme-client is not installed",)
    assert installed_extras("acme-never-heard-of") == []
