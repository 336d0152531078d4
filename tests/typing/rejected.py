"""Code that type checkers must refuse: both would report a `type: ignore` that is not needed."""

from __future__ import annotations

from typing import Any

from wsrs import MessageEvent, OpenEvent, WebSocket, WebSocketServer
from wsrs.http import HttpServer, Request
from wsrs.typing import ClientOptions, ServerOptions


def listeners(ws: WebSocket, wss: WebSocketServer, http: HttpServer) -> None:
    ws.on("mesage", print)  # type: ignore[call-overload]
    ws.on("message", lambda data: None)  # type: ignore[call-overload]
    ws.once("close", lambda code: None)  # type: ignore[call-overload]
    ws.add_listener("open", lambda event: None)  # type: ignore[call-overload]
    ws.addListener("opened", lambda: None)  # type: ignore[call-overload]
    wss.broadcast("x", slow="drop")  # type: ignore[arg-type]
    wss.broadcast(None)  # type: ignore[arg-type]
    wss.on("connection", lambda ws: None)  # type: ignore[call-overload]
    wss.on("message", print)  # type: ignore[call-overload]
    wss.prepend_listener("headers", lambda headers: None)  # type: ignore[call-overload]
    http.on("upgrade", lambda request, transport: None)  # type: ignore[call-overload]
    http.once("connection", print)  # type: ignore[call-overload]

    def as_text(data: str, is_binary: bool) -> None: ...
    def of_a_number(ws: int, request: Request) -> None: ...

    ws.on("message", as_text)  # type: ignore[call-overload]
    ws.off("message", as_text)  # type: ignore[call-overload]
    ws.prependListener("ping", as_text)  # type: ignore[call-overload]
    wss.on("connection", of_a_number)  # type: ignore[call-overload]

    @ws.on("message")  # type: ignore[type-var]
    def decorated(data: str, is_binary: bool) -> None: ...
    @ws.once("close")  # type: ignore[type-var]
    def closed() -> None: ...
    @wss.on("connection")  # type: ignore[type-var]
    def connected(ws: WebSocket) -> None: ...

    print(decorated, closed, connected)


def events_as_objects(ws: WebSocket) -> None:
    class Handler:
        def handle_event(self, event: OpenEvent) -> None: ...

    ws.add_event_listener("message", Handler())  # type: ignore[call-overload]
    ws.add_event_listener("ping", print)  # type: ignore[call-overload]
    ws.addEventListener("open", 5)  # type: ignore[call-overload]
    ws.add_event_listener("open", print, {"passive": True})  # type: ignore[call-overload]
    ws.onmessage = Handler()  # type: ignore[assignment]
    ws.onopen = 5  # type: ignore[assignment]
    ws.onclose = on_message  # type: ignore[assignment]


def on_message(event: MessageEvent) -> None:
    print(event.data)


def options() -> None:
    WebSocketServer(prot=8080)  # type: ignore[call-arg]
    WebSocketServer(port="8080")  # type: ignore[arg-type]
    WebSocketServer({"prot": 8080})  # type: ignore[arg-type]
    WebSocketServer({"maxPayload": "5"})  # type: ignore[arg-type]
    WebSocketServer(port=0, web_socket=int)  # type: ignore[arg-type]
    WebSocketServer(port=0, per_message_deflate={"treshold": 5})  # type: ignore[arg-type]
    WebSocket("ws://x", max_payloads=5)  # type: ignore[call-arg]
    WebSocket("ws://x", ["a"], {"handshake": 5})  # type: ignore[arg-type]
    WebSocket(b"ws://x")  # type: ignore[arg-type]
    HttpServer(port=5)  # type: ignore[call-arg]
    server: ServerOptions = {"closeTimeout": "5"}  # type: ignore[typeddict-item]
    client: ClientOptions = {"clientTracking": True}  # type: ignore[typeddict-unknown-key]
    print(server, client)


def sending(ws: WebSocket, anything: Any) -> None:
    ws.send(anything)
    ws.send(None)  # type: ignore[arg-type]
    ws.send({"a": 1})  # type: ignore[arg-type]
    ws.send(object())  # type: ignore[arg-type]
    ws.send("x", {"compres": True})  # type: ignore[arg-type]
    ws.send("x", fin=1)  # type: ignore[arg-type]
    ws.ping({"a": 1})  # type: ignore[arg-type]
    ws.close("1000")  # type: ignore[arg-type]
    ws.binary_type = "buffer"  # type: ignore[assignment]
    ws.ready_state = 1  # type: ignore[misc]
