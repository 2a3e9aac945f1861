"""Reading a storage URI: `scheme://user:password@host:port,host:port/path?option=value`."""

import re
from urllib.parse import SplitResult, parse_qsl, urlsplit

from .errors import BadUri

__all__ = ["StoreUri"]

_AUTHORITY = re.compile(r"([^:/?#]*://(?:[^/?#]*@)?)([^/?#]*)(.*)", re.DOTALL)
"""What is before the hosts, the hosts, and what is after them."""

Hosts = tuple[tuple[str, int | None], ...]


class StoreUri:
    """A storage URI whose options are taken one by one, so that none is ignored.

    Take each option that the driver knows, then call `done`, which refuses the rest. The text
    of every error leaves out the password. `parts` tells the first host only.
    """

    def __init__(self, uri: str) -> None:
        try:
            self.parts, self._hosts = _split(uri)
        except ValueError:
            raise BadUri(
                "the storage URI cannot be read: write scheme://user:password@host:port/path, "
                "with several hosts as host:port,host:port and "
                "'/', '@', '?' and '#' in a password as %2F, %40, %3F and %23"
            ) from None
        self.scheme = self.parts.scheme
        self._refused_hosts = self._hosts[1:]
        self._known: list[str] = []
        self._options: dict[str, str] = {}
        try:
            pairs = parse_qsl(self.parts.query, keep_blank_values=True, strict_parsing=True)
        except ValueError:
            if self.parts.query:
                raise BadUri(f"{self}: the part after '?' is not option=value&...") from None
            pairs = []
        for name, value in pairs:
            if name in self._options:
                raise BadUri(f"{self}: the option {name!r} is given twice")
            self._options[name] = value

    def __str__(self) -> str:
        """The URI without password and options, fit for logs."""
        if self.parts.netloc and "@" in self.parts.path:
            # A password with a bare '/' in it ends up here.
            return f"{self.scheme}://..."
        user = f"{self.parts.username}@" if self.parts.username else ""
        hosts = ",".join(
            (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
            for host, port in self._hosts
        )
        return f"{self.scheme}://{user}{hosts}{self.parts.path}"

    def hosts(self) -> Hosts:
        """Take all hosts, each with its port if one is written; IPv6 addresses without brackets.

        One host without a name when none is written. A driver that has no use for several does
        not call this, so that `done` refuses more than one.
        """
        self._refused_hosts = ()
        return self._hosts

    def text(self, name: str, default: str, choices: tuple[str, ...] = ()) -> str:
        """Take a text option; with `choices`, one of these."""
        self._known.append(name)
        value = self._options.pop(name, default)
        if choices and value not in choices:
            raise BadUri(f"{self}: {name} must be one of {', '.join(choices)}, not {value!r}")
        return value

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """Take a number option from `least` to `most`."""
        raw = self.text(name, str(default))
        try:
            value = float(raw)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise BadUri(f"{self}: {name} must be a number from {least} to {most}, not {raw!r}")
        return value

    def done(self) -> None:
        """Refuse every option that was not taken, and several hosts if they were not."""
        if self._refused_hosts:
            raise BadUri(f"{self}: name one host only")
        if self._options:
            unknown = ", ".join(sorted(self._options))
            known = ", ".join(sorted(self._known)) or "none"
            raise BadUri(f"{self}: unknown option {unknown}; known options: {known}")


def _split(uri: str) -> tuple[SplitResult, Hosts]:
    """Raises ValueError. `urlsplit` knows one host only, so each of the others goes by itself."""
    found = _AUTHORITY.match(uri)
    if not found:
        return urlsplit(uri), (("", None),)
    before, hosts, after = found.groups()
    first, *others = hosts.split(",")
    all_parts = [urlsplit(f"{before}{first}{after}"), *(urlsplit(f"//{each}") for each in others)]
    places = tuple((parts.hostname or "", parts.port) for parts in all_parts)
    if others and not all(host for host, _ in places):
        raise ValueError("a host without a name")
    return all_parts[0], places
