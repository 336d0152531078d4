"""What the ends of a handshake agree on: subprotocols, permessage-deflate, and the head of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wsrs._active_core import core, new_deflate
from wsrs.errors import UpgradeRefused
from wsrs.http._messages import Headers, has_valid_host

if TYPE_CHECKING:
    from wsrs._backend.contract import PerMessageDeflate

__all__ = ["Extension", "accept_lines", "check_message", "negotiate"]

Extension = tuple["PerMessageDeflate", str]
"""An accepted permessage-deflate, and the value of its header in the answer."""

_RawHeaders = list[tuple[str, str]]


def check_message(raw: _RawHeaders, http_version: str) -> None:
    """Raise UpgradeRefused for a request that HTTP forbids, although ws accepts it."""
    # "A server MUST ignore an Upgrade header field that is received in an HTTP/1.0 request" (RFC 9110 7.8).
    if http_version == "1.0":
        raise UpgradeRefused("Invalid HTTP version")
    if not has_valid_host(raw, http_version):
        raise UpgradeRefused("Missing or invalid Host header")


def negotiate(
    raw: _RawHeaders, deflate_options: Mapping[str, Any] | None
) -> tuple[list[str], Extension | None]:
    """Return the subprotocols that the client offers, and the extension if it offers one that is wanted.

    `deflate_options` are those of `per_message_deflate`, checked; None if it is off. Raises UpgradeRefused.
    """
    headers = Headers(raw)
    protocols: list[str] = []
    value = headers.get("sec-websocket-protocol")
    if value is not None:
        try:
            protocols = core.parse_subprotocols(value)
        except ValueError as error:
            raise UpgradeRefused("Invalid Sec-WebSocket-Protocol header") from error
    value = headers.get("sec-websocket-extensions")
    if value is None or deflate_options is None:
        return protocols, None
    try:
        offers = [params for name, params in core.parse_extensions(value) if name == "permessage-deflate"]
        if not offers:
            return protocols, None
        deflate = new_deflate(is_server=True, **deflate_options)
        return protocols, (deflate, deflate.accept(offers))
    except ValueError as error:
        raise UpgradeRefused("Invalid or unacceptable Sec-WebSocket-Extensions header") from error


def accept_lines(key: str, protocol: str, extension: Extension | None) -> list[str]:
    """Return the lines of the 101 answer (RFC 6455 4.2.2), to which others may be added."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {core.accept_key(key)}",
    ]
    if protocol:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    if extension is not None:
        lines.append(f"Sec-WebSocket-Extensions: {extension[1]}")
    return lines
