"""Query parameters and the links that repeat them (spec 2.3)."""

import re
from collections.abc import Mapping
from urllib.parse import quote

from .errors import BAD_QUERY, Refusal
from .request import Request

__all__ = ["Params", "flag", "integer", "items", "next_links", "text"]

Params = Mapping[str, str | int | bool | None]

INTEGER = re.compile(r"-?[0-9]{1,100}", re.ASCII)
TRUE = frozenset(("true", "True", "t", "yes", "y", "1", "on"))
FALSE = frozenset(("false", "False", "f", "no", "n", "0", "off"))


def text(req: Request, name: str) -> str | None:
    """The parameter, or None when it is absent or blank; the last one when it is repeated."""
    value = req.params.get(name)
    return value[-1] if isinstance(value, list) else value


def integer(req: Request, name: str) -> int | None:
    """The parameter as a decimal number. Raises Refusal of the kind BAD_QUERY."""
    value = text(req, name)
    if value is None:
        return None
    if not INTEGER.fullmatch(value):
        raise Refusal(BAD_QUERY, f"{name} must be an integer, written in decimal digits")
    return int(value)


def flag(req: Request, name: str) -> bool | None:
    """The parameter as a boolean. Raises Refusal of the kind BAD_QUERY."""
    value = text(req, name)
    if value is None:
        return None
    if value not in TRUE and value not in FALSE:
        raise Refusal(BAD_QUERY, f"{name} must be true or false")
    return value in TRUE


def items(req: Request, name: str) -> list[str]:
    """The parameter as a list: separated by commas, repeated, or both. Empty ones are dropped."""
    value = req.params.get(name, "")
    parts = value if isinstance(value, list) else [value]
    return [item for part in parts for item in part.split(",") if item]


def next_links(path: str, params: Params, marker: str | None) -> list[dict[str, str]]:
    """The links of a page: how to get the next one, with the caller's own parameters."""
    if marker is None:
        return []
    given = [f"{name}={_plain(value)}&" for name, value in params.items() if value is not None]
    return [{"rel": "next", "href": f"{path}?{''.join(given)}marker={quote(marker, safe='')}"}]


def _plain(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else quote(str(value), safe="")
