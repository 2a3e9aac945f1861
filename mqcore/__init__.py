"""mqcore: message queues and notifications over storage that already runs.

    import mqcore

    with mqcore.connect("sqlite:///queues.db") as mq:
        orders = mq.queue("orders")
        orders.post({"item": 7}, {"item": 8}, ttl=3600)
        if claim := orders.claim(ttl=300):
            for message in claim.messages:
                print(message.json())
                orders.delete(message)

The errors that calls raise are in `mqcore.contract`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .contract import Clock
    from .inprocess import Connection
    from .service import ServiceLimits

__all__ = ["connect"]


def connect(
    uri: str,
    *,
    project: str | None = None,
    limits: ServiceLimits | None = None,
    clock: Clock = time.time,
) -> Connection:
    """Open the store at `uri` for use in this process, without a server.

    A server on the same store sees the same queues in its project `project`. Close the
    connection when done, or use it in a `with` statement. Raises Misconfigured and Unavailable.
    """
    from .inprocess import Connection  # noqa: PLC0415 - `import mqcore` stays cheap
    from .loader import open_store  # noqa: PLC0415

    return Connection(open_store(uri, clock=clock), project=project, limits=limits, clock=clock)
