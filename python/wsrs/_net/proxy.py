"""Connections through a proxy: HTTP CONNECT, SOCKS4 and SOCKS5 (RFC 1928), spoken by python-socks.

The package is the extra `wsrs[proxy]`; it is imported when the option `proxy` is first used.
"""

from __future__ import annotations

import socket
from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from wsrs._net.url import shown
from wsrs.errors import HandshakeError

__all__ = ["ProxyAddress", "connect_by_proxy", "parse_proxy"]

_KINDS = {
    "http": ("HTTP", 80, True),
    "socks4": ("SOCKS4", 1080, False),
    "socks4a": ("SOCKS4", 1080, True),
    "socks5": ("SOCKS5", 1080, True),
    "socks5h": ("SOCKS5", 1080, True),
}
"""By scheme: the protocol, its usual port, and whether the proxy looks up the names."""

_A_DAY = 24 * 3600.0
"""Seconds: python-socks needs a timeout, but it is `handshake_timeout` that bounds a handshake."""


class ProxyAddress(NamedTuple):
    """A parsed proxy URL."""

    kind: str
    host: str
    port: int
    user: str | None
    password: str | None
    remote_names: bool


def parse_proxy(name: str, url: str) -> ProxyAddress:
    """Parse the URL of a proxy, as in `http://user:password@host:port`. ValueError names `name`.

    The password is shown nowhere, not even in an error.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"{name} is an invalid URL: {shown(url)!r}") from None
    kind = _KINDS.get(parts.scheme)
    if kind is None:
        raise ValueError(f"{name}: the scheme must be one of {', '.join(_KINDS)}, not {parts.scheme!r}")
    if not host:
        raise ValueError(f"{name}: the URL has no host")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"{name}: nothing may follow the host and port of {host!r}")
    protocol, usual_port, remote_names = kind
    user = None if parts.username is None else unquote(parts.username)
    password = None if user is None else unquote(parts.password or "")
    return ProxyAddress(
        protocol, host, usual_port if port is None else port, user or None, password, remote_names
    )


async def connect_by_proxy(
    proxy: ProxyAddress, host: str, port: int, local: tuple[str, int] | None = None
) -> socket.socket:
    """Return a non-blocking socket that the proxy has connected to `host`.

    Raises OSError if the proxy cannot be reached, HandshakeError if it refuses, RuntimeError
    without python-socks.
    """
    try:
        library: Any = import_module("python_socks")
        connecting: Any = import_module("python_socks.async_.asyncio")
    except ImportError as error:
        raise RuntimeError("the option proxy needs python-socks: pip install 'wsrs[proxy]'") from error
    way = connecting.Proxy(
        getattr(library.ProxyType, proxy.kind),
        proxy.host,
        proxy.port,
        proxy.user,
        proxy.password,
        rdns=proxy.remote_names,
    )
    try:
        sock: socket.socket = await way.connect(host, port, timeout=_A_DAY, local_addr=local)
    except library.ProxyError as error:
        status = error.error_code if proxy.kind == "HTTP" else None
        message = f"The proxy {proxy.host}:{proxy.port} did not connect to {host}:{port}: {error}"
        raise HandshakeError(message, status=status) from error
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock
