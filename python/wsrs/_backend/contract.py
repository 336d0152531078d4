"""The seam between the API and its core: what `wsrs._core` (Rust) and `wsrs._pure` (Python) offer.

The API layer is written against these protocols and cannot tell which core it runs on.

Three rules hold at this seam:

1. A core decides nothing that ws leaves to its `WebSocket` class: ready states, timers, the closing
   handshake's order and the `Error` objects belong to the API.
2. A core calls its owner and the message listener with no lock or borrow held: every method below may
   be called again from within such a call, and after the end of the connection.
3. Everything happens in the thread of the event loop.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

__all__ = [
    "Backend",
    "Connection",
    "ConnectionOwner",
    "Counts",
    "Listener",
    "ParsedUrl",
    "PerMessageDeflate",
    "Reactor",
]

Headers = list[tuple[str, str]]
"""Header fields in the order of the wire, latin-1 decoded, names as written."""

Extensions = list[tuple[str, dict[str, list[str | bool]]]]
"""A parsed `Sec-WebSocket-Extensions`: name and parameters; a parameter without a value is `True`."""

ParsedUrl = tuple[str, str, str, str, int, str]
"""A parsed URL: the whole, normalised; user name and password, percent-encoded; the host, in ASCII, an IPv6
address in brackets; the port, even if the scheme implies it; the request target."""

MessageListener = Callable[[Any, bool], object]
Counts = tuple[int, int, int, int, int, int, int, int, float, int]
"""The counters of connections: messages, bytes of messages and bytes of the wire that were sent; the same
for those that were received; messages that `refuse_above_mark` kept out; broadcasts that skipped them; the
sum in seconds of the last round trips of those that had a ping answered, and the number of those.

Messages count when they are queued or read, with the bytes that the program gives and gets. Bytes of the
wire are those of frames after the handshake: compressed, and before any encryption."""

SendCallback = Callable[[BaseException | None], object]
SendMethod = TypeVar("SendMethod", bound=Callable[..., Awaitable[None]])


class ConnectionOwner(Protocol):
    """The methods that a `Connection` calls; the API's `WebSocket` has them."""

    def _on_ping(self, data: bytes) -> None:
        """A ping was received (called only while `Connection.wants_ping`); its pong is already queued."""

    def _on_pong(self, data: bytes) -> None:
        """A pong was received (called only while `Connection.wants_pong`)."""

    def _on_close_frame(self, code: int, reason: bytes) -> None:
        """The peer's close frame was received; `code` is 1005 if it has none. No frame is read after it."""

    def _on_fail(self, ws_code: str, close_code: int, message: str) -> None:
        """The peer broke the protocol or a limit. No frame is read after that."""

    def _on_stalled(self) -> None:
        """Reading stops: the inbox is full, and no task has asked for messages."""

    def _on_end(self) -> None:
        """The peer's FIN was received."""

    def _on_lost(self, error: BaseException | None) -> None:
        """The transport is gone: exactly once, last of all."""

    def _on_refused(self) -> None:
        """A message was refused (only with `refuse_above_mark`). Its sender gets the error a tick later."""

    def _on_listener_error(self, error: BaseException) -> None:
        """The message listener raised `error`; the next message is delivered all the same."""

    def _on_listener_result(self, result: object) -> None:
        """The message listener returned something other than None, perhaps a coroutine."""


class PerMessageDeflate(Protocol):
    """RFC 7692 for one connection: its options, and after `accept` the negotiated parameters.

    Made with keywords: is_server, server_no_context_takeover, client_no_context_takeover (bool or
    None), server_max_window_bits and client_max_window_bits (8..15, bool or None; False refuses it),
    threshold (bytes), level (-1..9), mem_level (1..9), strategy (0..4), concurrency_limit.
    """

    def offer(self) -> str:
        """The header value with which a client offers the extension."""

    def accept(self, configurations: Sequence[Mapping[str, list[str | bool]]]) -> str:
        """Server: choose among the offers; client: check the server's answer.

        Returns the header value of the answer. Raises ValueError with ws's message if that is impossible.
        """

    @property
    def params(self) -> dict[str, int | bool]:
        """The negotiated parameters; empty before `accept`."""


class Connection(Protocol):
    """One WebSocket connection after its opening handshake: an `asyncio.BufferedProtocol`.

    Made with keywords: loop, owner, is_server, context (in which the owner, the listener and
    generate_mask are called; by default a copy of the current one), max_payload, max_fragments,
    max_buffered_chunks,
    max_pending_auto_pongs (0 switches a limit off), auto_pong, skip_utf8_validation,
    allow_synchronous_events, deflate (an accepted PerMessageDeflate or None), generate_mask (fills a
    bytearray of 4, or None for the system's entropy), high_water_mark (bytes), refuse_above_mark (no message
    is queued while more than the mark is), read_ahead (bytes that are read, and whose pings are answered,
    while nothing is delivered; 0: none).
    """

    # Delivery -------------------------------------------------------------------------------
    # `recv`, `next`, `send`, `ping` and `pong` ask `_backend.threads.check_thread`, and so does `broadcast`.
    message_listener: MessageListener | None
    """Called with (data, is_binary). While it is None, messages wait for `recv` and `next`. A call of those
    claims all messages: they are queued, and go to a listener as well. A listener that is set where there was
    none, while no task waits, ends the claim, and gets the queued messages first."""
    wants_ping: bool
    wants_pong: bool
    discard: bool
    """What happens once 16 untaken messages or 64 KiB of them wait: True drops them all, as ws does without a
    listener; False (the default) stops the reading."""
    binary_type: str
    """"nodebuffer" (bytes), "arraybuffer" (bytearray), "fragments" (list[bytes]); may change at any time."""

    def attach(self, transport: asyncio.Transport) -> None:
        """Become the transport's protocol. Bytes that arrive before `start` are kept."""

    def start(self, head: bytes) -> None:
        """Begin to deliver: `head` (what came with the handshake), then what the transport receives."""

    def pause(self) -> None:
        """Deliver nothing until `resume`, and read nothing but `read_ahead` bytes."""

    def resume(self) -> None: ...

    @property
    def is_paused(self) -> bool: ...

    def take_activity(self) -> bool:
        """Whether, since the last call, bytes were received, or none could be because reading was off."""

    def recv(self) -> Awaitable[Any]:
        """The next message: a str, or binary as `binary_type` says. At the end, raises that of `finish`."""

    def next(self) -> Awaitable[Any]:
        """Like `recv`, but raises StopAsyncIteration after an orderly end."""

    def finish(self, error: BaseException, orderly: bool) -> None:
        """End the messages: `recv` still gives those that are queued, then raises `error`."""

    # Sending --------------------------------------------------------------------------------
    def send(
        self,
        data: object,
        binary: bool | None = None,
        compress: bool | None = None,
        fin: bool = True,
        mask: bool | None = None,
        callback: SendCallback | None = None,
    ) -> Awaitable[None]:
        """Frame and queue a message (or, with fin=False, a fragment) at once.

        If `binary` is None, str, int and float are text, and everything else is binary. The awaitable is done
        when less than the high-water mark is queued. It raises ConnectionClosed if the connection is lost
        before that, and SlowPeer for a message that `refuse_above_mark` kept out. `callback(error or None)`
        is called when the frame is written out. Raises TypeError for data that cannot be sent.
        """

    def ping(
        self, data: object = None, mask: bool | None = None, callback: SendCallback | None = None
    ) -> Awaitable[None]:
        """Queue a ping. Raises ValueError if its data is longer than 125 bytes."""

    def pong(
        self, data: object = None, mask: bool | None = None, callback: SendCallback | None = None
    ) -> Awaitable[None]:
        """Queue a pong. Raises ValueError if its data is longer than 125 bytes."""

    def send_close(
        self, code: int | None, reason: bytes, mask: bool | None = None, callback: SendCallback | None = None
    ) -> None:
        """Queue a close frame. Raises ValueError for a code or reason that cannot be sent."""

    @property
    def buffered_amount(self) -> int:
        """Bytes queued here and in the transport, framing included, without the answer to the handshake."""

    @property
    def refused(self) -> int:
        """Messages that `refuse_above_mark` kept out."""

    # The end --------------------------------------------------------------------------------
    def end(self) -> None:
        """Write what is queued, then FIN; reading goes on. A transport that cannot half-close is closed."""

    def abort(self) -> None:
        """Write what the transport takes at once, then drop it, the rest of the queue, and all that is not
        delivered yet. `_on_lost` follows in the next tick."""

    @property
    def transport(self) -> asyncio.Transport | None: ...


class Listener(Protocol):
    """A listening socket that an engine serves."""

    def close(self) -> None:
        """Stop accepting. The socket itself stays the caller's to close."""


class Reactor(Protocol):
    """An engine in an event loop: sockets served without the loop's own transports."""

    def listen(self, sock: socket.socket, protocol_factory: Callable[[], asyncio.BaseProtocol]) -> Listener:
        """Accept on a bound, listening socket. Each connection gets a protocol of its own."""

    def adopt(self, sock: socket.socket, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
        """Make a transport of a connected stream socket, which is detached; calls connection_made."""


ConnectionClass = type[Connection]
PerMessageDeflateClass = type[PerMessageDeflate]


class Backend(Protocol):
    """The module `wsrs._core` or `wsrs._pure`: mypy holds both to it (`tests/typing/backends.py`)."""

    @property
    def NAME(self) -> str:
        """What `wsrs.backend` says: "core" or "pure"."""

    @property
    def Connection(self) -> ConnectionClass: ...

    @property
    def PerMessageDeflate(self) -> PerMessageDeflateClass: ...

    def send_method(self, class_: type, function: SendMethod) -> SendMethod:
        """Return `function`, which is the `send` of `class_`, or a native method that does the same.

        A native one finds the connection in `_conn`. It leaves all but the usual case (`_ready_state` is
        OPEN, no `options`) to `_send_otherwise`, which takes all arguments by position.
        """

    def Messages(self, ws: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Return `ws`, or a native iterator that calls `_conn.next()` itself while `_direct` is True."""

    def broadcast(
        self,
        connections: Sequence[Any],
        data: object,
        binary: bool | None = None,
        compress: bool | None = None,
        skip_slow: bool = True,
    ) -> tuple[int, int, int, int]:
        """Queue one message on many connections, framed once and compressed once a set of parameters.

        The connections are those of this backend. Returns on how many it was queued, and on how many it was
        not because more than their high-water mark is still queued (`skip_slow`), because a fragmented
        message is under way, or because they are gone. Raises what `Connection.send` raises for `data`, with
        nothing queued. A connection that must mask gets a frame of its own; an exception of its
        `generate_mask` is raised once all others have theirs.
        """

    def counts(self, connections: Sequence[Any]) -> Counts:
        """Return the sums of the counters of connections of this backend, which may have ended."""

    def reactor(self, loop: asyncio.AbstractEventLoop) -> Reactor | None:
        """Return the loop's engine, made by the first call; None if only the loop's transports serve."""

    def set_time_slice(self, seconds: float, /) -> None:
        """Set for how long a loop is kept at a stretch, for all loops; 0 means without a bound.

        Raises ValueError unless 0 <= seconds < 3600.
        """

    def parse_request(self, head: bytes, max_headers: int) -> tuple[str, str, int, Headers]:
        """(method, target, HTTP minor version, headers) of a request head that ends in CRLF CRLF.

        Raises HeadError(message, status).
        """

    def parse_response(self, head: bytes, max_headers: int) -> tuple[int, int, str, Headers]:
        """(HTTP minor version, status, reason, headers). Raises HeadError(message, status)."""

    def check_upgrade(self, method: str, headers: Headers) -> tuple[str, int]:
        """(key, version) of a WebSocket upgrade request, RFC 6455 4.2.1.

        Raises UpgradeRefused(message, status, headers) in ws's order of checks.
        """

    def accept_key(self, key: str) -> str:
        """`Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`, RFC 6455 4.2.2."""

    def new_key(self) -> str:
        """A random `Sec-WebSocket-Key`: 16 bytes of the system's entropy in base64."""

    def parse_extensions(self, value: str) -> Extensions:
        """Parse `Sec-WebSocket-Extensions`; ValueError names the index of the offending character."""

    def parse_subprotocols(self, value: str) -> list[str]:
        """Parse `Sec-WebSocket-Protocol`; ValueError for an empty, invalid or repeated name."""

    def parse_url(self, text: str, base: str | None = None) -> ParsedUrl:
        """Parse a `ws:`, `wss:`, `http:` or `https:` URL as browsers do (the URL standard).

        `base` is the URL that a relative one is relative to. Raises ValueError with the reason, and
        RuntimeError for a host that needs a package that is not installed.
        """

    def is_token(self, value: str) -> bool:
        """Whether `value` is a token of RFC 7230 3.2.6."""

    def is_valid_close_code(self, code: int) -> bool:
        """Whether an endpoint may send `code` in a close frame, RFC 6455 7.4."""
