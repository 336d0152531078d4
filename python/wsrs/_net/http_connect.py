"""HTTP CONNECT (RFC 9110 9.3.6): a tunnel through a proxy, to be used like a connection to the server itself.

Rules kept here: not a byte behind the proxy's answer is read, for it belongs to what goes through the tunnel;
the answer may come in any pieces, and after interim ones, but all of it is no longer than `_MAX_HEAD`.
"""

from __future__ import annotations

import asyncio
import base64
import socket

from wsrs._active_core import core
from wsrs.errors import HandshakeError, HeadError

__all__ = ["open_tunnel"]

_END = b"\r\n\r\n"
_MAX_HEAD = 16 * 1024
_MAX_HEADERS = 128


async def open_tunnel(sock: socket.socket, host: str, port: int, credentials: str | None) -> None:
    """Ask the proxy behind `sock`, which does not block, for a tunnel to `host`.

    `credentials` are `user:password`. Raises HandshakeError if the proxy refuses, OSError if the connection
    breaks.
    """
    loop = asyncio.get_running_loop()
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if credentials is not None:
        lines.append("Proxy-Authorization: Basic " + base64.b64encode(credentials.encode()).decode())
    await loop.sock_sendall(sock, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    left = _MAX_HEAD
    while True:
        head = await _read_head(sock, left)
        left -= len(head)
        try:
            _, status, reason, _ = core.parse_response(head, _MAX_HEADERS)
        except HeadError as error:
            raise HandshakeError(f"its answer is invalid: {error}") from error
        if status >= 200:
            break
        # RFC 9110 15.2: an interim response; the final one follows.
    # "Any 2xx (Successful) response indicates that the sender ... will switch to tunnel mode".
    if status >= 300:
        raise HandshakeError(f"{status} {reason}".rstrip(), status=status)


async def _read_head(sock: socket.socket, limit: int) -> bytes:
    """Read a head to its end, and no further: never more at once than is surely missing."""
    loop = asyncio.get_running_loop()
    head = b""
    missing = len(_END)
    while missing:
        part = await loop.sock_recv(sock, missing)
        if not part:
            raise HandshakeError("it has closed the connection")
        head += part
        if len(head) > limit:
            raise HandshakeError("the head of its answer is too large")
        missing = len(_END) - max(length for length in range(len(_END) + 1) if head.endswith(_END[:length]))
    return head
