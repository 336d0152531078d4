"""Types for annotations: the options of each class as TypedDicts, in both spellings, and what can be sent.

options: wsrs.typing.ServerOptions = {"port": 8080, "perMessageDeflate": True}
"""

from __future__ import annotations

from wsrs._typing.options import (
    BinaryType,
    ClientOptions,
    DeflateOptions,
    HttpServerOptions,
    ListenOptions,
    ParsedUrl,
    Protocols,
    Sendable,
    SendOptions,
    ServerOptions,
    UvicornOptions,
    ZlibOptions,
)

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
    "UvicornOptions",
    "ZlibOptions",
]
