"""The types of the options, for type checkers: those of the tables, in both spellings."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from ssl import SSLContext
from typing import TYPE_CHECKING, Any, Literal, Protocol, SupportsBytes, TypedDict, Union

from wsrs._client.request import ClientRequest
from wsrs._server.verify_client import VerifyInfo
from wsrs.blob import Blob
from wsrs.http import Request
from wsrs.http._messages import HeadersLike
from wsrs.websocket import WebSocket

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "BinaryType",
    "ClientOptions",
    "DeflateOptions",
    "HttpServerOptions",
    "ListenOptions",
    "ParsedUrl",
    "Protocols",
    "SendOptions",
    "Sendable",
    "ServerOptions",
    "ZlibOptions",
]

Pem = str | bytes | os.PathLike[str]

BinaryType = Literal["nodebuffer", "arraybuffer", "blob", "fragments"]
"""The values of `binary_type`."""

Sendable = Union[str, float, "Buffer", "list[int]", "tuple[int, ...]", Blob, SupportsBytes]
"""What can be sent: text, numbers (as text), bytes-like objects, lists of 0 to 255, `Blob`, `__bytes__`."""

Protocols = str | Sequence[str] | AbstractSet[str]
"""The subprotocols that a client asks for."""


class _Parsed(Protocol):
    def geturl(self) -> str: ...


class _Readable(Protocol):
    def human_repr(self) -> str: ...


ParsedUrl = _Parsed | _Readable
"""An address other than a str: a result of `urllib.parse`, or a `yarl.URL`."""


class SendOptions(TypedDict, total=False):
    """Options of `WebSocket.send`."""

    binary: bool | None
    compress: bool | None
    fin: bool | None
    mask: bool | None


class ZlibOptions(TypedDict, total=False):
    """What `per_message_deflate` tells zlib: `zlib_deflate_options` and `zlib_inflate_options`."""

    chunk_size: int | None
    chunkSize: int | None
    finish_flush: int | None
    finishFlush: int | None
    flush: int | None
    info: bool | None
    level: int | None
    max_output_length: int | None
    maxOutputLength: int | None
    mem_level: int | None
    memLevel: int | None
    strategy: int | None
    window_bits: int | None
    windowBits: int | None


class DeflateOptions(TypedDict, total=False):
    """The parameters of `per_message_deflate`."""

    server_no_context_takeover: bool | None
    serverNoContextTakeover: bool | None
    client_no_context_takeover: bool | None
    clientNoContextTakeover: bool | None
    server_max_window_bits: int | None
    serverMaxWindowBits: int | None
    client_max_window_bits: int | bool | None
    clientMaxWindowBits: int | bool | None
    zlib_deflate_options: ZlibOptions | None
    zlibDeflateOptions: ZlibOptions | None
    zlib_inflate_options: ZlibOptions | None
    zlibInflateOptions: ZlibOptions | None
    threshold: int | None
    concurrency_limit: int | None
    concurrencyLimit: int | None


SlowPeerPolicy = Literal["pause", "drop", "close"]
Deflate = bool | DeflateOptions | None
_Verdict = bool | Awaitable[bool]
VerifyClient = Callable[[VerifyInfo], _Verdict] | Callable[[VerifyInfo, Callable[..., None]], object]
HandleProtocols = Callable[[AbstractSet[str], Request], str | bool | None]
WebSocketClass = type[WebSocket]
FinishRequest = Callable[[ClientRequest, WebSocket], object]


class _HttpLimits(TypedDict, total=False):
    handshake_timeout: float | None
    handshakeTimeout: float | None
    max_header_bytes: int | None
    maxHeaderBytes: int | None
    max_headers: int | None
    maxHeaders: int | None
    response_timeout: float | None
    responseTimeout: float | None


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
    unix_mode: int | None
    unixMode: int | None


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
    heartbeat: float | tuple[float, float] | None
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
    slow_peer: SlowPeerPolicy | None
    slowPeer: SlowPeerPolicy | None


class ServerOptions(_Connection, _HttpLimits, _Listen, total=False):
    """Keywords of `WebSocketServer`."""

    client_tracking: bool | None
    clientTracking: bool | None
    handle_protocols: HandleProtocols | None
    handleProtocols: HandleProtocols | None
    max_connections: int | None
    maxConnections: int | None
    no_server: bool | None
    noServer: bool | None
    path: str | None
    port: int | None
    server: Any  # an HttpServer; applications of other frameworks have no common type
    ssl: SSLContext | None
    verify_client: VerifyClient | None
    verifyClient: VerifyClient | None
    web_socket: WebSocketClass | None
    WebSocket: WebSocketClass | None


class UvicornOptions(_Connection, total=False):
    """Keywords of `wsrs.uvicorn.protocol`."""

    max_connections: int | None
    maxConnections: int | None


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
    finish_request: FinishRequest | None
    finishRequest: FinishRequest | None
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
    protocols: Protocols | None
