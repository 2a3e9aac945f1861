"""The distribution as its users get it: built, installed elsewhere, used elsewhere."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Building and installing fetch from the package index.
pytestmark = pytest.mark.timeout(900)

ONE_MESSAGE = """
import sys
from mqcore.contract import ClaimRequest, Handle, NewMessage, QueueRef, new_id
from mqcore.loader import open_store

for uri in sys.argv[1:]:
    store, queue = open_store(uri), QueueRef("p", "q")
    store.queues.create(queue, {})
    (posted,) = store.messages.post(queue, [NewMessage(new_id(), b'{"a": 1}', 300)])
    (claim,) = store.claims.claim(queue, [ClaimRequest(new_id(), 10, 300, 60)])
    assert [m.id for m in claim.messages] == [posted], claim
    assert store.messages.delete(queue, [Handle(posted, (claim.id,))]) == [None]
    assert store.queues.stats(queue).total == 0
    store.close()
    print("good", uri.partition(":")[0])
"""


FAILING_DRIVER = """
import pytest
from mqcore.conformance import *
from mqcore.memory import open_driver

class ToyHarness(Harness):
    def open(self, clock):
        self.kept = driver = open_driver("memory://toy", clock=clock)
        driver.queues.create = lambda queue, metadata: False
        return driver

@pytest.fixture
def harness():
    return ToyHarness()
"""


def call(*command: str | Path, cwd: Path, status: int = 0) -> str:
    """Run a command without anything that points to the checkout; returns what it printed."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in hidden and not key.startswith("MQCORE_")
    }
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=kept, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout if status == 0 else done.stdout + done.stderr


def new_environment(folder: Path) -> Path:
    """Make a virtual environment; returns its folder of commands."""
    venv.create(folder, with_pip=True, symlinks=True)
    return folder / "bin"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, so that building neither uses nor leaves anything in the checkout."""
    unwanted = (".*", "build", "dist", "*.egg-info", "__pycache__")
    copy = tmp_path_factory.mktemp("sources") / "mqcore"
    return Path(shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*unwanted)))


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "build", "--wheel", "--outdir", target, checkout, cwd=target)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of a new environment with the wheel and what it requires, no more."""
    commands = new_environment(tmp_path_factory.mktemp("environment") / "venv")
    call(commands / "python", "-m", "pip", "install", "--quiet", wheel, cwd=wheel.parent)
    return commands


def test_the_wheel_brings_only_our_names_and_all_files(wheel: Path, checkout: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert all(top.startswith("mqcore") for top in tops), tops
    assert any(name.endswith("/LICENSE") for name in names)
    assert {"mqcore/py.typed", "mqcore_sql/py.typed"} <= set(names)
    sources = {
        path.relative_to(base).as_posix()
        for base in (checkout, *(checkout / "drivers").iterdir())
        for path in base.glob("mqcore*/**/*")
        if path.is_file() and ".egg-info" not in path.parts[-2]
    }
    assert sources - set(names) == set()


def usable(listed: str) -> set[str]:
    """The schemes that `mqcore drivers` finds usable: those that need no extra, without any."""
    rows = [line.split() for line in listed.splitlines()]
    return {row[0] for row in rows if row[1:2] == ["mqcore"] and row[3] == "ok"}


def test_the_commands_work_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    assert call(installed / "mqcore", "--version", cwd=tmp_path).startswith("mqcore ")
    listed = call(installed / "mqcore", "drivers", cwd=tmp_path)
    assert usable(listed) == {"memory", "sqlite"}
    assert "[storage]" in call(installed / "mqcore", "config", "sample", cwd=tmp_path)


def test_a_message_goes_through_every_embedded_store(installed: Path, tmp_path: Path) -> None:
    uris = ("memory://", f"sqlite:///{tmp_path}/q.db")
    done = call(installed / "python", "-c", ONE_MESSAGE, *uris, cwd=tmp_path)
    assert done.split("\n") == ["good memory", "good sqlite", ""]


def test_the_suite_says_that_it_needs_pytest(installed: Path, tmp_path: Path) -> None:
    code = (
        "try:\n    import mqcore.conformance\n"
        "except ImportError as exc:\n    assert 'pytest' in str(exc), exc\n"
    )
    call(installed / "python", "-c", code, cwd=tmp_path)


def certify(commands: Path, folder: Path, *options: str) -> None:
    """The command finds the reference driver good; a test file shows the values of an assert."""
    good = call(commands / "mqcore", "conformance", "memory://", *options, cwd=folder)
    assert "0 failed." in good
    (folder / "test_toy.py").write_text(FAILING_DRIVER)
    pytest_on_it = (commands / "python", "-m", "pytest", "-p", "no:cacheprovider", "test_toy.py")
    selected = ("-k", "test_create_says_whether_the_queue_is_new")
    assert "assert False is True" in call(*pytest_on_it, *selected, cwd=folder, status=1)


def test_the_suite_runs_with_its_extra(installed: Path, wheel: Path, tmp_path: Path) -> None:
    refused = call(installed / "mqcore", "conformance", "memory://", cwd=tmp_path, status=2)
    assert "pip install 'mqcore[conformance]'" in refused
    extra = f"{wheel}[conformance]"
    call(installed / "python", "-m", "pip", "install", "--quiet", extra, cwd=tmp_path)
    # That the reference driver passes them all is shown in tests/conformance; here, that what the
    # extra brings is enough for them: Hypothesis is needed by one group only.
    certify(installed, tmp_path, "--group", "claims", "--group", "machine", "--group", "races")


def test_an_editable_install_works_alike(installed: Path, checkout: Path, tmp_path: Path) -> None:
    # Reuses the environment, whose requirements are there already; so it is the last test.
    call(
        *(installed / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--editable"),
        checkout,
        cwd=tmp_path,
    )
    where = call(installed / "python", "-c", "import mqcore; print(mqcore.__file__)", cwd=tmp_path)
    assert where.strip() == str(checkout / "mqcore" / "__init__.py")
    assert usable(call(installed / "mqcore", "drivers", cwd=tmp_path)) == {"memory", "sqlite"}
    done = call(installed / "python", "-c", ONE_MESSAGE, "memory://", cwd=tmp_path)
    assert done == "good memory\n"
    certify(installed, tmp_path, "--group", "claims")
