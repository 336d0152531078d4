"""The address of a WebSocket server: `ws:`, `wss:`, `http:`, `https:` and `ws+unix:` URLs (RFC 6455 3).

The core parses them by the URL standard: an address leads where it leads in browsers and in Node. Here is
what the standard does not cover: the meanings of the schemes, and the paths of Unix sockets.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from wsrs._active_core import core
from wsrs._backend.contract import ParsedUrl

__all__ = ["Address", "join", "parse", "scheme_of", "shown", "whole"]

_SCHEMES = {"ws": "ws", "http": "ws", "wss": "wss", "https": "wss"}
_DEFAULT_PORTS = {"ws": 80, "wss": 443}
# `re` compiles and caches these at the first address. A server has none, so importing wsrs costs it less.
_SCHEME = r"[\x00-\x20]*([A-Za-z][A-Za-z0-9+.\-\t\n\r]*):"
_ON_SOCKET = "ws://localhost"
"""Put before the target of a `ws+unix:` URL, so that it can be parsed like any other."""
_CONTROL = r"[\x00-\x1f\x7f]"
_START = r"[A-Za-z][A-Za-z0-9+.-]*://"
_SAFE = "/:?#[]@!$&'()*+,;=%-._~|^`{}\\\""
"""The characters that stay as they are in a `ws+unix:` URL: all printable ASCII but space, < and >."""


class Address(NamedTuple):
    """A parsed address."""

    href: str
    """The URL, normalised."""
    secure: bool
    host: str
    """Without brackets; "localhost" for a Unix socket."""
    port: int
    authority: str
    """The `Host` header: host, and port where it is not the scheme's default."""
    path: str
    """The request target: path and query."""
    auth: str | None
    """`user:password`, from the URL."""
    unix: str | None
    """The path of the Unix socket."""

    @property
    def shown(self) -> str:
        """The URL in a form fit for messages."""
        return shown(self.href)

    def is_host_of(self, other: Address) -> bool:
        """Whether both are the same host and port, or the same Unix socket, as ws compares them."""
        return (self.unix, self.authority) == (other.unix, other.authority)


def shown(address: str) -> str:
    """Return an address in a form fit for logs and exceptions: without user, password, query and fragment.

    The address need not be valid. In an invalid one it is unknown where the password ends, so everything up
    to the last "@" is left out.
    """
    scheme = scheme_of(address)
    if scheme != "ws+unix":  # whose paths may have an "@", and which have no user
        try:
            address = core.parse_url(whole(address), None)[0]
        except (ValueError, RuntimeError):
            address = _without_user(address)
        else:
            start, slashes, rest = address.partition("://")
            authority, slash, path = rest.partition("/")
            address = start + slashes + authority.rpartition("@")[2] + slash + path
    address, hash_sign, fragment = address.partition("#")
    address, question, query = address.partition("?")
    return address + question + "..." * bool(query) + hash_sign + "..." * bool(fragment)


def _without_user(text: str) -> str:
    before, at, after = text.rpartition("@")
    if not at:
        return text
    start = re.match(_START, before)
    return f"{'' if start is None else start[0]}...@{after}"


def parse(address: Any) -> Address:
    """Parse a str, a `urllib.parse` result or a `yarl.URL`.

    Raises TypeError for another type, ValueError if it is not the address of a WebSocket server, and
    RuntimeError for a host name that needs a package that is not installed.
    """
    if hasattr(address, "geturl"):
        address = address.geturl()
    elif hasattr(address, "human_repr"):
        address = str(address)
    if not isinstance(address, str):
        raise TypeError(f"the address must be a str or a parsed URL, not {type(address).__name__}")
    return _parse_unix(address) if scheme_of(address) == "ws+unix" else _parse_tcp(address, None)


def join(base: Address, location: str) -> Address:
    """Return the address of a redirect's `Location`, which may be relative to `base`."""
    if base.unix is None:
        return parse(location) if scheme_of(location) == "ws+unix" else _parse_tcp(location, base.href)
    if scheme_of(location) is not None:
        return parse(location)
    _, _, _, host, port, path = _read(location, _ON_SOCKET + base.path, location)
    if (host, port) != ("localhost", 80):
        raise ValueError(f"Invalid URL: {shown(location)!r}: on a Unix socket there is no other host")
    return _parse_unix(f"ws+unix:{base.unix}:{path}")


def scheme_of(text: str) -> str | None:
    """The scheme of a URL, in lower case; None for a relative one."""
    found = re.match(_SCHEME, text)
    return None if found is None else re.sub(r"[\t\n\r]", "", found[1]).lower()


def whole(text: str) -> str:
    """Return `text` with U+FFFD in place of each lone surrogate."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _read(text: str, base: str | None, address: str) -> ParsedUrl:
    """Return what the core parses from `text`; an error names `address`."""
    try:
        parsed = core.parse_url(whole(text), base)
    except ValueError as error:
        raise ValueError(f"Invalid URL: {shown(address)!r}: {error}") from None
    if parsed[0].partition("#")[2]:
        # RFC 6455 3: fragment identifiers are meaningless in WebSocket URIs and must not be used.
        raise ValueError(f"The URL contains a fragment identifier: {shown(address)!r}")
    return parsed


def _parse_tcp(address: str, base: str | None) -> Address:
    if scheme_of(address) not in (None, *_SCHEMES):
        known = '"ws:", "wss:", "http:", "https:", or "ws+unix:"'
        raise ValueError(f"The URL's protocol must be one of {known}: {shown(address)!r}")
    href, username, password, host, port, path = _read(address, base, address)
    scheme, colon, rest = href.partition(":")
    scheme = _SCHEMES[scheme]
    authority = host if port == _DEFAULT_PORTS[scheme] else f"{host}:{port}"
    auth = f"{unquote(username)}:{unquote(password)}" if username or password else None
    bare = host.strip("[]")
    return Address(scheme + colon + rest, scheme == "wss", bare, port, authority, path, auth, None)


def _parse_unix(address: str) -> Address:
    url, _, fragment = address.strip().partition("#")
    if re.search(_CONTROL, url):
        raise ValueError(f"Invalid URL: {shown(address)!r}")
    if fragment:
        raise ValueError(f"The URL contains a fragment identifier: {shown(address)!r}")
    rest = url.partition(":")[2].removeprefix("//")
    if not rest or rest.startswith((":", "?")):
        raise ValueError(f"The URL's pathname is empty: {shown(address)!r}")
    socket_path, colon, target = rest.partition(":")
    if not colon:
        # Even without a URL path, a query ends the path of the socket.
        socket_path, question, query = rest.partition("?")
        target = question + query
    path = _read(_ON_SOCKET + (target if target.startswith("/") else "/" + target), None, address)[5]
    href = "ws+unix:" + quote(rest, safe=_SAFE)
    return Address(href, False, "localhost", 0, "localhost", path, None, socket_path)
