"""The events of each class and the arguments of their listeners, for type checkers alone.

One protocol a class and a form of call: `…On` for `on` and `once`, which are decorators too, `…Add` for the
methods that always take the listener. A misspelt event or a listener of another shape is an error there.
The events that a subclass adds go through the base: `EventEmitter.on(ws, "mine", listener)`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeVar, overload

from wsrs._client.request import ClientRequest
from wsrs.blob import Blob
from wsrs.http import Request, Response, ServerResponse
from wsrs.websocket import WebSocket

__all__ = ["HttpServerAdd", "HttpServerOn", "ServerAdd", "ServerOn", "WebSocketAdd", "WebSocketOn"]

OpenListener = Callable[[], object]
ListeningListener = Callable[[], object]
"""The listener of `'listening'`, and of a server's `'close'`, which has no arguments either."""
ErrorListener = Callable[[Exception], object]
CloseListener = Callable[[int, bytes], object]
PingListener = Callable[[bytes], object]
UpgradeListener = Callable[[Response], object]
UnexpectedResponseListener = Callable[[ClientRequest, Response], object]
RedirectListener = Callable[[str, ClientRequest], object]
HeadersListener = Callable[[list[str], Request], object]
WsClientErrorListener = Callable[[Exception, asyncio.Transport, Request], object]
TlsClientErrorListener = Callable[[Exception, Any], object]
UpgradeRequestListener = Callable[[Request, asyncio.Transport, bytes], object]
RequestListener = Callable[[Request, ServerResponse], object]

MessageListener = Callable[[bytes, bool], object]
OtherMessageListener = (
    Callable[[bytearray, bool], object]
    | Callable[[Blob, bool], object]
    | Callable[[list[bytes], bool], object]
)
"""The type of `data` depends on `binary_type`, which no type checker can follow. It is bytes, unless a
listener declares that it takes the type of another `binary_type`."""

E_co = TypeVar("E_co", covariant=True)
W = TypeVar("W", bound=WebSocket)
"""The class of a server's WebSockets, where its option `web_socket` gives another."""

_OpenListener = TypeVar("_OpenListener", bound=OpenListener)
_ListeningListener = TypeVar("_ListeningListener", bound=ListeningListener)
_ErrorListener = TypeVar("_ErrorListener", bound=ErrorListener)
_CloseListener = TypeVar("_CloseListener", bound=CloseListener)
_PingListener = TypeVar("_PingListener", bound=PingListener)
_MessageListener = TypeVar("_MessageListener", bound=MessageListener | OtherMessageListener)
_UpgradeListener = TypeVar("_UpgradeListener", bound=UpgradeListener)
_UnexpectedResponseListener = TypeVar("_UnexpectedResponseListener", bound=UnexpectedResponseListener)
_RedirectListener = TypeVar("_RedirectListener", bound=RedirectListener)
_ConnectionListener = TypeVar("_ConnectionListener", bound=Callable[[Any, Request], object])
_HeadersListener = TypeVar("_HeadersListener", bound=HeadersListener)
_WsClientErrorListener = TypeVar("_WsClientErrorListener", bound=WsClientErrorListener)
_TlsClientErrorListener = TypeVar("_TlsClientErrorListener", bound=TlsClientErrorListener)
_UpgradeRequestListener = TypeVar("_UpgradeRequestListener", bound=UpgradeRequestListener)
_RequestListener = TypeVar("_RequestListener", bound=RequestListener)

_UnexpectedResponse = Literal["unexpected-response", "unexpected_response"]
_WsClientError = Literal["wsClientError", "ws_client_error"]
_TlsClientError = Literal["tlsClientError", "tls_client_error"]


class WebSocketAdd(Protocol[E_co]):
    """`WebSocket.add_listener` and the like."""

    @overload
    def __call__(self, event: Literal["open"], listener: OpenListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["message"], listener: MessageListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["message"], listener: OtherMessageListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["close"], listener: CloseListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["error"], listener: ErrorListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["ping", "pong"], listener: PingListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["upgrade"], listener: UpgradeListener) -> E_co: ...
    @overload
    def __call__(self, event: _UnexpectedResponse, listener: UnexpectedResponseListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["redirect"], listener: RedirectListener) -> E_co: ...


class WebSocketOn(Protocol[E_co]):
    """`WebSocket.on` and `once`."""

    @overload
    def __call__(self, event: Literal["open"], listener: OpenListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["open"]) -> Callable[[_OpenListener], _OpenListener]: ...
    @overload
    def __call__(self, event: Literal["message"], listener: MessageListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["message"], listener: OtherMessageListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["message"]) -> Callable[[_MessageListener], _MessageListener]: ...
    @overload
    def __call__(self, event: Literal["close"], listener: CloseListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["close"]) -> Callable[[_CloseListener], _CloseListener]: ...
    @overload
    def __call__(self, event: Literal["error"], listener: ErrorListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["error"]) -> Callable[[_ErrorListener], _ErrorListener]: ...
    @overload
    def __call__(self, event: Literal["ping", "pong"], listener: PingListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["ping", "pong"]) -> Callable[[_PingListener], _PingListener]: ...
    @overload
    def __call__(self, event: Literal["upgrade"], listener: UpgradeListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["upgrade"]) -> Callable[[_UpgradeListener], _UpgradeListener]: ...
    @overload
    def __call__(self, event: _UnexpectedResponse, listener: UnexpectedResponseListener) -> E_co: ...
    @overload
    def __call__(
        self, event: _UnexpectedResponse
    ) -> Callable[[_UnexpectedResponseListener], _UnexpectedResponseListener]: ...
    @overload
    def __call__(self, event: Literal["redirect"], listener: RedirectListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["redirect"]) -> Callable[[_RedirectListener], _RedirectListener]: ...


class ServerAdd(Protocol[E_co]):
    """`WebSocketServer.add_listener` and the like."""

    @overload
    def __call__(self, event: Literal["listening", "close"], listener: ListeningListener) -> E_co: ...
    @overload
    def __call__(
        self, event: Literal["connection"], listener: Callable[[WebSocket, Request], object]
    ) -> E_co: ...
    @overload
    def __call__(self, event: Literal["connection"], listener: Callable[[W, Request], object]) -> E_co: ...
    @overload
    def __call__(self, event: Literal["headers"], listener: HeadersListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["error"], listener: ErrorListener) -> E_co: ...
    @overload
    def __call__(self, event: _WsClientError, listener: WsClientErrorListener) -> E_co: ...
    @overload
    def __call__(self, event: _TlsClientError, listener: TlsClientErrorListener) -> E_co: ...


class ServerOn(Protocol[E_co]):
    """`WebSocketServer.on` and `once`."""

    @overload
    def __call__(self, event: Literal["listening", "close"], listener: ListeningListener) -> E_co: ...
    @overload
    def __call__(
        self, event: Literal["listening", "close"]
    ) -> Callable[[_ListeningListener], _ListeningListener]: ...
    @overload
    def __call__(
        self, event: Literal["connection"], listener: Callable[[WebSocket, Request], object]
    ) -> E_co: ...
    @overload
    def __call__(self, event: Literal["connection"], listener: Callable[[W, Request], object]) -> E_co: ...
    @overload
    def __call__(
        self, event: Literal["connection"]
    ) -> Callable[[_ConnectionListener], _ConnectionListener]: ...
    @overload
    def __call__(self, event: Literal["headers"], listener: HeadersListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["headers"]) -> Callable[[_HeadersListener], _HeadersListener]: ...
    @overload
    def __call__(self, event: Literal["error"], listener: ErrorListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["error"]) -> Callable[[_ErrorListener], _ErrorListener]: ...
    @overload
    def __call__(self, event: _WsClientError, listener: WsClientErrorListener) -> E_co: ...
    @overload
    def __call__(
        self, event: _WsClientError
    ) -> Callable[[_WsClientErrorListener], _WsClientErrorListener]: ...
    @overload
    def __call__(self, event: _TlsClientError, listener: TlsClientErrorListener) -> E_co: ...
    @overload
    def __call__(
        self, event: _TlsClientError
    ) -> Callable[[_TlsClientErrorListener], _TlsClientErrorListener]: ...


class HttpServerAdd(Protocol[E_co]):
    """`HttpServer.add_listener` and the like."""

    @overload
    def __call__(self, event: Literal["listening", "close"], listener: ListeningListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["upgrade"], listener: UpgradeRequestListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["request"], listener: RequestListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["error"], listener: ErrorListener) -> E_co: ...
    @overload
    def __call__(self, event: _TlsClientError, listener: TlsClientErrorListener) -> E_co: ...


class HttpServerOn(Protocol[E_co]):
    """`HttpServer.on` and `once`."""

    @overload
    def __call__(self, event: Literal["listening", "close"], listener: ListeningListener) -> E_co: ...
    @overload
    def __call__(
        self, event: Literal["listening", "close"]
    ) -> Callable[[_ListeningListener], _ListeningListener]: ...
    @overload
    def __call__(self, event: Literal["upgrade"], listener: UpgradeRequestListener) -> E_co: ...
    @overload
    def __call__(
        self, event: Literal["upgrade"]
    ) -> Callable[[_UpgradeRequestListener], _UpgradeRequestListener]: ...
    @overload
    def __call__(self, event: Literal["request"], listener: RequestListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["request"]) -> Callable[[_RequestListener], _RequestListener]: ...
    @overload
    def __call__(self, event: Literal["error"], listener: ErrorListener) -> E_co: ...
    @overload
    def __call__(self, event: Literal["error"]) -> Callable[[_ErrorListener], _ErrorListener]: ...
    @overload
    def __call__(self, event: _TlsClientError, listener: TlsClientErrorListener) -> E_co: ...
    @overload
    def __call__(
        self, event: _TlsClientError
    ) -> Callable[[_TlsClientErrorListener], _TlsClientErrorListener]: ...
