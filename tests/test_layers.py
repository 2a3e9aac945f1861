"""Who may import whom (design: contract < drivers, service, conformance < transport < server)."""

import ast
import configparser
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

SOURCES = {
    ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__"): path
    for base in (ROOT, *(ROOT / "drivers").iterdir())
    for path in base.rglob("*.py")
    if path.relative_to(base).parts[0].startswith("mqcore")
}

STANDARD = frozenset(sys.stdlib_module_names)
CONTRACT = ("mqcore.contract",)

WEB = frozenset({"falcon", "uvicorn", "uvloop", "httptools"})
STORES = frozenset({"sqlalchemy", "alembic", "redis", "pymongo", "swiftclient", "psycopg"})
OPENING = frozenset({"stevedore", "oslo_config", "platformdirs"})


def imports(module: str) -> Iterator[str]:
    """Every module that the source imports, anywhere in it, by full name."""
    path = SOURCES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in SOURCES else base


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def ours(name: str) -> bool:
    return name.startswith("mqcore")


def shut_out(module: str) -> frozenset[str]:
    """Which libraries a module must not know."""
    if within(module, ("mqcore.service", "mqcore.conformance")):
        return WEB | STORES | OPENING
    if within(module, ("mqcore.transport",)):
        return STORES | OPENING
    if within(module, ("mqcore.bench",)):
        return STORES
    return WEB | OPENING if not within(module, ("mqcore",)) else frozenset()


def allowed(module: str) -> tuple[str, ...] | None:
    """Which modules of ours a module may import; None is any but a driver's."""
    top = module.partition(".")[0]
    if top != "mqcore":
        return (*CONTRACT, top)
    for package in ("mqcore.contract", "mqcore.conformance", "mqcore.service"):
        if within(module, (package,)):
            return (*CONTRACT, package)
    if within(module, ("mqcore.transport",)):
        return (*CONTRACT, "mqcore.service", "mqcore.transport", "mqcore.logs")
    if within(module, ("mqcore.memory",)):
        return (*CONTRACT, "mqcore.memory")
    if module in ("mqcore.checked", "mqcore.waking"):
        return CONTRACT
    return None


def test_the_contract_needs_nothing_but_python_and_msgspec() -> None:
    parts = [m for m in SOURCES if within(m, CONTRACT)]
    foreign = {n for m in parts for n in imports(m) if not within(n, CONTRACT)}
    assert {name.partition(".")[0] for name in foreign} <= STANDARD | {"msgspec"}


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_a_module_imports_only_what_its_layer_may_know(module: str) -> None:
    permitted = allowed(module)
    wrong = []
    for name in imports(module):
        if ours(name):
            if permitted is None:
                wrong += [name] if name.partition(".")[0] != "mqcore" else []
            elif not within(name, permitted):
                wrong.append(name)
        elif "zaqar" in name or name.partition(".")[0] in shut_out(module):
            wrong.append(name)
    assert wrong == []


def test_the_benchmarks_name_no_store() -> None:
    named = "memory://|mqcore.memory|sqlite|postgres|mysql|maria|redis|mongo|swift"
    for path in (ROOT / "mqcore" / "bench").iterdir():
        if path.is_file():
            assert re.findall(named, path.read_text(encoding="utf-8").lower()) == [], path


def test_only_the_configuration_knows_oslo_config() -> None:
    users = {m for m in SOURCES if any(within(n, ("oslo_config",)) for n in imports(m))}
    assert users <= {"mqcore.config", "mqcore.options", "mqcore.cli"}


def test_the_sources_were_found() -> None:
    assert {"mqcore.contract.values", "mqcore.service", "mqcore_sql"} <= set(SOURCES)


def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def packages() -> list[str]:
    return setup_cfg()["options"]["packages"].split()


def folders() -> dict[str, Path]:
    """Every folder with Python files, by package name."""
    names = {m if p.name == "__init__.py" else m.rpartition(".")[0] for m, p in SOURCES.items()}
    return {name: _folder(name) for name in names}


def _folder(package: str) -> Path:
    return next(p.parent for m, p in SOURCES.items() if _parent(m, p) == package)


def _parent(module: str, path: Path) -> str:
    return module if path.name == "__init__.py" else module.rpartition(".")[0]


def test_every_package_is_declared() -> None:
    assert sorted(packages()) == sorted(folders())


def test_every_top_package_has_its_folder_declared() -> None:
    lines = setup_cfg()["options"]["package_dir"].split("\n")
    pairs = [line.split("=") for line in lines if line]
    declared = {name.strip(): folder.strip() for name, folder in pairs}
    tops = {name for name in folders() if "." not in name}
    assert declared == {name: str(_folder(name).relative_to(ROOT)) for name in tops}


def test_every_data_file_is_declared() -> None:
    declared = {name: text.split() for name, text in setup_cfg()["options.package_data"].items()}
    missing = []
    for name, folder in folders().items():
        for path in folder.iterdir():
            if path.is_dir() or path.suffix in (".py", ".pyc"):
                continue
            owners = [name, *_above(name)]
            found = any(
                fnmatch(str(path.relative_to(_folder(owner))), pattern)
                for owner in owners
                for pattern in declared.get(owner, [])
            )
            missing += [] if found else [str(path.relative_to(ROOT))]
    assert missing == []


def _above(package: str) -> Iterator[str]:
    while "." in package:
        package = package.rpartition(".")[0]
        yield package


def test_drivers_are_not_packages_themselves() -> None:
    assert not (ROOT / "drivers" / "__init__.py").exists()
    for folder in (ROOT / "drivers").iterdir():
        assert not (folder / "__init__.py").exists()
        assert not list(folder.rglob("test_*.py"))
