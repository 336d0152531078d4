"""The opening handshake (RFC 6455 section 4): keys, and the checks of an upgrade request."""

from __future__ import annotations

import base64
import hashlib
import os
import re

from wsrs._backend.contract import Headers
from wsrs.errors import UpgradeRefused

__all__ = ["accept_key", "check_upgrade", "new_key"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(r"[+/0-9A-Za-z]{22}==")


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
