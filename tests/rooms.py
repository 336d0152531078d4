"""Servers with many clients, for the tests of broadcasts."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import wsrs

from .peers import Frame, Peer, listen, raw_client, within

HAS_ENGINE = wsrs.backend == "core" and sys.platform != "win32"
KINDS = ["engine", "loop"] if HAS_ENGINE else ["loop"]
"""The transports that a connection may run on."""

KIB, MIB = 1024, 1024 * 1024


class Room:
    """A server with clients that speak bytes: `ws[n]` is the server's end of `peers[n]`."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.ws: list[Any] = []
        self.peers: list[Peer] = []

    async def join(self, **fields: Any) -> None:
        came = listen(self.server, "connection")
        self.peers.append(await raw_client(self.server, **fields))
        self.ws.append((await within(came))[0])

    async def frames(self) -> list[Frame]:
        """The next frame of each client."""
        return [await peer.frame() for peer in self.peers]


MakeRoom = Callable[..., Awaitable[Room]]


async def block(ws: Any) -> None:
    """Send until more than the high-water mark stays queued; the peer must not read."""
    for _ in range(2000):
        ws.send(bytes(64 * KIB))
        await asyncio.sleep(0)
        if ws.buffered_amount > 2 * 64 * KIB:
            return
    raise AssertionError("the network takes everything")
