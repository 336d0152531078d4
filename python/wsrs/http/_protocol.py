"""Reading a request on the server's side of a connection.

Rules kept here: bytes that cannot begin a request are refused at once; a head is searched only where it was
not searched before, is no longer than `max_header_bytes`, and arrives before the deadline; every refusal is
answered, and no answer is lost to a reset (`wsrs.http._ending`).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

from wsrs._active_core import core
from wsrs._aio import tls_before_311
from wsrs.errors import HeadError
from wsrs.http._body import BodyDecoder, RequestBody
from wsrs.http._ending import Ending
from wsrs.http._messages import Headers, Request, format_answer, has_valid_host, list_of
from wsrs.http._response import ServerResponse

if TYPE_CHECKING:
    from wsrs.http._server import HttpServer

__all__ = ["Deadlines", "ServerProtocol"]

_END = b"\r\n\r\n"

_BEGINNING = 32
"""How many bytes of an unfinished request line are checked: enough for every method that is in use."""

_READING, _ASKED, _DRAINING = range(3)


class Deadlines:
    """One timer for many equal deadlines: the protocol that is added last is due last."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        # Unlike a dict, it finds its first entry in constant time after many of them were removed.
        self._due: OrderedDict[ServerProtocol, float] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, protocol: ServerProtocol) -> None:
        """Start the time of `protocol`. With 0 seconds there is no deadline."""
        if self._seconds:
            self._due[protocol] = self._loop.time() + self._seconds
            if self._timer is None:
                self._timer = self._loop.call_later(self._seconds, self._expire)

    def remove(self, protocol: ServerProtocol) -> None:
        """Drop the deadline of `protocol`, which was in time or is gone."""
        self._due.pop(protocol, None)

    def close(self) -> None:
        """Keep the timer only as long as a protocol is due: no other will be added."""
        if self._timer is not None and not self._due:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._due:
            protocol, due = next(iter(self._due.items()))
            if due > now:
                self._timer = self._loop.call_at(due, self._expire)
                return
            self.remove(protocol)
            protocol.expired()


class ServerProtocol(asyncio.Protocol):
    """The protocol of a connection until it is upgraded, or its one request is answered."""

    __slots__ = (
        "_body",
        "_buffer",
        "_early",
        "_ending",
        "_has_line",
        "_searched",
        "_server",
        "_state",
        "_transport",
    )

    def __init__(self, server: HttpServer, data: bytes = b"") -> None:
        """`data` are bytes of the request that were read before; `begin` looks at them."""
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._buffer = data
        self._body: RequestBody | None = None
        self._ending: Ending | None = None
        self._early: bytes | None = None
        """What came behind an upgrade request that is not decided yet. None: it is left in the kernel."""
        self._searched = 0
        self._has_line = False
        self._state = _READING

    # asyncio.Protocol -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        if self._server._closing:
            self._buffer = b""
            self._transport.abort()  # type: ignore[union-attr]
            return
        self._server._deadlines.add(self)
        self._server._connections.add(self)

    def begin(self) -> None:
        """Look at the bytes that were read before the connection was made, unless more have come since."""
        if self._buffer and self._state == _READING:
            self.data_received(b"")

    def connection_lost(self, error: BaseException | None) -> None:
        tls_before_311.lost(self._transport)
        self._transport = None
        self._buffer = b""
        if self._body is not None:
            self._body.lose()
        if self._ending is not None:
            self._ending.lost()
        self._server._deadlines.remove(self)
        self._server._forget(self)

    def eof_received(self) -> bool:
        # A client that has finished sending cannot complete a handshake, and an answer that is being
        # written is flushed by the transport's own closing.
        return False

    def data_received(self, data: bytes) -> None:
        if self._state != _READING:
            if self._state == _ASKED and self._early is not None:
                self._early += data
                self._transport.pause_reading()  # type: ignore[union-attr]
            elif self._state == _ASKED and self._body is not None:
                self._body.feed(data)
            # Otherwise the request is answered, and these bytes are dropped.
            return
        buffer = self._buffer = self._buffer + data if self._buffer else data
        end = buffer.find(_END, self._searched)
        limit = self._server._max_header_bytes
        if limit and (end + len(_END) > limit if end >= 0 else len(buffer) > limit):
            self._refuse(431, "The head of the request is too large")
        elif end >= 0:
            self._server._deadlines.remove(self)
            head, rest = buffer[: end + len(_END)], buffer[end + len(_END) :]
            self._server._context.copy().run(self._head, head, rest)
        else:
            self._searched = max(0, len(buffer) - len(_END) + 1)
            if not self._has_line:
                self._check_beginning(buffer)

    def _check_beginning(self, buffer: bytes) -> None:
        """Refuse at once bytes that cannot become a request, such as a TLS hello: no end would ever come."""
        # RFC 9112 2.2: empty lines may precede a request.
        start = buffer.lstrip(b"\r\n")
        end = start.find(b"\n")
        if end >= 0:
            self._has_line = True
            try:
                core.parse_request(start[: end + 1] + b"\r\n", 1)
            except HeadError as error:
                self._refuse(error.status, str(error))
        elif start and not core.is_token(start[:_BEGINNING].partition(b" ")[0].decode("latin-1")):
            self._refuse(400, "Invalid HTTP head: invalid token")

    # The request ------------------------------------------------------------------------------

    def _head(self, head: bytes, rest: bytes) -> None:
        assert self._transport is not None
        self._state = _ASKED
        self._buffer = b""
        limit = self._server._max_headers or len(head)
        try:
            method, url, minor, raw = core.parse_request(bytes(head), limit)
        except HeadError as error:
            self._refuse(error.status, str(error))
            return
        if self._server._closing:
            self._refuse(503, None)
            return
        request = Request(method, url, Headers(raw), f"1.{minor}", self._transport)
        if _asks_for_upgrade(request.headers) and self._server.listener_count("upgrade"):
            self._upgrade(request, rest)
        else:
            self._plain(request, minor, rest)

    def _plain(self, request: Request, minor: int, rest: bytes) -> None:
        transport = request.socket
        transport.pause_reading()
        if not has_valid_host(request.headers.raw, request.http_version):
            self._refuse(400, "Missing or invalid Host header")
            return
        if not self._server.listener_count("request"):
            headers = {"Upgrade": "websocket", "Connection": "Upgrade, close"}
            self.answer(format_answer(426, None, headers, content_type="text/plain"))
            return
        expected = request.headers.get("expect", "100-continue").lower()
        if expected != "100-continue":
            self._refuse(417, None)
            return
        try:
            decoder = BodyDecoder(request.headers, minor)
        except HeadError as error:
            self._refuse(error.status, str(error))
            return
        expects = request.expects_continue
        timeout = self._server._timeout
        self._body = request._body = RequestBody(decoder, transport, rest, expects=expects, timeout=timeout)
        self._server.emit("request", request, ServerResponse(self, request.method == "HEAD"))

    def _upgrade(self, request: Request, rest: bytes) -> None:
        transport = request.socket
        # From here on the connection is the listener's.
        self._server._forget(self)
        self._server.emit("upgrade", request, transport, rest)
        undecided = self._state == _ASKED and transport.get_protocol() is self
        if undecided and self._early is None and not transport.is_closing():
            # Not decided yet: bytes that arrive meanwhile stay in the kernel.
            transport.pause_reading()

    def keep_early(self) -> None:
        """Keep what comes before an upgrade request is decided.

        Only the first bytes are read; the rest stays in the kernel. A client that sends nothing early, as it
        should, is read all the time, so its end is seen.
        """
        self._early = b""

    def take_early(self) -> bytes:
        """What has come since `keep_early`."""
        early, self._early = self._early, None
        return early or b""

    def expired(self) -> None:
        """End the connection: the deadline has passed without a head."""
        if self._buffer:
            self._refuse(408, "The head of the request did not come in time")
        else:
            assert self._transport is not None
            self._transport.abort()

    def close_if_silent(self) -> None:
        """The server closes: end the connection unless a request has begun."""
        if self._state == _READING and not self._buffer and self._transport is not None:
            self._transport.abort()

    @property
    def answered(self) -> bool:
        """Whether an answer was given."""
        return self._state == _DRAINING

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone."""
        return self._transport is None

    def _refuse(self, status: int, why: str | None) -> None:
        self.answer(format_answer(status, why))

    def answer(self, data: bytes) -> None:
        """Write an answer and end the connection, so that the answer arrives. Only the first call counts."""
        if self._state == _DRAINING:
            return
        self._state = _DRAINING
        self._buffer = b""
        self._body = None
        self._server._deadlines.remove(self)
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._ending = Ending(transport, data, self._server._response_timeout)


def _asks_for_upgrade(headers: Headers) -> bool:
    """RFC 7230 6.7: an Upgrade field, and "upgrade" among the options of Connection."""
    if "upgrade" not in headers:
        return False
    return "upgrade" in list_of(headers.get("connection", "").lower())
