"""The address of a WebSocket server: `ws:`, `wss:`, `http:`, `https:` and `ws+unix:` URLs (RFC 6455 3)."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

__all__ = ["Address", "join", "parse", "without_credentials"]

_DEFAULT_PORTS = {"ws": 80, "wss": 443}
_SCHEMES = {"ws": "ws", "http": "ws", "wss": "wss", "https": "wss", "ws+unix": "ws+unix"}
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_SAFE = "/:?#[]@!$&'()*+,;=%-._~|^`{}\\\""
"""What stays as it is in a path and query: all printable ASCII but space, < and >."""
_SAFE_USER = _SAFE.replace("@", "")


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
        """The URL without credentials, for messages."""
        return without_credentials(self.href)

    def is_host_of(self, other: Address) -> bool:
        """Whether both are the same host and port, or the same Unix socket, as ws compares them."""
        return (self.unix, self.authority) == (other.unix, other.authority)


def without_credentials(href: str) -> str:
    """A normalised URL without its user and password: what may stand in a log."""
    scheme, slashes, rest = href.partition("://")
    authority, slash, path = rest.partition("/")
    return scheme + slashes + authority.rpartition("@")[2] + slash + path


def parse(address: Any) -> Address:
    """Parse a str, a `urllib.parse` result or a `yarl.URL`.

    Raises TypeError for another type, ValueError for what is no address of a WebSocket server.
    """
    if hasattr(address, "geturl"):
        address = address.geturl()
    elif hasattr(address, "human_repr"):
        address = str(address)
    if not isinstance(address, str):
        raise TypeError(f"the address must be a str or a parsed URL, not {type(address).__name__}")
    url = address.strip()
    if _CONTROL.search(url.replace(" ", "")) or not url:
        raise ValueError(f"Invalid URL: {address!r}")
    scheme = _SCHEMES.get(url.partition(":")[0].lower())
    if scheme is None:
        known = '"ws:", "wss:", "http:", "https:", or "ws+unix:"'
        raise ValueError(f"The URL's protocol must be one of {known}: {address!r}")
    url, _, fragment = url.partition("#")
    if fragment:
        # RFC 6455 3: fragment identifiers are meaningless in WebSocket URIs and must not be used.
        raise ValueError(f"The URL contains a fragment identifier: {address!r}")
    return _parse_unix(url) if scheme == "ws+unix" else _parse_tcp(url, scheme)


def _parse_unix(url: str) -> Address:
    rest = url.partition(":")[2]
    if rest.startswith("//"):
        rest = rest[2:]
    if not rest or rest.startswith((":", "?")):
        raise ValueError(f"The URL's pathname is empty: {url!r}")
    socket_path, colon, target = rest.partition(":")
    if not colon:
        # Without a URL path the query, if any, still ends the path of the socket.
        socket_path, question, query = rest.partition("?")
        target = question + query
    path, question, query = (target if target.startswith("/") else "/" + target).partition("?")
    path = _without_dots(path) + (question + query if query else "")
    href = "ws+unix:" + quote(rest, safe=_SAFE)
    return Address(href, False, "localhost", 0, "localhost", quote(path, safe=_SAFE), None, socket_path)


def _parse_tcp(url: str, scheme: str) -> Address:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"Invalid URL: {url!r}: {error}") from None
    if not url.partition(":")[2].startswith("//") or not host or " " in host:
        raise ValueError(f"Invalid URL: {url!r}")
    host = _plain_host(host, url)
    default = _DEFAULT_PORTS[scheme]
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port in (None, default) else f"{shown}:{port}"
    query = f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
    path = _without_dots(quote(parts.path or "/", safe=_SAFE)) + query
    auth = None
    userinfo = ""
    if parts.username is not None or parts.password is not None:
        auth = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        userinfo = quote(parts.netloc.rpartition("@")[0], safe=_SAFE_USER) + "@"
    href = f"{scheme}://{userinfo}{authority}{path}"
    return Address(
        href, scheme == "wss", host, default if port is None else port, authority, path, auth, None
    )


def _without_dots(path: str) -> str:
    """A path without its `.` and `..`, as it is asked for (RFC 3986 5.2.4; of `%2e` as in Node's URL)."""
    if "." not in path and "%2e" not in path.lower():
        return path
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        dots = segment.lower().replace("%2e", ".")
        if dots == ".." and kept:
            kept.pop()
        if dots not in (".", ".."):
            kept.append(segment)
    if dots in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _plain_host(host: str, url: str) -> str:
    """The host in ASCII: an IP address as it is, a name by IDNA."""
    if ":" in host:
        try:
            ipaddress.IPv6Address(host.partition("%")[0])
        except ValueError:
            raise ValueError(f"Invalid URL: {url!r}: {host!r} is no IPv6 address") from None
        return host
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ValueError(f"Invalid URL: {url!r}: {error}") from None


def join(base: Address, location: str) -> Address:
    """The address that a redirect's `Location` means, seen from `base`."""
    if base.unix is not None:
        if "://" not in location and not location.lower().startswith("ws+unix:"):
            target = urljoin("http://localhost" + base.path, location).partition("//localhost")[2]
            return parse(f"ws+unix:{base.unix}:{target}")
        return parse(location)
    # urllib joins only schemes that it knows.
    http = "http" + base.href[2:]
    try:
        joined = urljoin(http, location)
    except ValueError as error:
        raise ValueError(f"Invalid URL: {location!r}: {error}") from None
    return parse(joined)
