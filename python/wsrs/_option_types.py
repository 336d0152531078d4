"""The types of the options, for type checkers: the tables of `wsrs.options`, in both spellings."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from ssl import SSLContext
from typing import Any, TypedDict

from wsrs.http._messages import HeadersLike

__all__ = ["ClientOptions", "HttpServerOptions", "ListenOptions", "ServerOptions"]

Deflate = bool | Mapping[str, Any] | None
VerifyClient = Callable[[Any], bool | Awaitable[bool]] | Callable[[Any, Any], Any]


class _HttpLimits(TypedDict, total=False):
    handshake_timeout: float | None
    handshakeTimeout: float | None
    max_header_bytes: int | None
    maxHeaderBytes: int | None
    max_headers: int | None
    maxHeaders: int | None


class HttpServerOptions(_HttpLimits, total=False):
    """Keywords of `HttpServer`."""

    ssl: SSLContext | None


class _Listen(TypedDict, total=False):
    backlog: int | None
    host: str | None
    reuse_port: bool | None
    reusePort: bool | None
    sock: socket.socket | None
    unix: str | os.PathLike[str] | None


class ListenOptions(_Listen, total=False):
    """Keywords of `HttpServer.listen`."""

    port: int | None


class _Connection(TypedDict, total=False):
    allow_synchronous_events: bool | None
    allowSynchronousEvents: bool | None
    auto_pong: bool | None
    autoPong: bool | None
    close_timeout: float | None
    closeTimeout: float | None
    high_water_mark: int | None
    highWaterMark: int | None
    max_buffered_chunks: int | None
    maxBufferedChunks: int | None
    max_fragments: int | None
    maxFragments: int | None
    max_payload: int | None
    maxPayload: int | None
    max_pending_auto_pongs: int | None
    maxPendingAutoPongs: int | None
    per_message_deflate: Deflate
    perMessageDeflate: Deflate
    skip_utf8_validation: bool | None
    skipUTF8Validation: bool | None


class ServerOptions(_Connection, _HttpLimits, _Listen, total=False):
    """Keywords of `WebSocketServer`."""

    client_tracking: bool | None
    clientTracking: bool | None
    handle_protocols: Callable[[Any, Any], str | bool | None] | None
    handleProtocols: Callable[[Any, Any], str | bool | None] | None
    no_server: bool | None
    noServer: bool | None
    path: str | None
    port: int | None
    server: Any
    ssl: SSLContext | None
    verify_client: VerifyClient | None
    verifyClient: VerifyClient | None
    web_socket: type[Any] | None
    WebSocket: type[Any] | None


class ClientOptions(_Connection, total=False):
    """Keywords of `WebSocket`."""

    auth: str | None
    finish_request: Callable[[Any, Any], object] | None
    finishRequest: Callable[[Any, Any], object] | None
    follow_redirects: bool | None
    followRedirects: bool | None
    generate_mask: Callable[[bytearray], object] | None
    generateMask: Callable[[bytearray], object] | None
    handshake_timeout: float | None
    handshakeTimeout: float | None
    headers: HeadersLike | None
    max_redirects: int | None
    maxRedirects: int | None
    origin: str | None
    protocol_version: int | None
    protocolVersion: int | None
    protocols: str | Iterable[str] | None
    ssl: SSLContext | None
