"""The options of `HttpServer` and of its `listen`: how a request may look, and where a server listens."""

from __future__ import annotations

import socket

from wsrs._options.checks import boolean, duration, instance_of, integer, path, text
from wsrs._options.connection import SSL
from wsrs._options.table import Option, OptionTable

__all__ = ["HTTP_LIMITS", "HTTP_SERVER", "LISTEN", "LISTENING"]

HTTP_LIMITS = [
    Option("handshake_timeout", "handshakeTimeout", duration, 10.0, time=True),
    Option("max_header_bytes", "maxHeaderBytes", integer(0), 16 * 1024),
    Option("max_headers", "maxHeaders", integer(0), 128),
    Option("response_timeout", "responseTimeout", duration, 10.0, time=True),
]

LISTENING = [
    Option("backlog", "backlog", integer(0), 511),
    Option("host", "host", text),
    Option("port", "port", integer(0, 65535)),
    Option("reuse_port", "reusePort", boolean, False),
    Option("sock", "sock", instance_of("a socket", socket.socket)),
    Option("unix", "unix", path),
    Option("unix_mode", "unixMode", integer(0, 0o777)),
]

HTTP_SERVER = OptionTable("HttpServer", [*HTTP_LIMITS, SSL])

LISTEN = OptionTable("listen", LISTENING)
