"""The options of `WebSocketServer`."""

from __future__ import annotations

import sys
from typing import Any

from wsrs._options.checks import boolean, function, instance_of, integer, text
from wsrs._options.connection import CONNECTION, SSL, deflate_options
from wsrs._options.table import Option, OptionTable
from wsrs.http import HttpServer
from wsrs.http._options import HTTP_LIMITS, LISTENING
from wsrs.websocket import WebSocket

__all__ = ["SERVER"]


def _server_class(name: str, value: Any) -> Any:
    if not isinstance(value, type) or not issubclass(value, WebSocket):
        raise TypeError(f"{name} must be WebSocket or a subclass of it, not {value!r}")
    return value


def _http_server(name: str, value: Any) -> Any:
    # Who gives an application of aiohttp's has imported it: no need to do it for those who have not.
    aiohttp = sys.modules.get("aiohttp.web")
    if aiohttp is not None and isinstance(value, aiohttp.Application):
        return value
    return instance_of("an HttpServer or an aiohttp.web.Application", HttpServer)(name, value)


SERVER = OptionTable(
    "WebSocketServer",
    [
        *CONNECTION,
        *HTTP_LIMITS,
        *LISTENING,
        SSL,
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
