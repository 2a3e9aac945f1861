"""Reading the configuration: a flag wins over the environment, that over the file, that over
the default.

The environment variable of an option is `MQCORE_<GROUP>_<OPTION>` in capitals, with `_` for
what is neither letter nor digit, and without the group for `[DEFAULT]`. Values are taken as
they are written: `$` has no meaning in them, unlike elsewhere in OpenStack.
"""

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import quote

from oslo_config import cfg, iniparser, types
from platformdirs import user_state_path

from .contract import Misconfigured
from .options import SERVER_GROUP, list_opts
from .service.limits import ServiceLimits

__all__ = [
    "LogSettings",
    "ServerSettings",
    "Settings",
    "environment_name",
    "list_opts",
    "load_settings",
]

SYSTEM_FILE = "/etc/mqcore/mqcore.conf"
FILE_VARIABLE = "MQCORE_CONFIG_FILE"


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """`[drivers:transport:wsgi]`, and who is trusted. Times in seconds, sizes in bytes."""

    bind: str = "127.0.0.1"
    port: int = 8888
    workers: int = 1
    storage_threads: int = 8
    max_waiting: int = 1000
    max_waiting_per_project: int = 500
    request_timeout: int = 30
    shutdown_timeout: int = 20
    keep_alive: int = 75
    max_header_size: int = 65536
    admin_mode: bool = False
    trust_identity_headers: bool = False


@dataclass(frozen=True, slots=True)
class LogSettings:
    """`[log]`."""

    level: str = "info"
    format: str = "text"


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration, checked. `warnings` are for the deployer, one sentence each."""

    limits: ServiceLimits
    server: ServerSettings
    log: LogSettings
    storage_uri: str = field(repr=False)
    signed_url_key: str | None = field(default=None, repr=False)
    config_file: str | None = None
    warnings: tuple[str, ...] = ()


_Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Given:
    """A value as somebody wrote it, and where."""

    value: object
    origin: str


class _Values:
    """All options with their checked values."""

    def __init__(self, given: Mapping[_Name, _Given]) -> None:
        self._given = given
        self._values = {
            (group, opt.name): self._check(group, opt)
            for group, opts in list_opts()
            for opt in opts
        }

    def __getitem__(self, name: _Name) -> Any:
        return self._values[name]

    def describe(self, name: _Name) -> str:
        """An option with its value and origin, for an error."""
        given = self._given.get(name)
        origin = given.origin if given else "the default"
        return f"[{name[0]}] {name[1]} = {self._values[name]} (from {origin})"

    def _check(self, group: str, opt: cfg.Opt) -> Any:
        given = self._given.get((group, opt.name))
        if given is None:
            return opt.default
        try:
            value = opt.type(given.value)
        except (ValueError, TypeError):
            value = None
        if value is None:
            shown = "the value" if opt.secret else repr(given.value)
            raise Misconfigured(
                f"[{group}] {opt.name} (from {given.origin}): {shown} is not valid; "
                f"it must be {_allowed(opt.type)}"
            )
        return value


def _allowed(kind: Any) -> str:
    """What a value of an option's type may be."""
    if isinstance(kind, types.Integer):
        return f"a whole number from {kind.min} to {kind.max}"
    if isinstance(kind, types.Boolean):
        return "true or false"
    if isinstance(kind, types.List):
        return f"a list separated by commas, each {_allowed(kind.item_type)}"
    if isinstance(kind, types.String) and kind.choices:
        return f"one of {', '.join(kind.choices)}"
    return "text"


def environment_name(group: str, option: str) -> str:
    """The environment variable that sets an option."""
    parts = ["mqcore", option] if group == "DEFAULT" else ["mqcore", group, option]
    return re.sub(r"[^A-Z0-9]", "_", "_".join(parts).upper())


def load_settings(
    config_file: str | None = None,
    overrides: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Read, merge and check all settings.

    `overrides` are the flags, as `group.option` (`storage.uri`); None is not given. Without
    `config_file`, `$MQCORE_CONFIG_FILE` is read, else `/etc/mqcore/mqcore.conf` if there is one.
    Raises Misconfigured, which names the option, where its value came from and what is allowed.
    """
    environ = os.environ if environ is None else environ
    path = config_file or environ.get(FILE_VARIABLE) or None
    if path is None and os.path.exists(SYSTEM_FILE):
        path = SYSTEM_FILE
    warnings: list[str] = []
    given: dict[_Name, _Given] = {}
    if path is not None:
        given.update(_from_file(path, warnings))
    given.update(_from_environment(environ, warnings))
    given.update(_from_flags(overrides or {}))
    values = _Values(given)
    _check_available(values)
    _check_together(values)
    return _settings(values, path, tuple(warnings))


def _settings(values: _Values, path: str | None, warnings: tuple[str, ...]) -> Settings:
    limits = {
        f.name: values["DEFAULT" if f.name == "enable_checksum" else "transport", f.name]
        for f in fields(ServiceLimits)
    }
    limits["subscriber_types"] = tuple(limits["subscriber_types"])
    shared = ("admin_mode", "trust_identity_headers")
    server = {
        f.name: values["DEFAULT" if f.name in shared else SERVER_GROUP, f.name]
        for f in fields(ServerSettings)
    }
    uri = values["storage", "uri"]
    return Settings(
        limits=ServiceLimits(**limits),
        server=ServerSettings(**server),
        log=LogSettings(values["log", "level"], values["log", "format"]),
        storage_uri=_default_store() if uri is None else uri,
        signed_url_key=values["signed_url", "secret_key"],
        config_file=path,
        warnings=warnings,
    )


def _names() -> Iterator[_Name]:
    for group, opts in list_opts():
        for opt in opts:
            yield group, opt.name


def _from_file(path: str, warnings: list[str]) -> dict[_Name, _Given]:
    known = set(_names())
    groups = {group.lower(): group for group, _ in known}
    given: dict[_Name, _Given] = {}
    for section, options in _read(path).items():
        group = groups.get(section.lower())
        if group is None:
            guess = _guess(section, groups)
            warnings.append(f"{path}: the unknown group [{section}] is ignored{guess}")
            continue
        for option, values in options.items():
            if (group, option) in known:
                given[group, option] = _Given(values[-1], path)
            else:
                guess = _guess(option, [name for g, name in known if g == group])
                warnings.append(f"{path}: the unknown option [{group}] {option} is ignored{guess}")
    return given


def _read(path: str) -> dict[str, dict[str, list[str]]]:
    sections: dict[str, dict[str, list[str]]] = {}
    try:
        cfg.ConfigParser(path, sections).parse()
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise Misconfigured(f"the config file {path} cannot be read: {reason}") from exc
    except UnicodeDecodeError as exc:
        raise Misconfigured(f"the config file {path} is not a text file in UTF-8") from exc
    except iniparser.ParseError as exc:
        # Not the line itself, which may hold a password.
        reason = f"line {exc.lineno}: {exc.msg}"
        raise Misconfigured(f"the config file {path} cannot be understood: {reason}") from None
    return sections


def _from_environment(environ: Mapping[str, str], warnings: list[str]) -> dict[_Name, _Given]:
    by_variable = {environment_name(*name): name for name in _names()}
    given: dict[_Name, _Given] = {}
    for variable, value in environ.items():
        if not variable.startswith("MQCORE_") or variable == FILE_VARIABLE:
            continue
        name = by_variable.get(variable)
        if name is None:
            guess = _guess(variable, by_variable)
            warnings.append(f"the unknown environment variable {variable} is ignored{guess}")
        else:
            given[name] = _Given(value, f"the environment variable {variable}")
    return given


def _from_flags(overrides: Mapping[str, object]) -> dict[_Name, _Given]:
    known = set(_names())
    given: dict[_Name, _Given] = {}
    for key, value in overrides.items():
        group, _, option = key.rpartition(".")
        name = (group or "DEFAULT", option)
        if name not in known:
            raise Misconfigured(f"there is no option [{name[0]}] {option}")
        if value is not None:
            given[name] = _Given(value, "the command line")
    return given


def _guess(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.75)
    return f"; did you mean {close[0]}?" if close else ""


def _check_available(values: _Values) -> None:
    """Refuse what would leave the service less protected than its deployer believes."""
    if values["DEFAULT", "auth_strategy"].strip():
        raise Misconfigured(
            f"{values.describe(('DEFAULT', 'auth_strategy'))}: this version cannot authenticate "
            "callers; leave it empty, and let only trusted clients reach the server"
        )
    if values["DEFAULT", "pooling"]:
        raise Misconfigured(
            f"{values.describe(('DEFAULT', 'pooling'))}: pools are not available yet; "
            "set it to false"
        )


def _check_together(values: _Values) -> None:
    for small, large in (
        ("default_message_ttl", "max_message_ttl"),
        ("default_message_delay", "max_message_delay"),
        ("default_claim_ttl", "max_claim_ttl"),
        ("default_claim_grace", "max_claim_grace"),
        ("min_length_client_id", "max_length_client_id"),
    ):
        low, high = ("transport", small), ("transport", large)
        if values[low] > values[high]:
            raise Misconfigured(
                f"{values.describe(low)} is more than {values.describe(high)}: "
                "lower the first or raise the second"
            )


def _default_store() -> str:
    """The SQLite file in the user's state folder, which is made when it is missing."""
    folder = user_state_path("mqcore")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise Misconfigured(
            f"the folder {folder} for the default store cannot be made: {exc.strerror}; "
            "set [storage] uri to where the data shall be"
        ) from exc
    return f"sqlite:///{quote(str(folder / 'mqcore.db'))}"
