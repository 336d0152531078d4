"""WebSockets in an aiohttp application; the optional extra `wsrs[aiohttp]`.

`WebSocketServer(server=app, path="/chat")` takes the WebSocket requests of an application: those that
`should_handle` wants (by default, those for its `path`, and without one all of them). Other requests, and
other paths, stay the application's; so several servers share it by path. In a route's handler, `await
upgrade(server, request)` does the same by hand, with a server that has `no_server`.

Rules kept here: we rely only on what aiohttp documents or its own WebSockets use; the handler of a request
runs as long as its WebSocket is open, as with aiohttp's own; aiohttp's protocol is notified of the end,
because it has to forget the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from wsrs.http import Headers, Request
from wsrs.http._messages import list_of

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from wsrs._server.handshake import UpgradeHandler
    from wsrs.server import WebSocketServer
    from wsrs.websocket import WebSocket

__all__ = ["AiohttpRequest", "upgrade"]


class AiohttpRequest(Request):
    """The request of a `'connection'` from aiohttp; `original` is aiohttp's own, with `app`, `match_info`."""

    __slots__ = ("original",)

    original: web.Request

    def __init__(self, request: web.Request, transport: asyncio.Transport) -> None:
        raw = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
        version = f"{request.version.major}.{request.version.minor}"
        super().__init__(request.method, request.raw_path, Headers(raw), version, transport)
        self.original = request

    @property
    def expects_continue(self) -> bool:
        """False: aiohttp sends the interim answer itself, before its handlers and middlewares run."""
        return False


class _Answered(web.StreamResponse):
    """The response of a handler whose answer is written already."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is left to prepare."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""


class _Rest:
    """Takes the place of aiohttp's parser of WebSocket frames: it gets the bytes that follow the request."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._data: bytes | None = b""
        self.ended: asyncio.Future[None] = loop.create_future()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        if self._data is not None:
            self._data += data
        return False, b""

    def feed_eof(self) -> None:
        if not self.ended.done():  # pragma: no branch: aiohttp says it once or twice
            self.ended.set_result(None)

    def take(self) -> bytes:
        """Return the bytes that have arrived so far; later ones are dropped."""
        data, self._data = self._data, None
        return data or b""


def attach(
    server: WebSocketServer,
    upgrades: UpgradeHandler,
    app: web.Application,
    take_loop: Callable[[asyncio.AbstractEventLoop], None],
) -> None:
    """Let `server` have the WebSocket requests of `app` that it wants, and shut it down with `app`.

    `take_loop` is called with the loop in which `app` starts. Raises RuntimeError if it has started.
    """

    @web.middleware
    async def websockets(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not upgrades.is_closed and _asks_for_websocket(request):
            adapted = _adapt(request)
            if upgrades.wants(adapted):
                return await _upgrade(server, adapted)
        return await handler(request)

    async def start(app: web.Application) -> None:
        take_loop(asyncio.get_running_loop())

    async def shut_down(app: web.Application) -> None:
        await server.shutdown()

    try:
        app.middlewares.append(websockets)
        app.on_startup.append(start)
        app.on_shutdown.append(shut_down)
    except RuntimeError:
        message = "WebSocketServer: the aiohttp application is started already; give it before that"
        raise RuntimeError(message) from None


async def upgrade(server: WebSocketServer, request: web.Request) -> web.StreamResponse:
    """Answer a WebSocket request from within its handler, which returns what this returns.

    `server` (with `no_server`) emits `'connection'`; this waits until the WebSocket is closed. Cancelling it
    terminates the WebSocket. A request that becomes no WebSocket gets the answer that `server` gives it.
    """
    return await _upgrade(server, _adapt(request))


async def _upgrade(server: WebSocketServer, adapted: AiohttpRequest) -> web.StreamResponse:
    loop = asyncio.get_running_loop()
    transport = adapted.socket
    protocol = adapted.original.protocol
    opened: asyncio.Future[WebSocket] = loop.create_future()
    rest = _Rest(loop)
    protocol.set_parser(rest)  # type: ignore[arg-type]

    def connected(ws: WebSocket, request: Any) -> None:
        opened.set_result(ws)
        server.emit("connection", ws, request)

    server.handle_upgrade(adapted, transport, rest.take(), connected)
    try:
        await asyncio.wait((opened, rest.ended), return_when=asyncio.FIRST_COMPLETED)
        if opened.done():
            await opened.result().wait_closed()
    finally:
        if opened.done():
            opened.result().terminate()
            protocol.connection_lost(None)
        elif not transport.is_closing():
            transport.abort()
    return _Answered(status=101 if opened.done() else 400)


def _adapt(request: web.Request) -> AiohttpRequest:
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client has left")
    return AiohttpRequest(request, transport)


def _asks_for_websocket(request: web.Request) -> bool:
    options = list_of(request.headers.get("Connection", "").lower())
    return request.headers.get("Upgrade", "").strip(" \t").lower() == "websocket" and "upgrade" in options
