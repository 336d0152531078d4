"""Both sides of a connection: a WebSocket of ours, and a peer that speaks bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal, NamedTuple

import pytest_asyncio

import wsrs

from ..conftest import Serve
from ..peers import MASK, Peer, RawServer, connect, frame, listen, upgrade_request, within


class Pair(NamedTuple):
    ws: Any
    peer: Peer
    head: dict[str, str]
    """The header fields that our side has sent."""
    mask: bytes | None
    """The peer's masking key: a client must mask, a server must not."""
    server: Any = None
    """Our server, if our side is one."""

    def write(self, opcode: int, payload: bytes = b"", **options: Any) -> None:
        """Write a frame from the peer, masked as its role requires."""
        self.peer.write(self.frame(opcode, payload, **options))

    def frame(self, opcode: int, payload: bytes = b"", **options: Any) -> bytes:
        return frame(opcode, payload, **{"mask": self.mask, **options})


MakePair = Callable[..., Awaitable[Pair]]
Side = Literal["server", "client"]


@pytest_asyncio.fixture
async def make_pair(serve: Serve, raw_server: RawServer) -> AsyncIterator[MakePair]:
    """`await make_pair(side, fields, **options)`: our side, and header fields that the peer sends."""
    peers: list[Peer] = []

    async def make(side: Side = "server", fields: Any = None, **options: Any) -> Pair:
        if side == "server":
            server = await serve(**options)
            connection = listen(server, "connection")
            peer = await connect(server)
            peers.append(peer)
            peer.write(upgrade_request(**(fields or {})))
            first, head = await peer.head()
            assert first.startswith("HTTP/1.1 101")
            ws, _ = await within(connection)
            return Pair(ws, peer, head, MASK, server)
        ws = wsrs.WebSocket(raw_server.url, options)  # type: ignore[arg-type]
        peer = await raw_server.peer()
        _, head = await peer.head()
        peer.write(raw_server.answer(head["sec-websocket-key"], **(fields or {})))
        await within(ws.wait_open())
        return Pair(ws, peer, head, None)

    yield make
    for peer in peers:
        await peer.close()
