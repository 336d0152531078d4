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

Silent = Callable[[], object]
Failed = Callable[[Exception], object]
Closed = Callable[[int, bytes], object]
Beat = Callable[[bytes], object]
Upgraded = Callable[[Response], object]
Unexpected = Callable[[ClientRequest, Response], object]
Redirected = Callable[[str, ClientRequest], object]
Headed = Callable[[list[str], Request], object]
ClientFailed = Callable[[Exception, asyncio.Transport, Request], object]
UpgradeAsked = Callable[[Request, asyncio.Transport, bytes], object]
Asked = Callable[[Request, ServerResponse], object]

Message = Callable[[bytes, bool], object]
OtherMessage = (
    Callable[[bytearray, bool], object]
    | Callable[[Blob, bool], object]
    | Callable[[list[bytes], bool], object]
)
"""What `data` is depends on `binary_type`, which no type checker can follow: bytes, unless a listener
says that it takes what another `binary_type` gives."""

E_co = TypeVar("E_co", covariant=True)
W = TypeVar("W", bound=WebSocket)
"""The class of a server's WebSockets, where its option `web_socket` gives another."""

_Silent = TypeVar("_Silent", bound=Silent)
_Failed = TypeVar("_Failed", bound=Failed)
_Closed = TypeVar("_Closed", bound=Closed)
_Beat = TypeVar("_Beat", bound=Beat)
_Message = TypeVar("_Message", bound=Message | OtherMessage)
_Upgraded = TypeVar("_Upgraded", bound=Upgraded)
_Unexpected = TypeVar("_Unexpected", bound=Unexpected)
_Redirected = TypeVar("_Redirected", bound=Redirected)
_Connected = TypeVar("_Connected", bound=Callable[[Any, Request], object])
_Headed = TypeVar("_Headed", bound=Headed)
_ClientFailed = TypeVar("_ClientFailed", bound=ClientFailed)
_UpgradeAsked = TypeVar("_UpgradeAsked", bound=UpgradeAsked)
_Asked = TypeVar("_Asked", bound=Asked)

_UnexpectedResponse = Literal["unexpected-response", "unexpected_response"]
_WsClientError = Literal["wsClientError", "ws_client_error"]


class WebSocketAdd(Protocol[E_co]):
    """`WebSocket.add_listener` and the like."""

    @overload
    def __call__(self, event: Literal["open"], listener: Silent) -> E_co: ...
    @overload
    def __call__(self, event: Literal["message"], listener: Message) -> E_co: ...
    @overload
    def __call__(self, event: Literal["message"], listener: OtherMessage) -> E_co: ...
    @overload
    def __call__(self, event: Literal["close"], listener: Closed) -> E_co: ...
    @overload
    def __call__(self, event: Literal["error"], listener: Failed) -> E_co: ...
    @overload
    def __call__(self, event: Literal["ping", "pong"], listener: Beat) -> E_co: ...
    @overload
    def __call__(self, event: Literal["upgrade"], listener: Upgraded) -> E_co: ...
    @overload
    def __call__(self, event: _UnexpectedResponse, listener: Unexpected) -> E_co: ...
    @overload
    def __call__(self, event: Literal["redirect"], listener: Redirected) -> E_co: ...


class WebSocketOn(Protocol[E_co]):
    """`WebSocket.on` and `once`."""

    @overload
    def __call__(self, event: Literal["open"], listener: Silent) -> E_co: ...
    @overload
    def __call__(self, event: Literal["open"]) -> Callable[[_Silent], _Silent]: ...
    @overload
    def __call__(self, event: Literal["message"], listener: Message) -> E_co: ...
    @overload
    def __call__(self, event: Literal["message"], listener: OtherMessage) -> E_co: ...
    @overload
    def __call__(self, event: Literal["message"]) -> Callable[[_Message], _Message]: ...
    @overload
    def __call__(self, event: Literal["close"], listener: Closed) -> E_co: ...
    @overload
    def __call__(self, event: Literal["close"]) -> Callable[[_Closed], _Closed]: ...
    @overload
    def __call__(self, event: Literal["error"], listener: Failed) -> E_co: ...
    @overload
    def __call__(self, event: Literal["error"]) -> Callable[[_Failed], _Failed]: ...
    @overload
    def __call__(self, event: Literal["ping", "pong"], listener: Beat) -> E_co: ...
    @overload
    def __call__(self, event: Literal["ping", "pong"]) -> Callable[[_Beat], _Beat]: ...
    @overload
    def __call__(self, event: Literal["upgrade"], listener: Upgraded) -> E_co: ...
    @overload
    def __call__(self, event: Literal["upgrade"]) -> Callable[[_Upgraded], _Upgraded]: ...
    @overload
    def __call__(self, event: _UnexpectedResponse, listener: Unexpected) -> E_co: ...
    @overload
    def __call__(self, event: _UnexpectedResponse) -> Callable[[_Unexpected], _Unexpected]: ...
    @overload
    def __call__(self, event: Literal["redirect"], listener: Redirected) -> E_co: ...
    @overload
    def __call__(self, event: Literal["redirect"]) -> Callable[[_Redirected], _Redirected]: ...


class ServerAdd(Protocol[E_co]):
    """`WebSocketServer.add_listener` and the like."""

    @overload
    def __call__(self, event: Literal["listening", "close"], listener: Silent) -> E_co: ...
    @overload
    def __call__(
        self, event: Literal["connection"], listener: Callable[[WebSocket, Request], object]
    ) -> E_co: ...
    @overload
    def __call__(self, event: Literal["connection"], listener: Callable[[W, Request], object]) -> E_co: ...
    @overload
    def __call__(self, event: Literal["headers"], listener: Headed) -> E_co: ...
    @overload
    def __call__(self, event: Literal["error"], listener: Failed) -> E_co: ...
    @overload
    def __call__(self, event: _WsClientError, listener: ClientFailed) -> E_co: ...


class ServerOn(Protocol[E_co]):
    """`WebSocketServer.on` and `once`."""

    @overload
    def __call__(self, event: Literal["listening", "close"], listener: Silent) -> E_co: ...
    @overload
    def __call__(self, event: Literal["listening", "close"]) -> Callable[[_Silent], _Silent]: ...
    @overload
    def __call__(
        self, event: Literal["connection"], listener: Callable[[WebSocket, Request], object]
    ) -> E_co: ...
    @overload
    def __call__(self, event: Literal["connection"], listener: Callable[[W, Request], object]) -> E_co: ...
    @overload
    def __call__(self, event: Literal["connection"]) -> Callable[[_Connected], _Connected]: ...
    @overload
    def __call__(self, event: Literal["headers"], listener: Headed) -> E_co: ...
    @overload
    def __call__(self, event: Literal["headers"]) -> Callable[[_Headed], _Headed]: ...
    @overload
    def __call__(self, event: Literal["error"], listener: Failed) -> E_co: ...
    @overload
    def __call__(self, event: Literal["error"]) -> Callable[[_Failed], _Failed]: ...
    @overload
    def __call__(self, event: _WsClientError, listener: ClientFailed) -> E_co: ...
    @overload
    def __call__(self, event: _WsClientError) -> Callable[[_ClientFailed], _ClientFailed]: ...


class HttpServerAdd(Protocol[E_co]):
    """`HttpServer.add_listener` and the like."""

    @overload
    def __call__(self, event: Literal["listening", "close"], listener: Silent) -> E_co: ...
    @overload
    def __call__(self, event: Literal["upgrade"], listener: UpgradeAsked) -> E_co: ...
    @overload
    def __call__(self, event: Literal["request"], listener: Asked) -> E_co: ...
    @overload
    def __call__(self, event: Literal["error"], listener: Failed) -> E_co: ...


class HttpServerOn(Protocol[E_co]):
    """`HttpServer.on` and `once`."""

    @overload
    def __call__(self, event: Literal["listening", "close"], listener: Silent) -> E_co: ...
    @overload
    def __call__(self, event: Literal["listening", "close"]) -> Callable[[_Silent], _Silent]: ...
    @overload
    def __call__(self, event: Literal["upgrade"], listener: UpgradeAsked) -> E_co: ...
    @overload
    def __call__(self, event: Literal["upgrade"]) -> Callable[[_UpgradeAsked], _UpgradeAsked]: ...
    @overload
    def __call__(self, event: Literal["request"], listener: Asked) -> E_co: ...
    @overload
    def __call__(self, event: Literal["request"]) -> Callable[[_Asked], _Asked]: ...
    @overload
    def __call__(self, event: Literal["error"], listener: Failed) -> E_co: ...
    @overload
    def __call__(self, event: Literal["error"]) -> Callable[[_Failed], _Failed]: ...
