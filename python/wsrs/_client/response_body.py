"""The body of a response that is not an upgrade (RFC 9112 6), without its framing and in bounded memory."""

from __future__ import annotations

import asyncio

from wsrs.errors import HandshakeError
from wsrs.http._messages import Headers, list_of

__all__ = ["Body"]

_MAX_LINE = 16 * 1024
"""Bytes of a chunk's size line, and of all trailers."""
_BUFFERED = 64 * 1024
"""Bytes: while twice as many are held, the connection is not read."""

_SIZE, _DATA, _DATA_END, _TRAILERS, _UNTIL_CLOSE, _DONE = range(6)


class Body:
    """A response's body. The connection calls `feed` and `feed_eof`, its `Response` calls `read`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, status: int, headers: Headers) -> None:
        self._reader = asyncio.StreamReader(_BUFFERED, loop)
        self._error: HandshakeError | None = None
        self._pending = b""
        self._left = 0
        self._chunked = False
        self._trailers = 0
        self._state = self._framing(status, headers)
        if self._state == _DONE:
            self._reader.feed_eof()

    def _framing(self, status: int, headers: Headers) -> int:
        """Decide how the end of the body is known (RFC 9112 6.3)."""
        if status in (204, 304):
            return _DONE
        coding = headers.get("transfer-encoding")
        if coding is not None:
            # "if ... the chunked transfer coding is not the final encoding, the message body length is
            # determined by reading the connection until it is closed by the server"
            self._chunked = list_of(coding.lower())[-1] == "chunked"
            return _SIZE if self._chunked else _UNTIL_CLOSE
        if "content-length" not in headers:
            return _UNTIL_CLOSE
        lengths = set(list_of(headers["content-length"]))
        length = lengths.pop()
        if lengths or not (length.isascii() and length.isdigit() and len(length) < 20):
            self._broken(f"its Content-Length is {headers['content-length']!r}")
            return _DONE
        self._left = int(length)
        return _DATA if self._left else _DONE

    def set_transport(self, transport: asyncio.Transport) -> None:
        """Pause `transport` from now on while too much waits to be read."""
        self._reader.set_transport(transport)

    def feed(self, data: bytes) -> None:
        """Take bytes that arrived after the head."""
        data = self._pending + data if self._pending else data
        self._pending = b""
        at = 0
        # By an index: cutting off the front would copy the rest for every chunk.
        while at < len(data) and self._state != _DONE:
            if self._state == _UNTIL_CLOSE:
                self._reader.feed_data(data[at:])
                return
            at = self._content(data, at) if self._state == _DATA else self._line(data, at)

    def _content(self, data: bytes, at: int) -> int:
        part = data[at : at + self._left]
        self._left -= len(part)
        self._reader.feed_data(part)
        if not self._left:
            if self._chunked:
                self._state = _DATA_END
            else:
                self._end()
        return at + len(part)

    def _line(self, data: bytes, at: int) -> int:
        """Take one line of the chunked coding (RFC 9112 7.1)."""
        newline = data.find(b"\n", at)
        end = newline if newline >= 0 else len(data)
        self._trailers += end - at if self._state == _TRAILERS and newline >= 0 else 0
        if max(end - at, self._trailers) > _MAX_LINE:
            self._broken("a line of its chunked coding is too long")
            return len(data)
        if newline < 0:
            self._pending = data[at:]
            return len(data)
        line = data[at:end].removesuffix(b"\r")
        if self._state == _SIZE:
            self._size(line.partition(b";")[0].strip(b" \t"))
        elif self._state == _DATA_END:
            self._state = _SIZE
            if line:
                self._broken("a chunk is longer than its size")
        elif not line:
            self._end()
        return end + 1

    def _size(self, digits: bytes) -> None:
        if not digits or len(digits) > 16 or digits.strip(b"0123456789abcdefABCDEF"):
            self._broken(f"the size of a chunk is {digits[:32]!r}")
            return
        self._left = int(digits, 16)
        self._state = _DATA if self._left else _TRAILERS

    def _end(self) -> None:
        self._state = _DONE
        self._reader.feed_eof()

    def _broken(self, why: str) -> None:
        self._error = HandshakeError(f"The body of the server's response is invalid: {why}")
        self._end()

    def feed_eof(self) -> None:
        """End the body: the connection has ended."""
        if self._state not in (_DONE, _UNTIL_CLOSE):
            self._error = HandshakeError("The connection was closed before the end of the response's body")
        if self._state != _DONE:
            self._end()

    async def read(self, limit: int) -> bytes:
        """Read at most `limit` bytes; b"" at the end. Raises HandshakeError if it is malformed or cut off."""
        part = await self._reader.read(limit)
        if not part and limit and self._error is not None:
            raise self._error
        return part

    def snapshot(self) -> KeptBody:
        """Return a copy of the unread part that has arrived. It ends as this body does, or with an error if
        the rest was still to come."""
        error = self._error
        if self._state != _DONE:
            error = HandshakeError("The response was copied before the end of its body")
        return KeptBody(bytes(self._reader._buffer), error)  # type: ignore[attr-defined]


class KeptBody:
    """The part of a body that had arrived when its response was copied or pickled."""

    def __init__(self, data: bytes, error: HandshakeError | None) -> None:
        self._data = data
        self._error = error

    async def read(self, limit: int) -> bytes:
        """As `Body.read`."""
        part, self._data = self._data[:limit], self._data[limit:]
        if not part and limit and self._error is not None:
            raise self._error
        return part

    def snapshot(self) -> KeptBody:
        """Return a copy of the unread part."""
        return KeptBody(self._data, self._error)
