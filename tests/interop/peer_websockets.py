"""The Python package websockets, with its asyncio API."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.typing import Subprotocol

from .peer import Data, Deflate, Peer, Theirs, address, serving, trusting


class Connection(Theirs):
    def __init__(self, ws: ClientConnection | ServerConnection) -> None:
        self.ws = ws
        self.protocol = ws.subprotocol or ""
        self.compressed = bool(ws.protocol.extensions)

    async def send(self, data: Data) -> None:
        await self.ws.send(data)

    async def send_fragments(self, parts: Sequence[Data]) -> None:
        await self.ws.send(parts)

    async def recv(self) -> Data:
        return await self.ws.recv()

    async def ping(self, payload: bytes) -> bytes:
        pong = await self.ws.ping(payload)
        await pong  # only a pong with this payload ends it
        return payload

    async def close(self, code: int, reason: str) -> None:
        await self.ws.close(code, reason)

    async def closed(self) -> tuple[int | None, str | None]:
        await self.ws.wait_closed()
        assert self.ws.close_code is not None
        return self.ws.close_code, self.ws.close_reason


class Websockets(Peer):
    def __init__(self) -> None:
        self._open: list[ClientConnection] = []
        self._servers: list[Server] = []
        self._arrivals: asyncio.Queue[ServerConnection] = asyncio.Queue()

    async def stop(self) -> None:
        for ws in self._open:
            ws.transport.abort()
            await ws.wait_closed()
        for server in self._servers:
            for each in server.connections:
                each.transport.abort()
            server.close()
            await server.wait_closed()

    async def connect(
        self, url: str, *, protocols: Sequence[str] = (), deflate: Deflate | None = None
    ) -> Theirs:
        options: dict[str, Any] = {}
        if url.startswith("wss:"):
            options["ssl"] = trusting()
        if protocols:
            options["subprotocols"] = [Subprotocol(each) for each in protocols]
        if deflate is not None:
            options["extensions"] = [ClientPerMessageDeflateFactory(**deflate)]
        ws = await connect(url, compression=None, max_size=None, ping_interval=None, proxy=None, **options)
        self._open.append(ws)
        return Connection(ws)

    async def serve(
        self, *, secure: bool = False, protocols: Sequence[str] = (), deflate: Deflate | None = None
    ) -> str:
        async def came(ws: ServerConnection) -> None:
            self._arrivals.put_nowait(ws)
            await ws.wait_closed()

        server = await serve(
            came,
            "127.0.0.1",
            0,
            ssl=serving() if secure else None,
            compression=None,
            extensions=None if deflate is None else [ServerPerMessageDeflateFactory(**deflate)],
            subprotocols=[Subprotocol(each) for each in protocols] or None,
            max_size=None,
            ping_interval=None,
        )
        self._servers.append(server)
        return address(next(iter(server.sockets)).getsockname()[1], secure)

    async def accept(self) -> Theirs:
        return Connection(await self._arrivals.get())
