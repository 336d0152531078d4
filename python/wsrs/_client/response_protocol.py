"""Reads the head of the response on the client's side of a connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wsrs._active_core import core
from wsrs.errors import HandshakeError, HeadError

if TYPE_CHECKING:
    from wsrs._client.handshake import Handshake
    from wsrs._client.response_body import Body

__all__ = ["ResponseProtocol"]

_END = b"\r\n\r\n"
_MAX_HEAD = 16 * 1024
"""The most bytes of a head, as in Node's client."""
_MAX_HEADERS = 128
_BEGINNING = b"HTTP/1."
_ALERT = b"\x15\x03"
"""The beginning of a TLS server's answer to a request that is not encrypted (RFC 8446 5.1)."""


class ResponseProtocol(asyncio.Protocol):
    """The protocol of a client's connection until it is upgraded."""

    __slots__ = ("_body", "_buffer", "_handshake", "_has_line", "_searched")

    def __init__(self, handshake: Handshake) -> None:
        self._handshake: Handshake | None = handshake
        self._buffer = b""
        self._searched = 0
        self._has_line = False
        self._body: Body | None = None

    def forget(self) -> None:
        """Ignore all that still comes: the handshake has ended."""
        self._handshake = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._handshake is None:
            transport.abort()  # type: ignore[attr-defined]
        else:
            self._handshake.connected(transport)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        if self._body is not None:
            self._body.feed(data)
            return
        buffer = self._buffer + data
        start = 0  # of the next head: any number of interim responses may precede the final one
        while self._handshake is not None and self._body is None:
            end = buffer.find(_END, start + self._searched)
            if (end + len(_END) if end >= 0 else len(buffer)) - start > _MAX_HEAD:
                self._failed(HandshakeError("The head of the server's response is too large"))
                return
            if end < 0:
                self._buffer = buffer[start:]
                self._searched = max(0, len(self._buffer) - len(_END) + 1)
                if not self._has_line:
                    self._check_beginning()
                return
            head = buffer[start : end + len(_END)]
            start = end + len(_END)
            self._searched = 0
            self._has_line = False
            self._head(head, buffer, start)

    def _check_beginning(self) -> None:
        """Fail at once if the bytes cannot become a response: its end would never arrive."""
        start = self._buffer.lstrip(b"\r\n")
        end = start.find(b"\n")
        if start.startswith(_ALERT):
            self._failed(
                HandshakeError("Invalid server response: it is TLS, so the address must begin with wss:")
            )
        elif not start.startswith(_BEGINNING[: len(start)]):
            self._failed(HandshakeError(f"Invalid server response: it begins with {start[:32]!r}"))
        elif end >= 0:
            self._has_line = True
            try:
                core.parse_response(start[: end + 1] + b"\r\n", 1)
            except HeadError as error:
                self._failed(HandshakeError(f"Invalid server response: {error}"))

    def _head(self, head: bytes, buffer: bytes, end: int) -> None:
        """Take a head, which ends at `end` in `buffer`."""
        handshake = self._handshake
        assert handshake is not None
        try:
            minor, status, reason, raw = core.parse_response(bytes(head), _MAX_HEADERS)
        except HeadError as error:
            self._failed(HandshakeError(f"Invalid server response: {error}"))
            return
        if 100 <= status < 200 and status != 101:
            # RFC 7231 6.2: interim responses; the final one follows.
            return
        if status == 101:
            self._handshake = None
        rest, self._buffer = buffer[end:], b""
        body = handshake.answered(minor, status, reason, raw, rest)
        if body is not None and self._handshake is not None:
            self._body = body
            if rest:
                body.feed(rest)

    def _failed(self, error: BaseException) -> None:
        assert self._handshake is not None
        self._handshake.fail(error)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: BaseException | None) -> None:
        if self._body is not None:
            self._body.feed_eof()
        handshake, self._handshake = self._handshake, None
        if handshake is not None:
            handshake.lost(error, was_silent=not self._buffer)
