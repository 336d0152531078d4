"""Code that type checkers must accept, with the types that they must infer. Python never runs it.

A line that mypy or pyright refuses, or an `assert_type` that does not hold, fails `make check` and
`test_checkers.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from typing_extensions import assert_type

import wsrs
from wsrs import (
    Blob,
    BroadcastResult,
    CloseEvent,
    ErrorEvent,
    HandshakeError,
    MessageEvent,
    OpenEvent,
    ServerStats,
    WebSocket,
    WebSocketServer,
    WebSocketStats,
)
from wsrs.http import HttpServer, Request, Response, ServerResponse
from wsrs.typing import ClientOptions, DeflateOptions, SendOptions, ServerOptions

if TYPE_CHECKING:
    from wsrs._client.request import ClientRequest
    from wsrs._server.verify_client import VerifyInfo


class Mine(WebSocket):
    """A subclass for the option `web_socket`."""

    name = "mine"


# Listeners ------------------------------------------------------------------------------------


def message_of_a_websocket(ws: WebSocket, mine: Mine) -> None:
    def as_bytes(data: bytes, is_binary: bool) -> None: ...
    def as_bytearray(data: bytearray, is_binary: bool) -> None: ...
    def as_blob(data: Blob, is_binary: bool) -> None: ...
    def as_fragments(data: list[bytes], is_binary: bool) -> None: ...
    async def task(data: bytes | Blob, is_binary: bool) -> int:
        return len(data)

    for listener in (as_bytes, as_bytes):
        assert_type(ws.on("message", listener), WebSocket)
    assert_type(ws.once("message", as_bytearray), WebSocket)
    assert_type(ws.add_listener("message", as_blob), WebSocket)
    assert_type(ws.prepend_listener("message", as_fragments), WebSocket)
    assert_type(mine.on("message", task).off("message", task), Mine)
    ws.on("message", lambda data, is_binary: print(data.hex(), is_binary))

    @ws.on("message")
    def decorated(data: bytes, is_binary: bool) -> str:
        return data.decode()

    assert_type(decorated(b"", False), str)

    @ws.once("message")
    async def first(data: bytes, is_binary: bool) -> None: ...

    ws.remove_listener("message", first)


def every_event_of_a_websocket(ws: WebSocket) -> None:
    # pyright, which is strict here, also refuses a lambda whose arguments it does not know.
    ws.on("open", lambda: None)
    ws.on("close", lambda code, reason: print(code + 1, reason.decode()))
    ws.on("error", lambda error: print(error.args))
    ws.on("ping", lambda data: print(data.hex())).on("pong", lambda data: print(data.hex()))
    ws.on("upgrade", lambda response: print(response.headers["set-cookie"]))
    ws.on("redirect", lambda url, request: print(url.upper(), request.get_header("Cookie")))
    ws.on("unexpected-response", lambda request, response: print(request.method, response.status))
    ws.once("unexpected_response", lambda request, response: print(request.method, response.status))

    @ws.on("close")
    def closed(code: int, reason: bytes) -> None: ...
    @ws.once("error")
    def failed(error: BaseException) -> None: ...
    @ws.on("ping")
    def pinged(data: bytes) -> None: ...
    @ws.on("open")
    async def opened() -> None: ...

    ws.off("close", closed).off("error", failed).off("ping", pinged).off("open", opened)
    ws.remove_all_listeners("message").removeAllListeners()
    assert_type(ws.emit("message", b"", True), bool)
    wsrs.EventEmitter.on(ws, "mine", lambda *args: None)


def spellings_of_ws(ws: WebSocket, wss: WebSocketServer, http: HttpServer) -> None:
    def closed(code: int, reason: bytes) -> None: ...
    def silent() -> None: ...
    def upgrade(request: Request, transport: asyncio.Transport, head: bytes) -> None: ...

    assert_type(ws.addListener("close", closed).removeListener("close", closed), WebSocket)
    assert_type(ws.prependListener("close", closed).prependOnceListener("close", closed), WebSocket)
    assert_type(wss.addListener("close", silent).removeListener("close", silent), WebSocketServer)
    assert_type(wss.prependListener("close", silent).prependOnceListener("close", silent), WebSocketServer)
    assert_type(http.addListener("upgrade", upgrade).removeListener("upgrade", upgrade), HttpServer)
    assert_type(http.prependListener("close", silent).prependOnceListener("close", silent), HttpServer)
    assert_type(ws.listenerCount("close"), int)
    assert_type(ws.readyState, int)
    assert_type(ws.bufferedAmount, int)
    assert_type(ws.isPaused, bool)
    assert_type(ws.stats(), WebSocketStats)
    assert_type(ws.stats().ping, float | None)
    assert_type(wss.stats(), ServerStats)
    assert_type(wss.stats().sent.wire + wss.stats().closes[1006], int)
    assert_type(ws.binaryType, Literal["nodebuffer", "arraybuffer", "blob", "fragments"])


def every_event_of_a_server(wss: WebSocketServer) -> None:
    wss.on("connection", lambda ws, request: ws.send(request.url))
    wss.on("listening", lambda: None).on("close", lambda: None)
    wss.on("headers", lambda headers, request: headers.append(f"X: {request.url}"))
    wss.on("error", lambda error: print(error.args))
    wss.on("wsClientError", lambda error, transport, request: transport.close())
    wss.on("tlsClientError", lambda error, peername: print(error.args, peername))
    wss.once("ws_client_error", lambda error, transport, request: print(error.args, request.url))

    @wss.on("connection")
    async def greet(ws: WebSocket, request: Request) -> None:
        async for message in ws:
            await ws.send(message)

    @wss.on("connection")
    def greet_mine(ws: Mine, request: Request) -> str:
        return ws.name

    def also_mine(ws: Mine, request: Request) -> None: ...

    assert_type(wss.add_listener("connection", also_mine).off("connection", also_mine), WebSocketServer)
    assert_type(wss.off("connection", greet).off("connection", greet_mine), WebSocketServer)


def every_event_of_an_http_server(http: HttpServer, wss: WebSocketServer) -> None:
    @http.on("upgrade")
    def upgrade(request: Request, transport: asyncio.Transport, head: bytes) -> None:
        wss.handle_upgrade(request, transport, head, lambda ws, request: wss.emit("connection", ws, request))

    @http.on("request")
    def plain(request: Request, response: ServerResponse) -> None:
        response.write_head(200, {"X": "y"}).end("plain")

    http.on("listening", lambda: None).once("error", lambda error: print(error.args))
    http.off("upgrade", upgrade).off("request", plain)


# Events as objects ----------------------------------------------------------------------------


class Handler:
    def handle_event(self, event: MessageEvent) -> None: ...


class HandlerAsInWs:
    def handleEvent(self, event: CloseEvent) -> None: ...


def events_as_objects(ws: WebSocket) -> None:
    def opened(event: OpenEvent) -> None:
        assert_type(event.type, str)

    ws.add_event_listener("open", opened, once=True)
    ws.add_event_listener("message", Handler(), {"once": True})
    ws.addEventListener("close", HandlerAsInWs())
    ws.removeEventListener("close", HandlerAsInWs())

    def failed(event: ErrorEvent) -> None:
        assert_type(event.message, str)

    def closed(event: CloseEvent) -> None:
        assert_type(event.code, int)
        assert_type(event.reason, str)
        assert_type(event.was_clean, bool)
        assert_type(event.wasClean, bool)

    ws.onopen = lambda event: None
    ws.onmessage = lambda event: print(event.data)
    ws.onclose = closed
    ws.onerror = failed
    ws.onclose = None


# Options, sending, receiving ------------------------------------------------------------------


def options_in_both_spellings() -> None:
    server: ServerOptions = {"port": 0, "closeTimeout": 500, "perMessageDeflate": {"threshold": 0}}
    client: ClientOptions = {"handshakeTimeout": 500, "headers": {"X": "y"}, "followRedirects": True}
    deflate: DeflateOptions = {"serverMaxWindowBits": 10, "zlibDeflateOptions": {"memLevel": 8}}
    assert_type(WebSocketServer(server, lambda: None), WebSocketServer)
    WebSocketServer(port=0, close_timeout=0.5, per_message_deflate=deflate, web_socket=Mine)
    WebSocketServer(unix="/x", unixMode=0o660)
    HttpServer().listen(unix="/x", unix_mode=0o600)
    WebSocketServer({"noServer": True, "WebSocket": Mine, "clientTracking": False})
    WebSocketServer(no_server=True, verify_client=one_parameter)
    WebSocketServer(noServer=True, verifyClient=two_parameters)
    WebSocketServer(port=0, verify_client=a_coroutine_function, handle_protocols=lambda names, request: False)
    assert_type(WebSocket("ws://x"), WebSocket)
    WebSocket("ws://x", "one")
    WebSocket("ws://x", ["one", "two"], client)
    WebSocket("ws://x", {"perMessageDeflate": False, "maxPayload": 5})
    WebSocket(urlsplit("ws://x"), origin="https://x", generate_mask=lambda key: None)
    WebSocket("ws://x", finishRequest=lambda request, ws: request.end())
    HttpServer({"maxHeaders": 5}, lambda request, response: response.end(request.url)).listen(
        {"port": 0, "reusePort": True}
    )


def one_parameter(info: VerifyInfo) -> bool:
    return bool(info.origin) and info.secure


async def a_coroutine_function(info: VerifyInfo) -> bool:
    return info["origin"] is not None


def two_parameters(info: VerifyInfo, decided: Any) -> None:
    decided(False, 403, "Forbidden", {"Retry-After": "120"})


class WithBytes:
    def __bytes__(self) -> bytes:
        return b""


def sending(ws: WebSocket) -> None:
    for data in ("text", 5, 0.5, b"", bytearray(), memoryview(b""), [1, 2], (1, 2), Blob(), WithBytes()):
        assert_type(ws.send(data), Awaitable[None])
    options: SendOptions = {"binary": True, "compress": False, "fin": True, "mask": False}
    ws.send("x", options, lambda error: print(error and error.args))
    ws.send("x", lambda error: None)
    ws.send("x", binary=True, compress=False, fin=False, mask=None, callback=print)
    ws.ping()
    ws.ping(lambda error: None)
    ws.pong(b"data", lambda error: None)
    ws.pong("data", True, lambda error: None)
    ws.close(1000, b"reason")
    ws.close()


async def receiving(url: str) -> None:
    async with WebSocket(url) as ws, WebSocketServer(port=0) as wss:
        assert_type(ws, WebSocket)
        assert_type(wss, WebSocketServer)
        ws.binary_type = "fragments"
        ws.binaryType = "blob"
        print(await ws.recv())
        assert_type(ws.extensions, "dict[str, dict[str, int | bool]]")
        assert_type(ws.url, "str | None")
        for client in wss.clients:
            assert_type(client, WebSocket)
        assert_type(wss.broadcast("x", clients=wss.clients, except_=ws, slow="send"), BroadcastResult)
        sent, _, _, _ = wss.broadcast(b"x", binary=True, compress=False, except_=[ws])
        assert_type(sent, int)
        await wss.shutdown(1001, "bye")


def of_the_client(request: ClientRequest) -> None:
    request.set_header("X", "y")
    request.end()


def of_a_refusal(error: HandshakeError) -> None:
    assert_type(error.status, "int | None")
    assert_type(error.response, Response | None)
