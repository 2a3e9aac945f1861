"""Reading a storage URI: `scheme://user:password@host:port/path?option=value`."""

from urllib.parse import SplitResult, parse_qsl, urlsplit

from .errors import BadUri

__all__ = ["StoreUri"]


class StoreUri:
    """A storage URI whose options are taken one by one, so that none is ignored.

    Take each option that the driver knows, then call `done`, which refuses the rest. The text
    of every error leaves out the password.
    """

    def __init__(self, uri: str) -> None:
        try:
            self.parts: SplitResult = urlsplit(uri)
            self._port = self.parts.port
        except ValueError:
            raise BadUri(
                "the storage URI cannot be read: write scheme://user:password@host:port/path, "
                "with '/', '@', '?' and '#' in a password as %2F, %40, %3F and %23"
            ) from None
        self.scheme = self.parts.scheme
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
        host = self.parts.hostname or ""
        user = f"{self.parts.username}@" if self.parts.username else ""
        port = f":{self._port}" if self._port else ""
        return f"{self.scheme}://{user}{host}{port}{self.parts.path}"

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
        """Refuse every option that was not taken."""
        if self._options:
            unknown = ", ".join(sorted(self._options))
            known = ", ".join(sorted(self._known)) or "none"
            raise BadUri(f"{self}: unknown option {unknown}; known options: {known}")
