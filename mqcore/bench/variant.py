"""`mqcore serve` with one of its parts replaced: what a part costs shows in the difference."""

import sys

from mqcore import server
from mqcore.config import load_settings
from mqcore.contract import MQError

__all__ = ["serve_with"]


def serve_with(name: str, part: object) -> int:
    """Serve as the environment says, with `part` in the place of what the server calls `name`.

    So everything else is the same by construction: uvicorn's settings, the protocol, the loop.
    """
    getattr(server, name)  # a server that has no such part any more must not pass unnoticed
    setattr(server, name, part)
    try:
        return server.serve(load_settings())
    except MQError as error:
        sys.stderr.write(f"mqcore: {' '.join(str(error).split())}\n")
        return 1
