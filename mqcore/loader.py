"""Finding the driver of a storage URI and opening it."""

import time
import typing
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from urllib.parse import unquote

from stevedore.driver import DriverManager
from stevedore.extension import error_on_conflict

from .checked import CheckedDriver
from .contract import (
    BadUri,
    Capability,
    Clock,
    Driver,
    Misconfigured,
    MQError,
    Schema,
    StoreUri,
    Unavailable,
)
from .extras import extra_of

__all__ = [
    "BrokenDriver",
    "DriverInfo",
    "bare_opener",
    "installed_drivers",
    "open_store",
    "schema_of",
    "without_secrets",
]

NAMESPACE = "mqcore.drivers"
SCHEMAS = "mqcore.schemas"
SETTING = "[storage] uri"


class BrokenDriver(Misconfigured):
    """A driver is installed, but does not do what an entry point must."""

    code = "broken_driver"


@dataclass(frozen=True, slots=True)
class DriverInfo:
    """An installed driver. `problem` says why it cannot be loaded; None is loadable.

    `capabilities` is None when they are known only after opening.
    """

    scheme: str
    distribution: str
    version: str
    extra: str | None
    problem: str | None
    capabilities: tuple[str, ...] | None


class _Manager(DriverManager[object]):
    """stevedore without its cache on disk.

    The cache loses which distribution an entry point is from, and it may be two minutes behind
    an installation.
    """

    def list_entry_points(self) -> list[EntryPoint]:
        return list(entry_points(group=self.namespace))


def open_store(uri: str, *, clock: Clock = time.time) -> Driver:
    """Open the store that the URI names, with the driver of its scheme.

    What comes back refuses what the driver does not declare (`mqcore.checked`). Raises BadUri
    or Misconfigured, which say what to change, or Unavailable when the store is not there.
    """
    try:
        return CheckedDriver(bare_opener(uri)(clock))
    except MQError:
        raise
    except Exception as exc:
        label, reason = _label(_find(_scheme(uri))), without_secrets(_first_line(exc), uri)
        raise Unavailable(
            f"the driver {label} could not open the store of {SETTING}: {reason}"
        ) from exc


def bare_opener(uri: str) -> Callable[[Clock], Driver]:
    """Load the driver; each call of the result opens a handle on its store, without core's gate.

    Both raise like `open_store`, but errors of the driver come out of the call as they are.
    """
    entry = _find(_scheme(uri))
    plugin = _load(entry)

    def open_bare(clock: Clock) -> Driver:
        try:
            driver = plugin(uri, clock=clock)
        except ModuleNotFoundError as exc:
            raise _cannot_load(entry, exc) from exc
        if not isinstance(driver, Driver):
            raise _broken(entry, f"it opened a {type(driver).__name__}, which is not a Driver")
        return driver

    return open_bare


def schema_of(uri: str) -> Schema | None:
    """What upgrades the store of the URI; None when there is nothing to upgrade.

    Raises BadUri or Misconfigured.
    """
    owner = _find(_scheme(uri))
    for entry in entry_points(group=SCHEMAS, name=owner.name):
        if _owner(entry) == _owner(owner):
            return typing.cast(Schema, _imported(entry))
    return None


def installed_drivers() -> list[DriverInfo]:
    """Every driver that is installed, by scheme, and what is wrong with it if anything is."""
    return [_inspect(e) for e in sorted(_installed(), key=lambda e: (e.name, e.value))]


def _installed() -> list[EntryPoint]:
    return list(entry_points(group=NAMESPACE))


def _scheme(uri: str) -> str:
    if "://" not in uri:
        raise BadUri(
            f"{SETTING} is not a URI: write scheme://user:password@host:port/path or, for a file, "
            f"sqlite:////var/lib/mqcore/mqcore.db; {_offer()}"
        )
    return StoreUri(uri).scheme


def _offer() -> str:
    schemes = sorted({entry.name for entry in _installed()})
    return f"installed schemes: {', '.join(schemes) or 'none'}"


def _find(scheme: str) -> EntryPoint:
    found = [entry for entry in _installed() if entry.name == scheme]
    if not found:
        raise BadUri(f"{SETTING}: no installed driver has the scheme {scheme!r}; {_offer()}")
    if len(found) > 1:
        owners = " and ".join(sorted(_owner(entry) for entry in found))
        raise Misconfigured(
            f"{SETTING}: the scheme {scheme!r} is claimed by {owners}; uninstall all but one"
        )
    return found[0]


def _load(entry: EntryPoint) -> Callable[..., object]:
    plugin = _imported(entry)
    if not callable(plugin):
        raise _broken(entry, f"{entry.value} is not callable")
    return plugin


def _imported(entry: EntryPoint) -> object:
    try:
        return _Manager(entry.group, entry.name, conflict_resolver=error_on_conflict).driver
    except Exception as exc:
        raise _cannot_load(entry, exc) from exc


def _cannot_load(entry: EntryPoint, exc: Exception) -> Misconfigured:
    if isinstance(exc, ModuleNotFoundError) and exc.name:
        library = exc.name.partition(".")[0]
        if library not in (entry.module.partition(".")[0], "mqcore"):
            return Misconfigured(
                f"the driver {_label(entry)} needs the Python library {exc.name!r}, which is not "
                f"installed; run: {_install(entry)}"
            )
    return _broken(entry, _first_line(exc))


def _install(entry: EntryPoint) -> str:
    name = entry.dist.name if entry.dist else entry.module
    extra = extra_of(entry)
    return f"pip install '{name}[{extra}]'" if extra else f"pip install --force-reinstall {name}"


def _broken(entry: EntryPoint, reason: str) -> BrokenDriver:
    return BrokenDriver(
        f"the driver {_label(entry)} cannot be used: {reason}; install a version of it that fits "
        f"this mqcore, or choose another scheme in {SETTING}"
    )


def _inspect(entry: EntryPoint) -> DriverInfo:
    problem, capabilities = None, None
    try:
        capabilities = _declared(_load(_find(entry.name)))
    except Misconfigured as exc:
        problem = str(exc)
    return DriverInfo(
        scheme=entry.name,
        distribution=entry.dist.name if entry.dist else "?",
        version=entry.dist.version if entry.dist else "?",
        extra=extra_of(entry),
        problem=problem,
        capabilities=capabilities,
    )


def _declared(plugin: Callable[..., object]) -> tuple[str, ...] | None:
    """What the class that `open_driver` is annotated to return declares for all its handles."""
    try:
        cls = typing.get_type_hints(plugin).get("return")
    except (NameError, TypeError, AttributeError):
        return None
    declared = getattr(cls, "capabilities", None)
    if not isinstance(declared, Capability):
        return None
    return tuple(c.name for c in Capability if c in declared and c.name)


def _owner(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def _label(entry: EntryPoint) -> str:
    return f"{entry.name!r} of {_owner(entry)}"


def _first_line(exc: Exception) -> str:
    text = next(iter(str(exc).splitlines()), "")
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__


def without_secrets(text: str, uri: str) -> str:
    """The text, with password and options of the URI left out wherever they occur in it."""
    parsed = StoreUri(uri)
    text = text.replace(uri, str(parsed))
    password = parsed.parts.password or ""
    for secret in (password, unquote(password), parsed.parts.query):
        if secret:
            text = text.replace(secret, "***")
    return text
