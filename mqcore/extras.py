"""The extras of a distribution: which optional libraries it can use, and which are there.

Everything is read from the metadata of what is installed.
"""

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import (
    Distribution,
    EntryPoint,
    PackageNotFoundError,
    distribution,
    packages_distributions,
)

__all__ = ["ExtraInfo", "extra_of", "installed_extras"]

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")

DEVELOPMENT = ("bench", "conformance", "test")
"""The extras of those who write a driver or work on a distribution, not of those who use it."""


@dataclass(frozen=True, slots=True)
class ExtraInfo:
    """An extra, the libraries that it installs, and what is wrong with them."""

    name: str
    libraries: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def usable(self) -> bool:
        return not self.problems


def extra_of(entry: EntryPoint) -> str | None:
    """The extra of the entry point's distribution that brings its client library.

    The one that the entry point names in brackets, or the one called like its scheme or like
    its package without `mqcore_`.
    """
    offered = entry.dist.metadata.get_all("Provides-Extra", []) if entry.dist else []
    package = entry.module.partition(".")[0].removeprefix("mqcore_")
    for candidate in (*entry.extras, entry.name, package):
        if candidate in offered:
            return candidate
    return None


def installed_extras(name: str = "mqcore") -> list[ExtraInfo]:
    """Every extra for users of the distribution, and whether its libraries can be imported."""
    try:
        dist = distribution(name)
    except PackageNotFoundError:
        return []
    modules: dict[str, list[str]] = {}
    for module, owners in packages_distributions().items():
        for owner in owners:
            modules.setdefault(_normal(owner), []).append(module)
    return [
        _inspect(extra, tuple(_libraries(dist, extra)), modules)
        for extra in dist.metadata.get_all("Provides-Extra", [])
        if extra not in DEVELOPMENT
    ]


def _libraries(dist: Distribution, extra: str) -> Iterator[str]:
    for requirement in dist.requires or []:
        name, condition = _NAME.match(requirement), _EXTRA.search(requirement)
        if name and condition and condition[1] == extra:
            yield name[0]


def _inspect(extra: str, libraries: tuple[str, ...], modules: dict[str, list[str]]) -> ExtraInfo:
    problems = []
    for library in libraries:
        found = [m for m in modules.get(_normal(library), []) if m.isidentifier()]
        public = [m for m in found if not m.startswith("_")]
        if not found:
            problems.append(f"{library} is not installed")
        for module in public:
            try:
                importlib.import_module(module)
            except Exception as exc:  # whatever a library raises is the finding
                reason = f"{type(exc).__name__}: {exc}".splitlines()[0]
                problems.append(f"{library} is installed but cannot be imported ({reason})")
    return ExtraInfo(extra, libraries, tuple(problems))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
