"""The body of a plain request (RFC 9112 section 6): how long it is, and reading it.

Rules kept here: a body that two parsers could read differently is refused; nothing is read before the program
asks for it; memory follows what has arrived and stays within the reader's limit.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from wsrs.errors import HeadError
from wsrs.http._messages import CONTINUE, list_of

if TYPE_CHECKING:
    from wsrs.http._messages import Headers

__all__ = ["BodyDecoder", "RequestBody"]

_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?")
_MAX_LINE = 1024
"""Bytes of the line before a chunk, extensions included."""
_MAX_TRAILERS = 8 * 1024
"""Bytes of the fields after the last chunk. They are discarded."""

_SIZE, _DATA, _DATA_END, _TRAILERS = range(4)


class BodyDecoder:
    """Takes the bytes after a head and returns those of the body, by Content-Length or chunked."""

    __slots__ = ("_at", "_buffer", "_chunked", "_left", "_state", "_trailers", "done", "length")

    length: int | None
    """Bytes of the body as the head states them; None if it is chunked."""
    done: bool
    """Whether the body is complete."""

    def __init__(self, headers: Headers, minor_version: int) -> None:
        """Raises HeadError for an invalid length (400) and for an unknown coding (501)."""
        codings = [each.lower() for value in headers.get_all("transfer-encoding") for each in list_of(value)]
        lengths = {each for value in headers.get_all("content-length") for each in list_of(value)}
        self._buffer = b""
        self._at = 0
        self._state = _SIZE
        self._trailers = 0
        self._left = 0
        self._chunked = bool(codings)
        if codings:
            # RFC 9112 6.1: both fields, or a coding in HTTP/1.0, are how requests are smuggled.
            if lengths or minor_version == 0:
                raise HeadError("Transfer-Encoding together with Content-Length, or in HTTP/1.0")
            if codings != ["chunked"]:
                raise HeadError("The Transfer-Encoding is not supported: only chunked is", 501)
            self.length = None
        elif lengths:
            if len(lengths) > 1 or not _LENGTH.fullmatch(min(lengths)):
                raise HeadError("Invalid Content-Length header")
            self.length = self._left = int(min(lengths))
        else:
            self.length = 0
        self.done = self.length == 0

    def feed(self, data: bytes) -> bytes:
        """Return the bytes of the body that are in `data`. Raises HeadError for malformed chunks."""
        if self.done:
            return b""
        if not self._chunked:
            part = data[: self._left]
            self._left -= len(part)
            self.done = not self._left
            return part
        # Cut once here, not for every chunk, or many small ones would cost the square of their number.
        self._buffer = self._buffer[self._at :] + data
        self._at = 0
        parts: list[bytes] = []
        while not self.done and self._step(parts):
            pass
        return b"".join(parts)

    def _step(self, parts: list[bytes]) -> bool:
        """Take one line or piece of a chunk. Returns False when more bytes are needed."""
        if self._state == _DATA:
            part = self._buffer[self._at : self._at + self._left]
            self._at += len(part)
            self._left -= len(part)
            parts.append(part)
            if not self._left:
                self._state = _DATA_END
            return not self._left
        line = self._line()
        if line is None:
            return False
        if self._state == _DATA_END:
            if line:
                raise HeadError("A chunk of the body is longer than its size")
            self._state = _SIZE
        elif self._state == _SIZE:
            size = _CHUNK_SIZE.fullmatch(line)
            if size is None:
                raise HeadError("Invalid size of a chunk of the body")
            self._left = int(size[1], 16)
            self._state = _DATA if self._left else _TRAILERS
        else:
            self._trailers += len(line) + 2
            if self._trailers > _MAX_TRAILERS:
                raise HeadError("The trailers of the body are too large", 431)
            self.done = not line
        return True

    def _line(self) -> bytes | None:
        start = self._at
        end = self._buffer.find(b"\r\n", start)
        if (end if end >= 0 else len(self._buffer)) - start > _MAX_LINE:
            raise HeadError("A line between the chunks of the body is too long")
        if end < 0:
            return None
        self._at = end + 2
        return self._buffer[start:end]


class RequestBody:
    """The body of a request that waits to be read: `Request.read`."""

    __slots__ = ("_data", "_decoder", "_expects", "_lost", "_pending", "_timeout", "_transport", "_waiter")

    def __init__(
        self,
        decoder: BodyDecoder,
        transport: asyncio.Transport,
        rest: bytes,
        *,
        expects: bool,
        timeout: float,
    ) -> None:
        self._decoder = decoder
        self._transport = transport
        self._pending = rest
        self._expects = expects and not decoder.done
        self._timeout = timeout or None
        self._data: bytes | None = None
        self._lost = False
        self._waiter: asyncio.Future[None] | None = None

    def feed(self, data: bytes) -> None:
        """Take more of the connection's bytes."""
        self._transport.pause_reading()
        self._pending += data
        self._wake()

    def lose(self) -> None:
        """End the reading: the connection is gone."""
        self._lost = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def read(self, limit: int) -> bytes:
        """See `Request.read`."""
        if self._data is not None:
            return self._data
        if self._waiter is not None:
            raise RuntimeError("the body of the request is being read already")
        if self._decoder.length is not None and self._decoder.length > limit:
            raise _too_large(limit)
        if self._expects and not self._pending and not self._transport.is_closing():
            self._transport.write(CONTINUE)
        parts: list[bytes] = []
        size = 0
        while True:
            data, self._pending = self._pending, b""
            part = self._decoder.feed(data)
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
            if self._decoder.done:
                self._data = b"".join(parts)
                return self._data
            await self._more()

    async def _more(self) -> None:
        if self._lost:
            raise ConnectionResetError("the connection was lost within the body of the request")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            self._transport.resume_reading()
            await asyncio.wait_for(self._waiter, self._timeout)
        except (asyncio.TimeoutError, TimeoutError):
            raise HeadError("The body of the request did not come in time", 408) from None
        finally:
            self._waiter = None


def _too_large(limit: int) -> HeadError:
    return HeadError(f"The body of the request is larger than {limit} bytes", 413)
