"""The request as the resources see it."""

from typing import ClassVar

import falcon.asgi

from .edge import EXCHANGE
from .exchange import Exchange

__all__ = ["Request", "Resource"]

METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


class Request(falcon.asgi.Request):
    """A request whose caller is known once the checks of `checks` have run."""

    project: str = ""
    client: str = ""
    signed: bool = False

    @property
    def exchange(self) -> Exchange:
        exchange: Exchange = self.scope[EXCHANGE]
        return exchange


class Resource:
    """What has a path. `anonymous`: may be asked without Client-ID and X-Project-ID.

    `media_type`: what it answers with besides JSON. `methods`: those that it has.
    """

    anonymous: ClassVar[bool] = False
    media_type: ClassVar[str] = "application/json"
    methods: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.methods = tuple(name for name in METHODS if hasattr(cls, f"on_{name.lower()}"))
