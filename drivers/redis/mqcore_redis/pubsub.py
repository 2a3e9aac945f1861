"""Hearing what other handles publish."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from redis.exceptions import TimeoutError as Late

from mqcore.contract import Receive

from .address import Address
from .connect import connect, disconnect
from .errors import translated

__all__ = ["channel", "listen"]

ALIVE = {socket.TCP_KEEPIDLE: 10, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}
"""What finds out that the other end of a silent connection is gone."""
LISTENERS = 1000
"""How many handles of a process may listen to a Cluster, since they share a client."""


def channel(address: Address) -> str:
    """Where hints on this store are published: channels are the same in all databases."""
    return f"{address.prefix}:{address.options.get('db', 0)}:hints"


@contextmanager
def listen(address: Address) -> Iterator[Receive]:
    """Hear the channel on a connection of its own, to the primary or to one node of a Cluster."""
    alive: dict[str, Any] = {"socket_keepalive": True, "socket_keepalive_options": ALIVE}
    if address.kind == "unix":
        alive = {}
    own = replace(address, pool_size=LISTENERS, options=address.options | alive)
    with translated(address.place):
        client = connect(own)
        try:
            with client.pubsub() as heard:
                heard.subscribe(channel(address))
                if heard.get_message(timeout=address.timeout) is None:
                    raise Late("no answer to SUBSCRIBE")
                yield partial(_receive, heard)
        finally:
            disconnect(client, own)


def _receive(heard: Any, seconds: float) -> list[str]:
    message = heard.get_message(timeout=seconds)
    if message is None or message["type"] != "message":
        return []
    keys: list[str] = message["data"].decode().split()
    return keys
