"""HTTP heads, read strictly: a head that two parsers could read differently is refused.

Every function is linear in the length of its input.
"""

from __future__ import annotations

import re

from wsrs._backend.contract import Headers
from wsrs._pure.integers import check_counts
from wsrs.errors import HeadError

__all__ = ["TCHAR", "TOKEN", "is_token", "parse_request", "parse_response"]

TCHAR = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
TOKEN = re.compile(f"{TCHAR}+")
"""A token of RFC 7230 section 3.2.6, and its characters."""

_TARGET = re.compile(r"[\x21-\x7e]+")
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_VERSION = re.compile(r"HTTP/1\.([01])")
_STATUS = re.compile(r"[0-9]{3}")


def parse_request(head: bytes, max_headers: int) -> tuple[str, str, int, Headers]:
    """Method, target, HTTP minor version and headers of a whole request head. Raises HeadError."""
    check_counts(max_headers=max_headers)
    line, fields = _lines(head, "request")
    parts = line.split(" ")
    if len(parts) != 3 or not is_token(parts[0]) or not _TARGET.fullmatch(parts[1]):
        raise _invalid("token")
    return parts[0], parts[1], _minor_version(parts[2]), _headers(fields, max_headers)


def parse_response(head: bytes, max_headers: int) -> tuple[int, int, str, Headers]:
    """HTTP minor version, status, reason and headers of a whole response head. Raises HeadError."""
    check_counts(max_headers=max_headers)
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


def is_token(value: str) -> bool:
    """Whether `value` is a token of RFC 7230 section 3.2.6."""
    return TOKEN.fullmatch(value) is not None
