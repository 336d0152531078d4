"""ws's class `WebSocket`, for asyncio. Its opening and closing are in `wsrs._websocket.lifecycle`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Generator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from wsrs._active_core import core
from wsrs._aio.callbacks import call_back, check_callback
from wsrs._aio.waiters import Waiters, running_loop
from wsrs._backend.sendable import byte_length, reason_bytes
from wsrs._backend.threads import check_thread
from wsrs._client.handshake import Handshake
from wsrs._net.url import shown
from wsrs._options.checks import protocol_list
from wsrs._options.client import CLIENT
from wsrs._options.connection import SEND
from wsrs._websocket.lifecycle import Lifecycle
from wsrs._websocket.opening import Opening, Pending
from wsrs._websocket.state import CLOSED, CLOSING, CONNECTING, OPEN, STATES
from wsrs._websocket.stats import WebSocketStats, websocket_stats
from wsrs.blob import Blob
from wsrs.errors import WebSocketError

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from wsrs import server
    from wsrs._backend.contract import SendCallback
    from wsrs._stream.options import StreamOptions
    from wsrs._typing.listeners import WebSocketAdd, WebSocketOn
    from wsrs._typing.options import BinaryType, ClientOptions, ParsedUrl, Protocols, Sendable, SendOptions
    from wsrs.stream import WebSocketStream

__all__ = ["WebSocket"]

BINARY_TYPES = ("nodebuffer", "arraybuffer", "blob", "fragments")


class _Unsent:
    """The result of a `send` after the end. It raises the error when it is awaited, and only then."""

    __slots__ = ("_error",)

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __await__(self) -> Generator[Any, None, NoReturn]:
        raise self._error
        yield


class WebSocket(Lifecycle):
    """A WebSocket connection. `WebSocket(url)` connects to a server; a `WebSocketServer` makes its own.

    Events: `'open'`, `'message'` (data, is_binary), `'close'` (code, reason), `'error'` (exception),
    `'ping'` (data), `'pong'` (data), `'upgrade'` (response), `'unexpected-response'` (request,
    response), `'redirect'` (url, request).

    The constructor begins to connect, inside a running event loop. Options of a client: `headers`,
    `origin`, `auth`, `protocols`, `protocol_version` (13 or 8), `handshake_timeout` (10 s; 0: none),
    `follow_redirects`, `max_redirects`, `finish_request`, `per_message_deflate` (default True),
    `generate_mask`, `max_payload` (100 MiB), `max_fragments`, `max_buffered_chunks`,
    `max_pending_auto_pongs`, `auto_pong`, `skip_utf8_validation`, `allow_synchronous_events`,
    `close_timeout` (30 s), `high_water_mark` (64 KiB), `slow_peer`, `heartbeat`.

    - `slow_peer` decides about messages that are sent while more than `high_water_mark` is queued: "pause"
      (default) queues them, and awaiting `send` waits; "drop" discards them, counted in `dropped_messages`;
      "close" discards the message and closes with 1013. Each discarded message costs a system call.
    - `heartbeat` (off by default): `interval`, or `(interval, timeout)`, in seconds. A peer that has sent
      nothing for one to two intervals is pinged. If it stays silent for `timeout`, the connection is ended:
      the code is 1006, and ConnectionClosed has a TimeoutError as its cause. A paused connection reads up to
      64 KiB ahead and answers the pings in them; when it has read those, the peer is not checked any more.
      A heartbeat costs about 150 bytes a connection, and one timer an event loop.

    These options are like those of Node's `http.request`:

    - `ssl` (an SSLContext), or `ca`, `cert`, `key` (each a PEM text or a path), `passphrase`,
      `reject_unauthorized` (default True); `servername`, the name that the server is told, and that the
      certificate must have ("": none is told, and it must have that of the address). As in Node, these are
      not read for an address that is not secure;
    - `local_address` and `local_port` to connect from; `family` (4, 6, or 0 for both);
      `lookup(hostname, options)`, which returns IP addresses or an awaitable of them, or with a third
      parameter calls that, as in Node; `auto_select_family_attempt_timeout` (0.25 s), after which the next
      address is tried beside the earlier ones (RFC 8305);
    - one of `socket` (connected; it is taken over), `create_connection(options)` or `agent` (an object with
      a `create_connection`), which return a socket, a transport or an awaitable of one, and `proxy`
      (`http://user:password@host:port`, or with `wsrs[proxy]` the schemes socks4, socks4a, socks5,
      socks5h). If the address is secure, TLS is spoken over a socket; a transport is used as it is.

    A listener of `'unexpected-response'` decides what happens to the connection: it may read the body
    (`await response.read()`) and should call `terminate()` or `request.destroy(error)`. Without one the
    handshake fails with a HandshakeError. An answer without `Connection: Upgrade` is refused
    (RFC 6455 4.1).
    """

    __slots__ = ()

    if TYPE_CHECKING:
        # An event's name says what its listener is given: `wsrs._typing.listeners`.
        on: WebSocketOn[Self]  # type: ignore[assignment]
        once: WebSocketOn[Self]  # type: ignore[assignment]
        off: WebSocketAdd[Self]  # type: ignore[assignment]
        add_listener: WebSocketAdd[Self]  # type: ignore[assignment]
        prepend_listener: WebSocketAdd[Self]  # type: ignore[assignment]
        prepend_once_listener: WebSocketAdd[Self]  # type: ignore[assignment]
        remove_listener: WebSocketAdd[Self]  # type: ignore[assignment]
        addListener: WebSocketAdd[Self]  # type: ignore[assignment]
        prependListener: WebSocketAdd[Self]  # type: ignore[assignment]
        prependOnceListener: WebSocketAdd[Self]  # type: ignore[assignment]
        removeListener: WebSocketAdd[Self]  # type: ignore[assignment]

        # ws's exports hang on the class too; `wsrs/__init__.py` puts them there.
        Server: ClassVar[type[server.WebSocketServer]]
        WebSocketServer: ClassVar[type[server.WebSocketServer]]
        WebSocket: ClassVar[type[_WebSocket]]

        @staticmethod
        def create_websocket_stream(
            websocket: _WebSocket,
            options: Mapping[str, Any] | None = None,
            /,
            **keywords: Unpack[StreamOptions],
        ) -> WebSocketStream:
            # See `wsrs.create_websocket_stream`.
            ...

        createWebSocketStream = create_websocket_stream

    CONNECTING: ClassVar[int] = CONNECTING
    OPEN: ClassVar[int] = OPEN
    CLOSING: ClassVar[int] = CLOSING
    CLOSED: ClassVar[int] = CLOSED

    def __init__(
        self,
        address: str | ParsedUrl,
        protocols: Protocols | ClientOptions | None = None,
        options: ClientOptions | None = None,
        /,
        **keywords: Unpack[ClientOptions],
    ) -> None:
        if isinstance(address, Opening):
            # Its handshake is done, and its options are checked: `open_websocket` goes on from here.
            super().__init__(running_loop("WebSocket"), address.options, address.context)
            return
        if isinstance(protocols, Mapping):
            protocols, options = None, protocols
        resolved = CLIENT.resolve(options, keywords)
        if protocols is not None:
            if "protocols" in resolved.given:
                raise TypeError("WebSocket: option 'protocols' is given twice")
            resolved["protocols"] = protocol_list("WebSocket: protocols", protocols)
        super().__init__(running_loop("WebSocket"), resolved)
        pending = Pending(self)
        self._handshake = Handshake(pending, address, resolved)
        pending.run(self._handshake.start)

    def __repr__(self) -> str:
        # It works in any state: a traceback may show an instance whose constructor has raised.
        state = getattr(self, "_ready_state", None)
        if state is None:
            return f"<{type(self).__name__} not constructed>"
        where = f" {shown(self._url)}" if self._url else self._peer()
        return f"<{type(self).__name__}{where} {STATES[state]}>"

    def _peer(self) -> str:
        """The address of a server's peer, for the repr."""
        transport = None if self._conn is None else self._conn.transport
        try:
            peer = None if transport is None else transport.get_extra_info("peername")
        except Exception:  # a transport that is not ours may be in any state
            peer = None
        return f" from {peer[0]}:{peer[1]}" if isinstance(peer, tuple) and len(peer) >= 2 else ""

    # State ------------------------------------------------------------------------------------

    @property
    def ready_state(self) -> int:
        """CONNECTING, OPEN, CLOSING or CLOSED."""
        return self._ready_state

    @property
    def url(self) -> str | None:
        """The URL of the server, normalised. None for a server's WebSocket."""
        return self._url

    @property
    def protocol(self) -> str:
        """The subprotocol that the server selected, or ""."""
        return self._protocol

    @property
    def extensions(self) -> dict[str, dict[str, int | bool]]:
        """The negotiated extensions and their parameters."""
        return {} if self._deflate is None else {"permessage-deflate": dict(self._deflate.params)}

    @property
    def buffered_amount(self) -> int:
        """Bytes queued and not yet given to the network, framing included."""
        unsent = 0 if self._closing is None else self._closing.unsent
        return unsent + (0 if self._conn is None else self._conn.buffered_amount)

    @property
    def dropped_messages(self) -> int:
        """Messages that were not sent, because more than `high_water_mark` was queued (see `slow_peer`)."""
        return 0 if self._conn is None else self._conn.refused

    def stats(self) -> WebSocketStats:
        """Return the counters of what was sent and received. A call takes about a microsecond."""
        return websocket_stats(self)

    @property
    def is_paused(self) -> bool:
        """Whether `pause` was called, and `resume` was not called since."""
        return self._conn is not None and self._conn.is_paused

    @property
    def binary_type(self) -> BinaryType:
        """The type of binary messages: "nodebuffer" (bytes), "arraybuffer" (bytearray), "blob", "fragments".

        It may be changed at any time. With "fragments", a message is the list of its frames' bytes. ws
        ignores an unknown value; here it is a ValueError.
        """
        return self._binary_type

    @binary_type.setter
    def binary_type(self, value: BinaryType) -> None:
        if value not in BINARY_TYPES:
            raise ValueError(f"binary_type must be one of {', '.join(BINARY_TYPES)}, not {value!r}")
        self._binary_type = value
        if self._conn is not None:
            self._conn.binary_type = "nodebuffer" if value == "blob" else value
            self._conn.message_listener = self._message_listener()
        self._update_direct()

    # Sending ----------------------------------------------------------------------------------

    def send(
        self,
        data: Sendable,
        options: SendOptions | SendCallback | None = None,
        callback: SendCallback | None = None,
        *,
        binary: bool | None = None,
        compress: bool | None = None,
        fin: bool = True,
        mask: bool | None = None,
    ) -> Awaitable[None]:
        """Send a message at once; awaiting the result waits only while more than `high_water_mark`
        bytes are queued.

        str, int and float are sent as text, everything else as binary, unless `binary` says otherwise.
        `fin=False` sends a fragment. `callback(error or None)`, which may be a coroutine function, is called
        in the context of this call once the message is written out.

        Raises TypeError for data that cannot be sent, and WebSocketError while CONNECTING. Nothing is sent
        while CLOSING or CLOSED: `callback` gets an error, and awaiting the result raises ConnectionClosed.
        The same happens if the connection is lost before the message is written. With `slow_peer` "drop" or
        "close", a message is not sent while more than `high_water_mark` is queued: `callback` gets SlowPeer,
        and awaiting raises it.
        """
        if self._ready_state == OPEN and options is None:
            return self._conn.send(data, binary, compress, fin, mask, callback)  # type: ignore[union-attr]
        return self._send_otherwise(data, options, callback, binary, compress, fin, mask)

    def _send_otherwise(
        self,
        data: Sendable,
        options: SendOptions | SendCallback | None,
        callback: SendCallback | None,
        binary: bool | None,
        compress: bool | None,
        fin: bool,
        mask: bool | None,
    ) -> Awaitable[None]:
        """`send` with ws's options in a mapping, or not OPEN."""
        if callable(options):
            options, callback = None, options
        if options is not None:
            given = {
                "binary": binary,
                "compress": compress,
                "fin": None if fin is True else fin,
                "mask": mask,
            }
            chosen = SEND.resolve(options, given)
            return self.send(data, None, callback, **chosen)
        if self._ready_state == OPEN:
            return self._conn.send(data, binary, compress, fin, mask, callback)  # type: ignore[union-attr]
        return self._send_after_close(data, callback)

    def ping(
        self,
        data: Sendable | SendCallback | None = None,
        mask: bool | SendCallback | None = None,
        callback: SendCallback | None = None,
    ) -> Awaitable[None]:
        """Send a ping with at most 125 bytes of data. In all else it is like `send`."""
        data, mask, callback = _shift(data, mask, callback)
        if self._ready_state == OPEN:
            return self._conn.ping(data, mask, callback)  # type: ignore[union-attr]
        return self._send_after_close(data, callback)

    def pong(
        self,
        data: Sendable | SendCallback | None = None,
        mask: bool | SendCallback | None = None,
        callback: SendCallback | None = None,
    ) -> Awaitable[None]:
        """Send a pong with at most 125 bytes of data. In all else it is like `send`."""
        data, mask, callback = _shift(data, mask, callback)
        if self._ready_state == OPEN:
            return self._conn.pong(data, mask, callback)  # type: ignore[union-attr]
        return self._send_after_close(data, callback)

    def _send_after_close(self, data: object, callback: SendCallback | None) -> Awaitable[None]:
        check_thread(self._loop)
        check_callback(callback)
        state = self._ready_state
        message = f"WebSocket is not open: readyState {state} ({STATES[state]})"
        if state == CONNECTING:
            raise WebSocketError(message)
        length = 0 if data is None else byte_length(data)
        self._begin_end().unsent += length
        if callback is not None:
            self._loop.call_soon(call_back, callback, WebSocketError(message))
        return _Unsent(self._closed_error())

    # Receiving --------------------------------------------------------------------------------

    async def recv(self) -> Any:
        """Return the next message: a str for text, and for binary the type that `binary_type` names.

        It waits for the opening first, and raises ConnectionClosed at the end. A bounded number of messages
        waits to be received; beyond that the socket is not read. If the connection is lost, the messages that
        came before are returned first. A program that listens to events other than `'message'` should call
        this within 5 s of the time when reading stops. After that the messages are dropped, because `'close'`
        would never come otherwise.

        If there is a `'message'` listener too, each message goes to both. A first listener that is added
        while no task waits here takes over: it gets the messages that wait, and `recv` gets none until it is
        called again.
        """
        if self._direct:
            return await self._conn.recv()  # type: ignore[union-attr]
        return await self._pull(ended=False)

    def __aiter__(self) -> AsyncIterator[Any]:
        self._begin_pulling()
        return core.Messages(self)

    def __anext__(self) -> Awaitable[Any]:
        if self._direct:
            return self._conn.next()  # type: ignore[union-attr]
        return self._pull(ended=True)

    def _begin_pulling(self) -> None:
        check_thread(self._loop)
        self._pulled = True
        if self._conn is not None:
            self._conn.discard = False
        self._update_direct()

    async def _pull(self, *, ended: bool) -> Any:
        """Receive a message in all other cases. If `ended`, an orderly end ends an iteration."""
        self._begin_pulling()
        if self._conn is None:
            await self._wait_open()
        conn = self._conn
        assert conn is not None
        message = await (conn.next() if ended else conn.recv())
        return Blob(message) if self._binary_type == "blob" and isinstance(message, bytes) else message

    def pause(self) -> None:
        """Deliver nothing until `resume`. This has no effect while CONNECTING or CLOSED.

        The socket is not read either. With a `heartbeat`, 64 KiB are still read, to answer the pings in them.
        """
        check_thread(self._loop)
        if self._conn is not None and self._ready_state != CLOSED:
            self._conn.pause()

    def resume(self) -> None:
        """Undo `pause`. This has no effect while CONNECTING or CLOSED."""
        check_thread(self._loop)
        if self._conn is not None and self._ready_state != CLOSED:
            self._conn.resume()

    # Opening and closing ----------------------------------------------------------------------

    def close(self, code: int | None = None, reason: str | bytes = "") -> None:
        """Begin the closing handshake. It ends with the `'close'` event, for which `wait_closed()` waits.

        `code` is one that RFC 6455 7.4 lets an endpoint send: for applications 1000, or 3000 to 4999.
        `reason` has at most 123 bytes of UTF-8 and needs a code. Raises TypeError or ValueError for others.
        While CONNECTING, the handshake is aborted, and `'error'` is emitted. If the peer does not answer
        within `close_timeout`, the connection is ended.
        """
        if self._ready_state == CLOSED:
            return
        check_thread(self._loop)
        self._close(code, reason_bytes(code, reason))
        # A program that closes without having asked for messages waits for the peer's close frame.
        self._drop_unasked()

    def terminate(self) -> None:
        """End the connection at once, without a closing handshake."""
        if self._ready_state == CLOSED:
            return
        check_thread(self._loop)
        if self._ready_state == CONNECTING:
            self._abort_handshake()
        elif self._conn is not None:
            self._abort()

    async def wait_open(self) -> None:
        """Wait until the connection is open. Raises the error that made the handshake fail."""
        await self._wait_open()

    async def _wait_open(self) -> None:
        if self._ready_state == OPEN:
            return
        if self._conn is not None:
            raise self._closed_error()
        if self._ready_state == CLOSED:
            closing = self._begin_end()
            closing.told = True
            raise closing.error or closing.closed_error()
        if self._open_waiters is None:
            self._open_waiters = Waiters(self._loop)
        await self._open_waiters.wait()

    async def wait_closed(self) -> None:
        """Wait until the connection is closed: `'close'` has been emitted then."""
        if self._ready_state == CLOSED:
            return
        if self._closed_waiters is None:
            self._closed_waiters = Waiters(self._loop)
        await self._closed_waiters.wait()

    async def __aenter__(self) -> Self:
        """Wait until the connection is open. Raises the error that made the handshake fail."""
        try:
            await self.wait_open()
        except asyncio.CancelledError:
            # The cancelled task has its exception; the loop's handler need not be given another.
            self._begin_end().told = True
            self.terminate()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        """Close with 1000, or with 1011 after an exception, and wait for the end."""
        if self._ready_state == OPEN:
            self.close(1000 if kind is None else 1011)
        assert self._conn is not None
        # Messages that still come have no receiver: they must not keep the peer's close frame waiting.
        self._conn.discard = True
        await self.wait_closed()

    # ws's names -------------------------------------------------------------------------------

    binaryType = binary_type
    bufferedAmount = buffered_amount
    droppedMessages = dropped_messages
    isPaused = is_paused
    readyState = ready_state


# The Rust core replaces it by a native method, because a Python frame takes longer than the framing.
WebSocket.send = core.send_method(WebSocket, WebSocket.send)  # type: ignore[method-assign]

_WebSocket = WebSocket


def _shift(data: Any, mask: Any, callback: Any) -> tuple[Any, bool | None, SendCallback | None]:
    """ws lets the callback take the place of `data` or `mask`."""
    if callable(data) and not hasattr(data, "__bytes__"):
        return None, None, data
    if callable(mask):
        return data, None, mask
    return data, mask, callback
