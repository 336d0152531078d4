"""The options of `WebSocketServer`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from wsrs._options.checks import boolean, function, instance_of, integer, text
from wsrs._options.connection import CONNECTION, SSL, deflate_options
from wsrs._options.table import Option, Options, OptionTable
from wsrs.http import HttpServer
from wsrs.http._options import HTTP_LIMITS, LISTENING
from wsrs.websocket import WebSocket

__all__ = ["HTTP_OPTIONS", "LISTEN_OPTIONS", "SERVER", "server_options"]

LISTEN_OPTIONS = ("port", "unix", "unix_mode", "sock", "backlog", "host", "reuse_port")
HTTP_OPTIONS = ("handshake_timeout", "max_header_bytes", "max_headers", "response_timeout", "ssl")
"""The options that an `HttpServer` of our own gets."""


def _server_class(name: str, value: Any) -> Any:
    if not isinstance(value, type) or not issubclass(value, WebSocket):
        raise TypeError(f"{name} must be WebSocket or a subclass of it, not {value!r}")
    return value


def _http_server(name: str, value: Any) -> Any:
    # A program that passes an aiohttp application has imported aiohttp, so it is not imported here.
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
    {"callback": "pass it as the second positional argument, or listen to 'listening'"},
)


_PLACES = ("port", "server", "no_server", "sock", "unix")
_LISTEN_OPTIONS = ("backlog", "host", "reuse_port")
_OF_OWN_HTTP = {"max_header_bytes", "max_headers", "response_timeout", "ssl"}
"""Options of the HTTP server that is made for `port`, `unix` or `sock`; another HTTP server has its own."""


def server_options(mapping: Mapping[str, Any] | None, keywords: Mapping[str, Any]) -> Options:
    """All options of a server. Raises TypeError and ValueError."""
    options = SERVER.resolve(mapping, keywords)
    _check_places(options, options.given)
    return options


def _check_places(options: Mapping[str, Any], given: frozenset[str]) -> None:
    places = [name for name in _PLACES if options[name] is not None and options[name] is not False]
    if len(places) != 1:
        known = '"port", "server", "no_server", "sock" or "unix"'
        raise TypeError(f"One and only one of the {known} options must be specified, not {places or 'none'}")
    place = places[0]
    useless = set(_LISTEN_OPTIONS) & given if place in ("server", "no_server", "sock", "unix") else set()
    if place in ("unix", "sock"):
        useless -= {"backlog"}
    if place != "unix":
        useless |= {"unix_mode"} & given
    if place in ("server", "no_server"):
        useless |= _OF_OWN_HTTP & given
    if useless:
        names = ", ".join(sorted(useless))
        raise TypeError(f"WebSocketServer: {names} has no meaning together with {place}")
