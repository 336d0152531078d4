"""HTTP answers in place of an acceptance: ASGI's extension `websocket.http.response`, and refusals."""

from __future__ import annotations

import asyncio

from wsrs._aio import tls_before_311
from wsrs.http._messages import check_field, fields, format_answer, phrase

__all__ = ["Denial", "Fields", "respond"]

Fields = list[tuple[str, str]]
_TEXT = "text/plain; charset=utf-8"


def respond(transport: asyncio.Transport, status: int, headers: Fields, body: bytes) -> None:
    """Write a whole answer, and end the connection once it is written."""
    _write(transport, format_answer(status, body, headers, content_type=_TEXT))
    _end(transport)


class Denial:
    """The answer that an application gives instead of accepting. Its head is sent with the first body."""

    def __init__(self, transport: asyncio.Transport, status: object, headers: Fields) -> None:
        """Raises RuntimeError for a status, ValueError for a header that cannot be sent."""
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise RuntimeError(f"Invalid HTTP status code '{status}' in response.")
        self._transport = transport
        self._status = status
        self._headers = [check_field(*field) for field in headers]
        self._has_head = False

    def body(self, data: bytes, *, more: bool) -> None:
        """Write a part of the body, the last one unless there is `more`."""
        if not (self._has_head or more):
            self._has_head = True
            respond(self._transport, self._status, self._headers, data)
            return
        if not self._has_head:
            self._has_head = True
            data = self._head() + data
        _write(self._transport, data)
        if not more:
            _end(self._transport)

    def finish(self) -> None:
        """The application has returned: end what it has left unfinished."""
        if not self._has_head:
            self.body(b"", more=False)
        else:
            _end(self._transport)

    def _head(self) -> bytes:
        """The head of an answer whose length is not known yet: it ends with the connection (RFC 9112 6.3)."""
        lines = {"connection": ("Connection", "close"), "content-type": ("Content-Type", _TEXT)}
        more = fields(self._headers)
        for name, _ in more:
            lines.pop(name.lower(), None)
        head = [f"HTTP/1.1 {self._status} {phrase(self._status)}"]
        head += [f"{name}: {value}" for name, value in [*lines.values(), *more]]
        return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1")


def _write(transport: asyncio.Transport, data: bytes) -> None:
    if not transport.is_closing():
        transport.write(data)


def _end(transport: asyncio.Transport) -> None:
    if not transport.is_closing():
        tls_before_311.end(transport)
