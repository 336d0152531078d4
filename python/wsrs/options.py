"""The options: one table a class, with both spellings, the check of each value, and its default.

Sizes are bytes, times seconds (milliseconds by ws's name). 0 switches a limit off. None means: not given.
"""

from __future__ import annotations

import math
import socket
import ssl
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from wsrs._net.connect import ATTEMPT_DELAY
from wsrs._options import client
from wsrs._options.table import Check, Option, OptionTable

__all__ = [
    "CLIENT",
    "DEFLATE",
    "HTTP_SERVER",
    "LISTEN",
    "SEND",
    "SERVER",
    "ZLIB_DEFLATE",
    "ZLIB_INFLATE",
    "deflate_options",
    "protocol_list",
]

PROTOCOL_VERSIONS = (8, 13)
"""The versions of the protocol that are spoken, as `Sec-WebSocket-Version` says them."""


_SHORTEST_HEARTBEAT = 0.001
"""Seconds: what a loop's clock can tell apart."""


# Checks ---------------------------------------------------------------------------------------


def _wrong_type(name: str, wanted: str, value: object) -> TypeError:
    return TypeError(f"{name} must be {wanted}, not {type(value).__name__}")


def instance_of(wanted: str, *types: type) -> Check:
    """A check for the type alone; `wanted` is how an error message names it."""

    def check(name: str, value: Any) -> Any:
        if not isinstance(value, types):
            raise _wrong_type(name, wanted, value)
        return value

    return check


def integer(low: int, high: int | None = None) -> Check:
    """A check for an int of `low` to `high`."""

    def check(name: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise _wrong_type(name, "an int", value)
        if value < low or (high is not None and value > high):
            bounds = f"at least {low}" if high is None else f"{low} to {high}"
            raise ValueError(f"{name} must be {bounds}, not {value}")
        return value

    return check


def duration(name: str, value: Any) -> float:
    """A check for a time: a finite number, not negative."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _wrong_type(name, "a number", value)
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} must be finite and not negative, not {value}")
    return value


def heartbeat(name: str, value: Any) -> tuple[float, float] | None:
    """A check for `heartbeat`: seconds for both, or (interval, timeout); None if it is off."""
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2:
        raise ValueError(f"{name} must be a number or (interval, timeout), not {value!r}")
    if value == 0 and not isinstance(value, bool):
        return None
    for each in pair:
        if duration(name, each) < _SHORTEST_HEARTBEAT:
            raise ValueError(
                f"{name} must be 0 (off) or at least {_SHORTEST_HEARTBEAT} seconds, not {value!r}"
            )
    return pair[0], pair[1]


def one_of(*known: str) -> Check:
    """A check for one of the words `known`."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise _wrong_type(name, "a str", value)
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
        return value

    return check


def function(name: str, value: Any) -> Callable[..., Any]:
    """A check for something that can be called."""
    if not callable(value):
        raise _wrong_type(name, "callable", value)
    return value  # type: ignore[no-any-return]


def text(name: str, value: Any) -> str:
    """A check for a str without control characters, which would cut a line of a head in two."""
    if not isinstance(value, str):
        raise _wrong_type(name, "a str", value)
    if any(character < " " or character == "\x7f" for character in value):
        raise ValueError(f"{name} must not contain control characters: {value!r}")
    return value


def _window_bits(name: str, value: Any) -> int:
    return int(integer(8, 15)(name, value))


def _window_bits_or_false(name: str, value: Any) -> int | bool:
    return value if value is False else _window_bits(name, value)


def _window_bits_or_bool(name: str, value: Any) -> int | bool:
    return value if isinstance(value, bool) else _window_bits(name, value)


def _protocol_version(name: str, value: Any) -> int:
    version = int(integer(0)(name, value))
    if version not in PROTOCOL_VERSIONS:
        raise ValueError(f"{name}: unsupported protocol version: {version} (supported versions: 8, 13)")
    return version


def protocol_list(name: str, value: object) -> list[str]:
    """Subprotocols as a list: given as a str or as an iterable of them."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, (bytes, Mapping)) or not isinstance(value, Iterable):
        raise _wrong_type(name, "a str or an iterable of str", value)
    names = list(value)
    for each in names:
        if not isinstance(each, str):
            raise _wrong_type(f"{name}: each", "a str", each)
    return names


def _no_dictionary(name: str, value: Any) -> Any:
    raise ValueError(f"{name}: permessage-deflate has no preset dictionary (RFC 7692), so no peer has it")


def _deflate_keywords(name: str, value: Any) -> dict[str, int]:
    """`zlib_deflate_options`, as keywords of the backend's class."""
    options = ZLIB_DEFLATE.resolve(value)
    return {key: options[key] for key in ("level", "mem_level", "strategy") if options[key] is not None}


def _inflate_checked(name: str, value: Any) -> None:
    """`zlib_inflate_options`: checked, and nothing of it is left; the table says why."""
    ZLIB_INFLATE.resolve(value)


def deflate_options(name: str, value: Any) -> dict[str, Any] | None:
    """`per_message_deflate`, a bool or a mapping, as keywords of the backend's class; None if off."""
    if isinstance(value, bool):
        value = {} if value else None
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise _wrong_type(name, "a bool or a mapping", value)
    options = DEFLATE.resolve(value)
    zlib_options = options.pop("zlib_deflate_options") or {}
    del options["zlib_inflate_options"]
    return {key: each for key, each in {**options, **zlib_options}.items() if each is not None}


boolean = instance_of("a bool", bool)


def _unix(name: str, value: Any) -> str:
    if not isinstance(value, str) and not hasattr(value, "__fspath__"):
        raise _wrong_type(name, "a str or a path", value)
    return str(value)


# Tables ---------------------------------------------------------------------------------------

# What Node lets a program say to zlib. `level`, `mem_level` and `strategy` are obeyed. The others are checked
# as Node checks them, so that a program of ws runs and a slip is found, and change nothing, because:
# - chunk_size: the size of Node's output buffers. Here the output goes straight into the message.
# - window_bits: what was negotiated is used instead, as in ws; server_max_window_bits and
#   client_max_window_bits negotiate it.
# - flush, finish_flush: a message ends in a sync flush (RFC 7692 7.2.1), which ws asks for itself.
# - max_output_length, info: of Node's functions for whole buffers, which ws does not use; max_payload bounds
#   a message.
_ZLIB = [
    Option("chunk_size", "chunkSize", integer(64)),
    Option("dictionary", "dictionary", _no_dictionary),
    Option("finish_flush", "finishFlush", integer(0, 5)),
    Option("flush", "flush", integer(0, 5)),
    Option("info", "info", boolean),
    Option("level", "level", integer(-1, 9)),
    Option("max_output_length", "maxOutputLength", integer(1)),
    Option("mem_level", "memLevel", integer(1, 9)),
    Option("strategy", "strategy", integer(0, 4)),
    Option("window_bits", "windowBits", _window_bits),
]

ZLIB_DEFLATE = OptionTable("zlib_deflate_options", _ZLIB)

ZLIB_INFLATE = OptionTable("zlib_inflate_options", _ZLIB)
"""The same names, as in Node; inflating needs none of them: whatever level a peer chose can be inflated."""

DEFLATE = OptionTable(
    "per_message_deflate",
    [
        Option("server_no_context_takeover", "serverNoContextTakeover", boolean),
        Option("client_no_context_takeover", "clientNoContextTakeover", boolean),
        Option("server_max_window_bits", "serverMaxWindowBits", _window_bits_or_false),
        Option("client_max_window_bits", "clientMaxWindowBits", _window_bits_or_bool),
        Option("zlib_deflate_options", "zlibDeflateOptions", _deflate_keywords),
        Option("zlib_inflate_options", "zlibInflateOptions", _inflate_checked),
        Option("threshold", "threshold", integer(0), 1024),
        Option("concurrency_limit", "concurrencyLimit", integer(1), 10),
    ],
)

SEND = OptionTable(
    "send",
    [
        Option("binary", "binary", boolean),
        Option("compress", "compress", boolean),
        Option("fin", "fin", boolean, True),
        Option("mask", "mask", boolean),
    ],
)

_CONNECTION = [
    Option("allow_synchronous_events", "allowSynchronousEvents", boolean, True),
    Option("auto_pong", "autoPong", boolean, True),
    Option("close_timeout", "closeTimeout", duration, 30.0, time=True),
    Option("heartbeat", "heartbeat", heartbeat),
    Option("high_water_mark", "highWaterMark", integer(1), 64 * 1024),
    Option("max_buffered_chunks", "maxBufferedChunks", integer(0), 256 * 1024),
    Option("max_fragments", "maxFragments", integer(0), 16 * 1024),
    Option("max_payload", "maxPayload", integer(0), 100 * 1024 * 1024),
    Option("max_pending_auto_pongs", "maxPendingAutoPongs", integer(0), 60),
    Option("skip_utf8_validation", "skipUTF8Validation", boolean, False),
    Option("slow_peer", "slowPeer", one_of("pause", "drop", "close"), "pause"),
]

_HTTP_LIMITS = [
    Option("handshake_timeout", "handshakeTimeout", duration, 10.0, time=True),
    Option("max_header_bytes", "maxHeaderBytes", integer(0), 16 * 1024),
    Option("max_headers", "maxHeaders", integer(0), 128),
]

_LISTEN = [
    Option("backlog", "backlog", integer(0), 511),
    Option("host", "host", text),
    Option("port", "port", integer(0, 65535)),
    Option("reuse_port", "reusePort", boolean, False),
    Option("sock", "sock", instance_of("a socket", socket.socket)),
    Option("unix", "unix", _unix),
]

_SSL = Option("ssl", "ssl", instance_of("an ssl.SSLContext", ssl.SSLContext))

HTTP_SERVER = OptionTable("HttpServer", [*_HTTP_LIMITS, _SSL])

LISTEN = OptionTable("listen", _LISTEN)


def _server_class(name: str, value: Any) -> Any:
    from wsrs.websocket import WebSocket

    if not isinstance(value, type) or not issubclass(value, WebSocket):
        raise TypeError(f"{name} must be WebSocket or a subclass of it, not {value!r}")
    return value


def _http_server(name: str, value: Any) -> Any:
    from wsrs.http import HttpServer

    # Who gives an application of aiohttp's has imported it: no need to do it for those who have not.
    aiohttp = sys.modules.get("aiohttp.web")
    if aiohttp is not None and isinstance(value, aiohttp.Application):
        return value
    return instance_of("an HttpServer or an aiohttp.web.Application", HttpServer)(name, value)


SERVER = OptionTable(
    "WebSocketServer",
    [
        *_CONNECTION,
        *_HTTP_LIMITS,
        *_LISTEN,
        _SSL,
        Option("client_tracking", "clientTracking", boolean, True),
        Option("handle_protocols", "handleProtocols", function),
        Option("max_connections", "maxConnections", integer(0), 0),
        Option("no_server", "noServer", boolean, False),
        Option("path", "path", text),
        Option("per_message_deflate", "perMessageDeflate", deflate_options),
        Option("server", "server", _http_server),
        Option("verify_client", "verifyClient", function),
        Option("web_socket", "WebSocket", _server_class),
    ],
    {"callback": "it is the second parameter, by place; or listen to 'listening'"},
)

_CONNECTING = [
    Option("agent", "agent", client.connecting_agent),
    Option(
        "auto_select_family_attempt_timeout",
        "autoSelectFamilyAttemptTimeout",
        duration,
        ATTEMPT_DELAY,
        time=True,
    ),
    Option("create_connection", "createConnection", function),
    Option("family", "family", client.address_family, 0),
    Option("local_address", "localAddress", client.ip_address),
    Option("local_port", "localPort", integer(0, 65535), 0),
    Option("lookup", "lookup", function),
    Option("proxy", "proxy", client.proxy_url),
    Option("socket", "socket", client.stream_socket),
]
"""How a client connects: as `http.request` does."""

_TLS = [
    Option("ca", "ca", client.pems),
    Option("cert", "cert", client.pem),
    Option("key", "key", client.pem),
    Option("passphrase", "passphrase", client.secret),
    Option("reject_unauthorized", "rejectUnauthorized", boolean, True),
    Option("servername", "servername", client.server_name),
    _SSL,
]
"""The TLS of a client: as `tls.connect` has it."""

CLIENT = OptionTable(
    "WebSocket",
    [
        *_CONNECTION,
        *_CONNECTING,
        *_TLS,
        Option("auth", "auth", text),
        Option("finish_request", "finishRequest", function),
        Option("follow_redirects", "followRedirects", boolean, False),
        Option("generate_mask", "generateMask", function),
        Option("handshake_timeout", "handshakeTimeout", duration, 0.0, time=True),
        Option("headers", "headers", lambda name, value: value, ()),
        Option("max_redirects", "maxRedirects", integer(0), 10),
        Option("origin", "origin", text),
        Option(
            "per_message_deflate",
            "perMessageDeflate",
            deflate_options,
            {"threshold": 1024, "concurrency_limit": 10},
        ),
        Option("protocol_version", "protocolVersion", _protocol_version, 13),
        Option("protocols", "protocols", protocol_list, ()),
    ],
    client.REFUSED,
)
