"""The options of a client, alone and together; many are those of Node's `http.request` and `tls.connect`."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping
from typing import Any

from wsrs._net.connect import ATTEMPT_DELAY
from wsrs._net.proxy import ProxyAddress, parse_proxy
from wsrs._net.url import Address
from wsrs._options.checks import boolean, duration, function, integer, protocol_list, text, wrong_type
from wsrs._options.connection import CONNECTION, SSL, deflate_options
from wsrs._options.table import Option, Options, OptionTable

__all__ = ["CLIENT", "REFUSED", "check_together", "stream_socket"]

_PROTOCOL_VERSIONS = (8, 13)
"""The versions of the protocol that a client can speak, as in `Sec-WebSocket-Version`."""

_IN_THE_CONTEXT = ("ca", "cert", "key", "passphrase", "reject_unauthorized")
_WAYS = ("agent", "create_connection", "proxy", "socket")
_UNUSED = {
    "proxy": ("auto_select_family_attempt_timeout", "family", "lookup"),
    "socket": ("auto_select_family_attempt_timeout", "family", "local_address", "local_port", "lookup"),
}
"""Options that have no effect, and are therefore refused, beside another one."""

_IN_THE_ADDRESS = "the address says it"
_OF_THE_CONTEXT = "an ssl.SSLContext has it: give one as ssl"
_OF_THE_SOCKET = "set it on a socket of your own, given as socket or by create_connection"

REFUSED: Mapping[str, str] = {
    "auto_select_family": "it is always on; auto_select_family_attempt_timeout sets the delay",
    "hints": "lookup decides which addresses there are",
    "insecure_http_parser": "only what RFC 9112 allows is read",
    "max_header_size": "the head of an answer has at most 16 KiB, as in Node",
    "method": "an opening handshake is a GET",
    "no_delay": "it is always on",
    "pfx": "only PEM is read: cert and key",
    "signal": "call terminate(), or cancel the task that waits",
    "timeout": "handshake_timeout bounds the handshake, heartbeat finds a silent peer",
    **dict.fromkeys(("keep_alive", "keep_alive_initial_delay"), _OF_THE_SOCKET),
    **dict.fromkeys(
        ("default_port", "host", "hostname", "path", "port", "protocol", "socket_path"), _IN_THE_ADDRESS
    ),
    **dict.fromkeys(
        (
            "alpn_protocols",
            "ciphers",
            "crl",
            "dhparam",
            "ecdh_curve",
            "honor_cipher_order",
            "max_version",
            "min_version",
            "secure_context",
            "secure_options",
            "secure_protocol",
        ),
        _OF_THE_CONTEXT,
    ),
}
"""Options of Node's `http.request` and `tls.connect` that are not accepted, and what to use instead."""

_FAMILIES = {0: 0, 4: socket.AF_INET, 6: socket.AF_INET6}


def _address_family(name: str, value: Any) -> int:
    """A check for 0 (any), 4 or 6, or `socket.AF_INET` and `AF_INET6`: as a constant of `socket`."""
    if isinstance(value, socket.AddressFamily) and value in _FAMILIES.values():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong_type(name, "an int", value)
    if value not in _FAMILIES:
        raise ValueError(f"{name} must be 0, 4 or 6, not {value!r}")
    return int(_FAMILIES[value])


def _ip_address(name: str, value: Any) -> str:
    """A check for an IP address as text."""
    if not isinstance(value, str):
        raise wrong_type(name, "a str", value)
    try:
        ipaddress.ip_address(value.partition("%")[0])
    except ValueError:
        raise ValueError(f"{name} must be an IP address, not {value!r}") from None
    return value


def _pem(name: str, value: Any) -> str | bytes:
    """A check for a PEM text, or the path of a file with one."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, (str, bytes)):
        raise wrong_type(name, "a PEM text or a path", value)
    if not value:
        raise ValueError(f"{name} must not be empty")
    return value


def _pems(name: str, value: Any) -> list[str | bytes]:
    """A check for one or several PEM texts or paths."""
    several = value if isinstance(value, (list, tuple)) else [value]
    return [_pem(name, each) for each in several]


def _secret(name: str, value: Any) -> str | bytes:
    """A check for a passphrase, which no error message shows."""
    if not isinstance(value, (str, bytes)):
        raise wrong_type(name, "a str or bytes", value)
    return value


def _server_name(name: str, value: Any) -> str:
    """A check for the name that a server is asked for, and its certificate must have; "" asks for none."""
    if not isinstance(value, str):
        raise wrong_type(name, "a str", value)
    if any(character <= " " or character == "\x7f" for character in value):
        raise ValueError(f"{name} must be a host name, not {value!r}")
    return value


def stream_socket(name: str, value: Any) -> Any:
    """A check for a connected stream socket, or a transport."""
    if isinstance(value, socket.socket):
        if value.type & 0xF != socket.SOCK_STREAM:
            raise ValueError(f"{name} must be a stream socket, not {value!r}")
    elif not (hasattr(value, "set_protocol") and hasattr(value, "write")):
        raise wrong_type(name, "a socket or a transport", value)
    return value


def _connecting_agent(name: str, value: Any) -> Any:
    """A check for an agent: its `create_connection` (or Node's `createConnection`), None for False."""
    if value is False:
        return None
    for spelling in ("create_connection", "createConnection"):
        function = getattr(value, spelling, None)
        if callable(function):
            return function
    raise TypeError(f"{name} must be False or have a method create_connection: {value!r}")


def _proxy_url(name: str, value: Any) -> ProxyAddress:
    """A check for the URL of a proxy."""
    if not isinstance(value, str):
        raise wrong_type(name, "a str", value)
    return parse_proxy(name, value)


def _protocol_version(name: str, value: Any) -> int:
    version = int(integer(0)(name, value))
    if version not in _PROTOCOL_VERSIONS:
        raise ValueError(f"{name}: unsupported protocol version: {version} (supported versions: 8, 13)")
    return version


_CONNECTING = [
    Option("agent", "agent", _connecting_agent),
    Option(
        "auto_select_family_attempt_timeout",
        "autoSelectFamilyAttemptTimeout",
        duration,
        ATTEMPT_DELAY,
        time=True,
    ),
    Option("create_connection", "createConnection", function),
    Option("family", "family", _address_family, 0),
    Option("local_address", "localAddress", _ip_address),
    Option("local_port", "localPort", integer(0, 65535), 0),
    Option("lookup", "lookup", function),
    Option("proxy", "proxy", _proxy_url),
    Option("socket", "socket", stream_socket),
]
"""How a client connects: the options of `http.request`."""

_TLS = [
    Option("ca", "ca", _pems),
    Option("cert", "cert", _pem),
    Option("key", "key", _pem),
    Option("passphrase", "passphrase", _secret),
    Option("reject_unauthorized", "rejectUnauthorized", boolean, True),
    Option("servername", "servername", _server_name),
    SSL,
]
"""The TLS of a client: the options of `tls.connect`."""

CLIENT = OptionTable(
    "WebSocket",
    [
        *CONNECTION,
        *_CONNECTING,
        *_TLS,
        Option("auth", "auth", text),
        Option("finish_request", "finishRequest", function),
        Option("follow_redirects", "followRedirects", boolean, False),
        Option("generate_mask", "generateMask", function),
        Option("handshake_timeout", "handshakeTimeout", duration, 10.0, time=True),
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
    REFUSED,
)


def check_together(options: Options, address: Address) -> None:
    """Raise ValueError for options that exclude each other, or mean nothing for `address`.

    As in Node, what is only for other kinds of address is not read, so that an address may be configured.
    """
    given = {name for name in options.given if options[name] is not None}
    _check_ways(given, options)
    if "socket" in given and options["follow_redirects"]:
        raise ValueError("WebSocket: socket cannot be combined with follow_redirects: it serves one request")
    for name, other in (("key", "cert"), ("passphrase", "cert"), ("local_port", "local_address")):
        if name in given and other not in given:
            raise ValueError(f"WebSocket: {name} needs {other}")
    if "proxy" in given and address.unix is not None and not options["follow_redirects"]:
        # A redirect may lead to any kind of address.
        raise ValueError(f"WebSocket: proxy has no meaning for {address.shown!r}")


def _check_ways(given: set[str], options: Options) -> None:
    ways = [name for name in _WAYS if name in given]
    if len(ways) > 1:
        raise ValueError(f"WebSocket: {ways[0]} cannot be combined with {ways[1]}")
    for way in ways:
        for name in _UNUSED.get(way, ()):
            if name in given:
                raise ValueError(f"WebSocket: {name} has no meaning beside {way}")
    for name in _IN_THE_CONTEXT:
        if name in given and "ssl" in given:
            raise ValueError(f"WebSocket: {name} cannot be combined with ssl, which has its own")
    if options["servername"] == "" and options["ssl"] is not None and options["ssl"].check_hostname:
        raise ValueError("WebSocket: without a servername, the context given as ssl cannot check_hostname")
