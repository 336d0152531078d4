"""The checks of a 101 answer: "the client MUST validate the server's response" (RFC 6455 4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsrs._active_core import core
from wsrs.errors import HandshakeError
from wsrs.http._messages import Headers, list_of

if TYPE_CHECKING:
    from wsrs._backend.contract import PerMessageDeflate

__all__ = ["check_answer"]


def check_answer(
    headers: Headers, key: str, protocols: list[str], deflate: PerMessageDeflate | None
) -> tuple[str, PerMessageDeflate | None]:
    """Return the subprotocol ("" for none) and the extension that were agreed on.

    Raises HandshakeError with ws's message. ws does not look at `Connection` itself, because Node's HTTP
    client has done so. RFC 6455 4.1 refuses an answer without `Connection: Upgrade`, and so do we.
    """
    if headers.get("upgrade", "").lower() != "websocket":
        raise _bad("Invalid Upgrade header")
    if "upgrade" not in list_of(headers.get("connection", "").lower()):
        raise _bad("Invalid Connection header")
    if headers.get("sec-websocket-accept") != core.accept_key(key):
        raise _bad("Invalid Sec-WebSocket-Accept header")
    protocol = headers.get("sec-websocket-protocol")
    if protocol is None and protocols:
        raise _bad("Server sent no subprotocol")
    if protocol is not None and not protocols:
        raise _bad("Server sent a subprotocol but none was requested")
    if protocol is not None and protocol not in protocols:
        raise _bad("Server sent an invalid subprotocol")
    return protocol or "", _extension(headers.get("sec-websocket-extensions"), deflate)


def _extension(value: str | None, deflate: PerMessageDeflate | None) -> PerMessageDeflate | None:
    if value is None:
        return None
    if deflate is None:
        raise _bad("Server sent a Sec-WebSocket-Extensions header but no extension was requested")
    try:
        found = core.parse_extensions(value)
        if not found or any(name != "permessage-deflate" for name, _ in found):
            raise _bad("Server indicated an extension that was not requested")
        deflate.accept([parameters for _, parameters in found])
    except ValueError as error:
        raise _bad("Invalid Sec-WebSocket-Extensions header") from error
    return deflate


def _bad(message: str) -> HandshakeError:
    return HandshakeError(message, status=101)
