"""Both sides of the opening handshake (RFC 6455 section 4): HTTP heads, keys, header values.

Heads are read strictly: what two parsers could read differently is refused. Every function is linear in
the length of its input.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re

from wsrs._backend.contract import Extensions, Headers
from wsrs.errors import HeadError, UpgradeRefused

__all__ = [
    "accept_key",
    "check_upgrade",
    "is_token",
    "new_key",
    "parse_extensions",
    "parse_request",
    "parse_response",
    "parse_subprotocols",
]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

_TCHAR = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_TOKEN = re.compile(f"{_TCHAR}+")
_SPACES = re.compile(r"[ \t]*")
_QUOTED = re.compile(rf"(?:{_TCHAR}|\\{_TCHAR})*")
_KEY = re.compile(r"[+/0-9A-Za-z]{22}==")
_TARGET = re.compile(r"[\x21-\x7e]+")
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_VERSION = re.compile(r"HTTP/1\.([01])")
_STATUS = re.compile(r"[0-9]{3}")


# HTTP heads -----------------------------------------------------------------------------------


def parse_request(head: bytes, max_headers: int) -> tuple[str, str, int, Headers]:
    """Method, target, HTTP minor version and headers of a whole request head. Raises HeadError."""
    line, fields = _lines(head, "request")
    parts = line.split(" ")
    if len(parts) != 3 or not is_token(parts[0]) or not _TARGET.fullmatch(parts[1]):
        raise _invalid("token")
    return parts[0], parts[1], _minor_version(parts[2]), _headers(fields, max_headers)


def parse_response(head: bytes, max_headers: int) -> tuple[int, int, str, Headers]:
    """HTTP minor version, status, reason and headers of a whole response head. Raises HeadError."""
    line, fields = _lines(head, "response")
    version, _, rest = line.partition(" ")
    status, _, reason = rest.partition(" ")
    minor = _minor_version(version)
    if not _STATUS.fullmatch(status):
        raise _invalid("HTTP status")
    if not _FIELD_VALUE.fullmatch(reason):
        raise _invalid("token")
    return minor, int(status), reason, _headers(fields, max_headers)


def _lines(head: bytes, kind: str) -> tuple[str, list[str]]:
    """The first line and the others of a head, latin-1 decoded.

    RFC 7230 section 3.5 lets a recipient take a bare LF for a line end; then two parsers may see different
    requests in the same bytes, so it is refused. Empty lines before the first are skipped (3.5 again).
    """
    text = head.decode("latin-1")
    lines = text.split("\r\n")
    for line in lines:
        if "\n" in line:
            raise HeadError("A line of the head ends without CR", 400)
    start = next((at for at, line in enumerate(lines) if line), 0)
    if len(lines) - start < 3 or lines[-1] or lines[-2]:
        raise HeadError(f"Incomplete {kind} head", 400)
    return lines[start], lines[start + 1 : -2]


def _invalid(what: str) -> HeadError:
    return HeadError(f"Invalid HTTP head: invalid {what}", 400)


def _minor_version(text: str) -> int:
    match = _VERSION.fullmatch(text)
    if match is None:
        raise _invalid("HTTP version")
    return int(match[1])


def _headers(lines: list[str], max_headers: int) -> Headers:
    if len(lines) > max_headers:
        raise HeadError(f"More than {max_headers} header fields", 431)
    headers = []
    for line in lines:
        # A folded line begins with a space, so that its "name" is no token: RFC 7230 section 3.2.4
        # has servers refuse those, and also a space before the colon.
        name, colon, value = line.partition(":")
        if not colon or not is_token(name):
            raise _invalid("header name")
        if not _FIELD_VALUE.fullmatch(value):
            raise _invalid("header value")
        headers.append((name, value.strip(" \t")))
    return headers


# The upgrade ----------------------------------------------------------------------------------


def check_upgrade(method: str, headers: Headers) -> tuple[str, int]:
    """Key and version of an upgrade request. Raises UpgradeRefused, in the order of ws's checks."""
    if method != "GET":
        raise UpgradeRefused("Invalid HTTP method", 405)
    if (_single(headers, "upgrade") or "").lower() != "websocket":
        raise UpgradeRefused("Invalid Upgrade header")
    key = _single(headers, "sec-websocket-key")
    if key is None or not _KEY.fullmatch(key):
        raise UpgradeRefused("Missing or invalid Sec-WebSocket-Key header")
    version = _single(headers, "sec-websocket-version")
    if version not in ("13", "8"):
        message = "Missing or invalid Sec-WebSocket-Version header"
        raise UpgradeRefused(message, headers={"Sec-WebSocket-Version": "13, 8"})
    # Bytes behind the head are frames. A body that a proxy sees there would be something else.
    if any(value != "0" for value in _values(headers, "content-length")) or _values(
        headers, "transfer-encoding"
    ):
        raise UpgradeRefused("An upgrade request must not have a body")
    return key, int(version)


def _values(headers: Headers, name: str) -> list[str]:
    return [value for key, value in headers if key.lower() == name]


def _single(headers: Headers, name: str) -> str | None:
    """The only value of a header; None where it is missing or repeated."""
    values = _values(headers, name)
    return values[0] if len(values) == 1 else None


def accept_key(key: str) -> str:
    """`Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (section 4.2.2, item 5)."""
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def new_key() -> str:
    """A `Sec-WebSocket-Key`: 16 bytes of the system's entropy in base64 (section 4.1, item 7)."""
    return base64.b64encode(os.urandom(16)).decode()


# Header values --------------------------------------------------------------------------------


def _unexpected(text: str, at: int) -> ValueError:
    return ValueError(f"Unexpected character at index {at}" if at < len(text) else "Unexpected end of input")


class _Scanner:
    """Reads a header value from left to right, each character once."""

    __slots__ = ("at", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise _unexpected(self.text, self.at)
        self.at = match.end()
        return match[0]

    def is_at_end(self) -> bool:
        self._skip(_SPACES)
        return self.at == len(self.text)

    def take(self, character: str) -> bool:
        """Go past `character`, if it is the next but for spaces."""
        self._skip(_SPACES)
        found = self.text.startswith(character, self.at)
        self.at += found
        return found

    def token(self) -> str:
        self._skip(_SPACES)
        return self._skip(_TOKEN)

    def value(self) -> str:
        """A token, or a quoted string whose content is one (section 9.1)."""
        if not self.take('"'):
            return self.token()
        start = self.at
        value = self._skip(_QUOTED)
        if not self.text.startswith('"', self.at):
            raise _unexpected(self.text, self.at + self.text.startswith("\\", self.at))
        if not value:
            raise _unexpected(self.text, start)
        self.at += 1
        return value.replace("\\", "")


def parse_extensions(value: str) -> Extensions:
    """Parse `Sec-WebSocket-Extensions`; ValueError at the first character that cannot stand there."""
    scanner = _Scanner(value)
    extensions: Extensions = []
    while True:
        name = scanner.token()
        params: dict[str, list[str | bool]] = {}
        while scanner.take(";"):
            values = params.setdefault(scanner.token(), [])
            values.append(scanner.value() if scanner.take("=") else True)
        extensions.append((name, params))
        if scanner.is_at_end():
            return extensions
        if not scanner.take(","):
            raise _unexpected(value, scanner.at)


def parse_subprotocols(value: str) -> list[str]:
    """Parse `Sec-WebSocket-Protocol`; ValueError for an empty, invalid or repeated name."""
    names: dict[str, None] = {}
    at = 0
    for item in value.split(","):
        name = item.strip(" \t")
        token = _TOKEN.match(name)
        end = token.end() if token else 0
        if not name:
            raise _unexpected(value, at + len(item))
        if end < len(name):
            raise _unexpected(value, at + item.index(name) + end)
        if name in names:
            # "The elements … MUST all be unique strings" (section 4.1, item 10).
            raise ValueError(f'The "{name}" subprotocol is duplicated')
        names[name] = None
        at += len(item) + 1
    return list(names)


def is_token(value: str) -> bool:
    """Whether `value` is a token of RFC 7230 section 3.2.6."""
    return _TOKEN.fullmatch(value) is not None
