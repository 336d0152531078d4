"""Connections through a proxy: HTTP CONNECT, and SOCKS4 and SOCKS5 (RFC 1928), spoken by python-socks.

The package is the extra `wsrs[proxy]`; it is imported when a SOCKS proxy is first used.
"""

from __future__ import annotations

import socket
from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import unquote

from wsrs._active_core import core
from wsrs._net.connect import Where, connect_tcp
from wsrs._net.http_connect import open_tunnel
from wsrs._net.url import scheme_of, shown, whole
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

    It is read as the address of a server is (RuntimeError for a host name that needs a package).
    The password is shown nowhere, not even in an error.
    """
    scheme = scheme_of(url) or ""
    kind = _KINDS.get(scheme)
    if kind is None:
        raise ValueError(f"{name}: the scheme must be one of {', '.join(_KINDS)}, not {scheme!r}")
    rest = whole(url.partition(":")[2])
    try:
        # The URL standard has no rules for addresses of other schemes than the web's.
        href, user, password, host, port, target = core.parse_url("http:" + rest)
        port_is_given = port == core.parse_url("https:" + rest)[4]
    except ValueError as error:
        raise ValueError(f"{name} is an invalid URL: {shown(url)!r}: {error}") from None
    if target != "/" or href.partition("#")[2]:
        raise ValueError(f"{name}: nothing may follow the host and port of {host!r}")
    protocol, usual_port, remote_names = kind
    return ProxyAddress(
        protocol,
        host.strip("[]"),
        port if port_is_given else usual_port,
        unquote(user) or None,
        unquote(password) if user or password else None,
        remote_names,
    )


async def connect_by_proxy(
    proxy: ProxyAddress, host: str, port: int, local: tuple[str, int] | None = None
) -> socket.socket:
    """Return a non-blocking socket that the proxy has connected to `host`.

    Raises OSError if the proxy cannot be reached, HandshakeError if it refuses, RuntimeError for SOCKS
    without python-socks.
    """
    if proxy.kind == "HTTP":
        return await _by_http(proxy, host, port, local)
    sock = await _by_socks(proxy, host, port, local)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _refused(
    proxy: ProxyAddress, host: str, port: int, error: Exception, status: int | None
) -> HandshakeError:
    message = f"The proxy {proxy.host}:{proxy.port} did not connect to {host}:{port}: {error}"
    return HandshakeError(message, status=status)


async def _by_http(proxy: ProxyAddress, host: str, port: int, local: tuple[str, int] | None) -> socket.socket:
    try:
        sock = await connect_tcp(Where(proxy.host, proxy.port, local=local))
    except OSError as error:
        message = f"Could not connect to the proxy {proxy.host}:{proxy.port}: {error.strerror or error}"
        raise OSError(error.errno, message) from error
    credentials = None if proxy.user is None else f"{proxy.user}:{proxy.password}"
    try:
        await open_tunnel(sock, host, port, credentials)
    except HandshakeError as error:
        sock.close()
        raise _refused(proxy, host, port, error, error.status) from error
    except BaseException:
        sock.close()
        raise
    return sock


async def _by_socks(
    proxy: ProxyAddress, host: str, port: int, local: tuple[str, int] | None
) -> socket.socket:
    try:
        library: Any = import_module("python_socks")
        connecting: Any = import_module("python_socks.async_.asyncio")
    except ImportError as error:
        raise RuntimeError("a SOCKS proxy needs python-socks: pip install 'wsrs[proxy]'") from error
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
        raise _refused(proxy, host, port, error, None) from error
    return sock
