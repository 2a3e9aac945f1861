"""The scripts: each call of the contract is one, and runs alone on the server."""

from dataclasses import dataclass, field
from hashlib import sha1
from pathlib import Path

__all__ = ["Script", "script"]

FOLDER = Path(__file__).with_name("lua")


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the name under which a server knows it."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", sha1(self.text.encode(), usedforsecurity=False).hexdigest())


def script(*names: str) -> Script:
    """The files put together, what others use first."""
    return Script("\n".join((FOLDER / f"{name}.lua").read_text("utf-8") for name in names))
