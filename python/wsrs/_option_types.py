"""The types of the options, for type checkers: the tables of `wsrs.options`, in both spellings."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from ssl import SSLContext
from typing import Any, TypedDict

from wsrs.http._messages import HeadersLike

__all__ = ["ClientOptions", "HttpServerOptions", "ListenOptions", "ServerOptions"]

Pem = str | bytes | os.PathLike[str]
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


class _Connecting(TypedDict, total=False):
    agent: Any
    auto_select_family_attempt_timeout: float | None
    autoSelectFamilyAttemptTimeout: float | None
    create_connection: Callable[[dict[str, Any]], Any] | None
    createConnection: Callable[[dict[str, Any]], Any] | None
    family: int | None
    local_address: str | None
    localAddress: str | None
    local_port: int | None
    localPort: int | None
    lookup: Callable[[str, dict[str, Any]], Any] | Callable[[str, dict[str, Any], Any], Any] | None
    proxy: str | None
    socket: socket.socket | asyncio.Transport | None


class _Tls(TypedDict, total=False):
    ca: Pem | Sequence[Pem] | None
    cert: Pem | None
    key: Pem | None
    passphrase: str | bytes | None
    reject_unauthorized: bool | None
    rejectUnauthorized: bool | None
    servername: str | None
    ssl: SSLContext | None


class ClientOptions(_Connection, _Connecting, _Tls, total=False):
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
