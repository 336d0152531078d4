"""The address of a WebSocket server, read as browsers and Node read it: by the URL standard.

Rules kept here: the names of states and sets are those of <https://url.spec.whatwg.org>. Only the four
schemes that lead to a server are supported. All of them are "special", so there are no rules for others.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote

from wsrs._backend.contract import ParsedUrl

__all__ = ["parse_url"]

_PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443}
_SCHEME = r"([A-Za-z][A-Za-z0-9+.\-]*):"
_TWO_SLASHES = r"[/\\]{2}"
_C0_OR_SPACE = "".join(map(chr, range(0x21)))
_WITHOUT_TAB_OR_NEWLINE = str.maketrans("", "", "\t\n\r")

# The characters that `quote` leaves unchanged in each part, besides letters, digits and "_.-~".
_IN_USERINFO = "!$%&'()*+,"
_IN_PATH = _IN_USERINFO + "/:;=@[\\]^|"
_IN_QUERY = _IN_PATH.replace("'", "") + "?`{}"
_IN_FRAGMENT = _IN_PATH + "?#{}"


class _Url(NamedTuple):
    """A URL record of the standard."""

    scheme: str
    username: str
    password: str
    host: str
    port: int | None
    """None for the one that the scheme implies."""
    path: list[str]
    query: str | None
    fragment: str | None

    def serialize(self) -> ParsedUrl:
        userinfo = self.username + (f":{self.password}" if self.password else "")
        authority = self.host if self.port is None else f"{self.host}:{self.port}"
        path = "/" + "/".join(self.path)
        href = f"{self.scheme}://{userinfo}{'@' if userinfo else ''}{authority}{path}"
        href += "" if self.query is None else f"?{self.query}"
        href += "" if self.fragment is None else f"#{self.fragment}"
        port = _PORTS[self.scheme] if self.port is None else self.port
        target = f"{path}?{self.query}" if self.query else path
        return href, self.username, self.password, self.host, port, target


def parse_url(text: str, base: str | None = None) -> ParsedUrl:
    """See `wsrs._backend.contract.Backend.parse_url`."""
    return _parse(text, None if base is None else _parse(base, None)).serialize()


def _parse(text: str, base: _Url | None) -> _Url:
    text = text.strip(_C0_OR_SPACE).translate(_WITHOUT_TAB_OR_NEWLINE)
    scheme = base.scheme if base is not None else ""
    found = re.match(_SCHEME, text)
    if found is not None:
        scheme = found[1].lower()
        if scheme not in _PORTS:
            raise ValueError("unsupported scheme")
        text = text[found.end() :]
    elif base is None:
        raise ValueError("relative URL without a base")
    text, hash_sign, rest = text.partition("#")
    fragment = quote(rest, safe=_IN_FRAGMENT) if hash_sign else None
    text, question, rest = text.partition("?")
    query = quote(rest, safe=_IN_QUERY) if question else None
    if base is not None and base.scheme == scheme and re.match(_TWO_SLASHES, text) is None:
        return _relative(text, query, fragment, base)
    text = text.lstrip("/\\")
    end = re.search(r"[/\\]|\Z", text)
    assert end is not None
    authority = _authority(text[: end.start()], scheme)
    return _Url(scheme, *authority, _path(text[end.start() :], []), query, fragment)


def _relative(text: str, query: str | None, fragment: str | None, base: _Url) -> _Url:
    """The "relative state"."""
    if text:
        kept = [] if text[0] in "/\\" else base.path[:-1]
        return base._replace(path=_path(text, kept), query=query, fragment=fragment)
    return base._replace(query=base.query if query is None else query, fragment=fragment)


def _authority(text: str, scheme: str) -> tuple[str, str, str, int | None]:
    """Username, password, host and port."""
    userinfo, _, text = text.rpartition("@")
    username, _, password = userinfo.partition(":")
    # A colon within brackets divides the parts of an IPv6 address.
    found = re.match(r"((?:\[[^\]]*(?:\]|\Z)|[^:\[])*)(?::(.*))?\Z", text, re.DOTALL)
    assert found is not None
    host, digits = found[1], found[2]
    if not host:
        raise ValueError("empty host")
    # Imported at the first address, when the expressions are compiled, too: a server has no address.
    from wsrs._pure.host import parse_host

    host = parse_host(host)
    port = _port(digits, scheme) if digits else None
    return quote(username, safe=_IN_USERINFO), quote(password, safe=_IN_USERINFO), host, port


def _port(digits: str, scheme: str) -> int | None:
    significant = digits.lstrip("0") or "0"
    if not (digits.isascii() and digits.isdecimal()) or len(significant) > 5 or int(significant) > 0xFFFF:
        raise ValueError("invalid port number")
    port = int(significant)
    return None if port == _PORTS[scheme] else port


def _path(text: str, path: list[str]) -> list[str]:
    """The "path start state" and the "path state": `path`, with the segments of `text` appended."""
    segments = re.split(r"[/\\]", text[1:] if text[:1] in ("/", "\\") else text)
    path = path.copy()
    for segment in segments:
        dots = segment.lower().replace("%2e", ".")
        if dots == "..":
            del path[-1:]
        elif dots != ".":
            path.append(quote(segment, safe=_IN_PATH))
    if dots in (".", ".."):
        path.append("")
    return path
