"""The Python package aiohttp: its client and its server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Union

from aiohttp import ClientSession, ClientWebSocketResponse, ClientWSTimeout, WSMsgType, web

from .peer import Data, Deflate, Peer, Theirs, address, serving, trusting

Response = Union["ClientWebSocketResponse[bool]", "web.WebSocketResponse[bool]"]
UNLIMITED = 0
WINDOW = 15
"""With `compress`, aiohttp's client says which window the server shall use; 0 means no compression."""


class Connection(Theirs):
    """A connection that always receives, because aiohttp answers only while a task receives."""

    def __init__(self, ws: Response) -> None:
        self.ws = ws
        self.protocol = ws.ws_protocol or "" if isinstance(ws, web.WebSocketResponse) else ws.protocol or ""
        self.compressed = bool(ws.compress)
        self._messages: asyncio.Queue[Data] = asyncio.Queue()
        self._pongs: asyncio.Queue[bytes] = asyncio.Queue()
        self._reason: str | None = None
        self._closing: asyncio.Future[bool] | None = None
        self.reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        while True:
            message = await self.ws.receive()
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self._messages.put_nowait(message.data)
            elif message.type is WSMsgType.PING:
                await self.ws.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self._pongs.put_nowait(bytes(message.data))
            else:
                if message.type is WSMsgType.CLOSE:
                    self._reason = message.extra
                return

    async def send(self, data: Data) -> None:
        if isinstance(data, str):
            await self.ws.send_str(data)
        else:
            await self.ws.send_bytes(data)

    async def send_fragments(self, parts: Sequence[Data]) -> None:
        raise NotImplementedError("aiohttp sends a message as one frame")

    async def recv(self) -> Data:
        return await self._messages.get()

    async def ping(self, payload: bytes) -> bytes:
        await self.ws.ping(payload)
        return await self._pongs.get()

    async def close(self, code: int, reason: str) -> None:
        self._closing = asyncio.ensure_future(self.ws.close(code=code, message=reason.encode()))
        await self._closing

    async def closed(self) -> tuple[int | None, str | None]:
        await self.reading
        if self._closing is not None:
            await self._closing
            # The connection is closed while a task receives: aiohttp's server then records 1000, whatever the
            # answer was.
            if isinstance(self.ws, web.WebSocketResponse):
                return None, None
        assert self.ws.close_code is not None
        return self.ws.close_code, self._reason


class Aiohttp(Peer):
    fragments = False
    echoes = False
    offers = frozenset({"server_max_window_bits"})
    honours = frozenset({"server_no_context_takeover", "server_max_window_bits"})

    def __init__(self) -> None:
        self._connections: list[Connection] = []
        self._arrivals: asyncio.Queue[Connection] = asyncio.Queue()
        self._runners: list[web.AppRunner] = []
        self._session: ClientSession | None = None

    def _hold(self, ws: Response) -> Connection:
        self._connections.append(Connection(ws))
        return self._connections[-1]

    async def stop(self) -> None:
        for connection in self._connections:
            connection.reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await connection.reading
            if isinstance(connection.ws, ClientWebSocketResponse):
                # Its session does not close it: the garbage collector would find an unclosed connection and
                # warn.
                await connection.ws.close()
        if self._session is not None:
            await self._session.close()
        for runner in self._runners:
            await runner.cleanup()

    async def connect(
        self, url: str, *, protocols: Sequence[str] = (), deflate: Deflate | None = None
    ) -> Theirs:
        if self._session is None:
            self._session = ClientSession()
        options: dict[str, Any] = {"ssl": trusting()} if url.startswith("wss:") else {}
        compress = 0 if deflate is None else deflate.get("server_max_window_bits", WINDOW)
        ws = await self._session.ws_connect(
            url,
            protocols=protocols,
            compress=compress,
            autoping=False,
            max_msg_size=UNLIMITED,
            timeout=ClientWSTimeout(ws_close=1.0),
            **options,
        )
        return self._hold(ws)

    async def serve(
        self, *, secure: bool = False, protocols: Sequence[str] = (), deflate: Deflate | None = None
    ) -> str:
        async def came(request: web.Request) -> web.WebSocketResponse[bool]:
            ws: web.WebSocketResponse[bool] = web.WebSocketResponse(
                protocols=protocols, compress=deflate is not None, autoping=False, max_msg_size=UNLIMITED
            )
            await ws.prepare(request)
            connection = self._hold(ws)
            self._arrivals.put_nowait(connection)
            await connection.closed()
            return ws

        application = web.Application()
        application.router.add_get("/", came)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=serving() if secure else None).start()
        return address(runner.addresses[0][1], secure)

    async def accept(self) -> Theirs:
        return await self._arrivals.get()
