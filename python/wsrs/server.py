"""ws's class `WebSocketServer`, for asyncio. Its handshakes are in `wsrs._server.handshake`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from wsrs._aio.callbacks import check_callback
from wsrs._aio.waiters import Waiters, running_loop
from wsrs._backend.context import run_in
from wsrs._backend.threads import check_thread
from wsrs._server.broadcast import BroadcastResult, Slow, broadcast
from wsrs._server.handshake import Extension, UpgradeCallback, UpgradeHandler
from wsrs._server.http_side import HttpSide
from wsrs._server.members import Clients, Members
from wsrs._server.options import server_options
from wsrs._websocket.opening import connection_options, context_of
from wsrs._websocket.stats import ServerStats
from wsrs.events import EventEmitter
from wsrs.http import HttpServer
from wsrs.websocket import WebSocket

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from wsrs._typing.listeners import ServerAdd, ServerOn
    from wsrs._typing.options import Sendable, ServerOptions

__all__ = ["WebSocketServer"]

_RUNNING, _CLOSING, _CLOSED = range(3)
_STATES = ("RUNNING", "CLOSING", "CLOSED")


class WebSocketServer(EventEmitter):
    """A WebSocket server. Exactly one of `port`, `server`, `no_server`, `sock` and `unix` says where.

    Events: `'listening'`, `'connection'` (websocket, request), `'headers'` (list of header lines,
    request), `'error'` (exception), `'wsClientError'` (exception, transport, request), `'tlsClientError'`
    (exception, peername; see `HttpServer`), `'close'`.

    Options: `port` (0: a free one) with `host` and `reuse_port`; `unix` (a path) with
    `unix_mode` (the permissions of its file, as in 0o660; by default what the umask leaves); `sock` (bound or
    listening); each with `backlog` (511), `ssl`, `max_header_bytes` (16 KiB), `max_headers` (128) and
    `response_timeout` (10 s, see `HttpServer`).
    `server`: an `HttpServer`, or an `aiohttp.web.Application` (see `wsrs.aiohttp`), which its owner starts
    and closes. `no_server`: the program passes requests to `handle_upgrade`.

    `handshake_timeout`: 10 s for the head of a request, and 10 s for a verdict of `verify_client` that is
    not given at once; 0: no bound. `path`, `handle_protocols`, `verify_client`, `client_tracking`,
    `web_socket`, `per_message_deflate` (default off), `max_payload` (100 MiB), `max_fragments`,
    `max_buffered_chunks`, `max_pending_auto_pongs`, `auto_pong`, `skip_utf8_validation`,
    `allow_synchronous_events`, `close_timeout` (30 s), `high_water_mark` (64 KiB), `slow_peer` and
    `heartbeat` (see `WebSocket`).

    `max_connections` (0: no bound) counts WebSockets that are open, and handshakes that wait for a verdict
    of `verify_client`; further requests get 503. It costs one comparison a handshake.

    As in ws, a listener that raises leaves the connection open. The exception of a listener that is a
    coroutine function goes to `'error'`, or to the loop's exception handler if `'error'` has no listener.

    `callback` is added as a listener of `'listening'`, unless there is `server` or `no_server`.

    As in ws, a server with `server=` answers every upgrade request that the HTTP server gets, and refuses
    those for other paths with 400. Several servers share an HTTP server if they have `no_server`, and a
    listener of `'upgrade'` chooses among them.
    """

    if TYPE_CHECKING:
        # An event's name says what its listener is given: `wsrs._typing.listeners`.
        on: ServerOn[Self]  # type: ignore[assignment]
        once: ServerOn[Self]  # type: ignore[assignment]
        off: ServerAdd[Self]  # type: ignore[assignment]
        add_listener: ServerAdd[Self]  # type: ignore[assignment]
        prepend_listener: ServerAdd[Self]  # type: ignore[assignment]
        prepend_once_listener: ServerAdd[Self]  # type: ignore[assignment]
        remove_listener: ServerAdd[Self]  # type: ignore[assignment]
        addListener: ServerAdd[Self]  # type: ignore[assignment]
        prependListener: ServerAdd[Self]  # type: ignore[assignment]
        prependOnceListener: ServerAdd[Self]  # type: ignore[assignment]
        removeListener: ServerAdd[Self]  # type: ignore[assignment]

    options: dict[str, Any]
    """All options, by their PEP 8 names."""

    if not TYPE_CHECKING:  # pragma: no branch: always so where it runs
        # A method of ws that is replaced on one server (`wss.shouldHandle = …`) is so under both names.
        # Type checkers do not see this, because it would allow any attribute.

        def __setattr__(self, name: str, value: object) -> None:
            for each in self._both_spellings(name):
                super().__setattr__(each, value)

        def __delattr__(self, name: str) -> None:
            for each in self._both_spellings(name):
                super().__delattr__(each)

    @classmethod
    def _both_spellings(cls, name: str) -> tuple[str, ...]:
        return next((pair for pair in cls._spellings.items() if name in pair), (name,))

    def __init__(
        self,
        options: ServerOptions | None = None,
        callback: Callable[[], object] | None = None,
        /,
        **keywords: Unpack[ServerOptions],
    ) -> None:
        super().__init__()
        self._context = copy_context()
        self.options = server_options(options, keywords)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._clients: Clients | None = Clients() if self.options["client_tracking"] else None
        opened = set() if self._clients is None else self._clients
        self._members = Members({}, opened, self._client_left)  # the options follow with the loop
        self._upgrades = UpgradeHandler(self, self._members)
        self._state = _RUNNING
        try:
            self._take_loop(running_loop("WebSocketServer"))
        except RuntimeError:
            if isinstance(self.options["server"], (HttpServer, type(None))):
                raise
            # An aiohttp application may be made before its loop. It says which that is when it starts.
        self._http = HttpSide(self, self._members, self._context, self._check_closed)
        if not self.options["no_server"]:
            self._start(callback)

    def _start(self, callback: Callable[[], object] | None) -> None:
        server = self.options["server"]
        if server is None:
            self._http.listen(self.options, callback)
        elif isinstance(server, HttpServer):
            self._http.share(server)
        else:
            from wsrs import aiohttp

            aiohttp.attach(self, self._upgrades, server, self._take_loop)

    def _take_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Work in `loop`, as all connections of this server will."""
        if loop is not self._loop:
            self._loop = loop
            self._members.connection_options = connection_options(self.options, loop, is_server=True)
            self._closed_waiters = Waiters(loop)

    def _check_thread(self) -> None:
        if self._loop is not None:
            check_thread(self._loop)

    def _soon(self, function: Callable[..., object], *args: object) -> None:
        """Call `function` in the next tick, or at once while there is no loop."""
        if self._loop is None:
            function(*args)
        else:
            self._loop.call_soon(function, *args)

    def __repr__(self) -> str:
        # It works in any state, also before a subclass has called our constructor.
        name, state = type(self).__name__, getattr(self, "_state", None)
        if state is None:
            return f"<{name} not constructed>"
        path = f" {self.options['path']}" if self.options["path"] else ""
        shown = "FAILED" if state == _RUNNING and self._http.has_failed else _STATES[state]
        return f"<{name} {self._http.where}{path} {shown}, {len(self._members)} open>"

    def address(self) -> dict[str, Any] | str | None:
        """`{"address", "family", "port"}`, the path of a Unix socket, or None while there is none.

        Raises RuntimeError with `no_server`. With an aiohttp application it is None: the runner knows it.
        """
        if self.options["no_server"]:
            raise RuntimeError('The server is operating in "no_server" mode')
        return self._http.address() if self._state == _RUNNING else None

    def adopt(self, sock: socket.socket, data: bytes | bytearray | memoryview = b"") -> None:
        """Serve a connected stream socket (TCP or Unix) as if this server had accepted it.

        The socket may have been accepted elsewhere, passed by another process, or be an end of a
        `socket.socketpair()`. `data` are the bytes of the request that were read from it already; b"" if none
        was. With the option `ssl` the handshake of TLS comes first, and `data` must be empty. What follows
        comes in a later tick: the deadline of the handshake, refusals, `'connection'`, and `max_connections`
        are those of any connection, and a server that is closed ends it. It works with `no_server` too.

        `sock` is the server's from the call on, and must not be used or closed any more: it is closed with
        the connection, and also if this raises. Raises TypeError or ValueError for wrong arguments, OSError
        if the process is out of descriptors, RuntimeError with an aiohttp application. In another thread it
        raises RuntimeError, and the socket stays the program's.
        """
        self._check_thread()
        self._http.adopt(sock, data)

    @property
    def clients(self) -> Clients:
        """The connected clients; `broadcast` sends to all. Raises AttributeError if they are not tracked."""
        if self._clients is None:
            raise AttributeError("there are no clients: client_tracking is off")
        return self._clients

    def broadcast(
        self,
        data: Sendable,
        *,
        clients: Iterable[WebSocket] | None = None,
        binary: bool | None = None,
        compress: bool | None = None,
        except_: WebSocket | Iterable[WebSocket] | None = None,
        slow: Slow = "skip",
    ) -> BroadcastResult:
        """Send one message to many clients at once. Returns how many got it, and how many did not and why.

        It goes to `clients` (any WebSockets of this loop; default: all of this server's), each once, but not
        to `except_`, a WebSocket or several, and not to those that are not OPEN. `binary` and `compress` are
        those of `WebSocket.send`. No client is waited for: one with more than its `high_water_mark` still
        queued is skipped, or with `slow="send"` gets the message all the same, whatever memory that takes.
        A client that is being sent a message in fragments is skipped too (RFC 6455 5.4).

        The message is framed once. It is compressed once for all clients that agreed on the same
        parameters, without reference to earlier messages: so messages shorter than the `threshold` of
        permessage-deflate, and those that become no shorter, go uncompressed. The next message to one of
        these clients alone takes a new compressor.

        Raises TypeError or ValueError, with nothing sent, for wrong arguments and for data that cannot be
        sent; RuntimeError without `clients` if `client_tracking` is off.
        """
        self._check_thread()
        if clients is None:
            if self._clients is None:
                raise RuntimeError("broadcast needs clients=...: client_tracking is off")
            clients = self._clients
        return broadcast(data, clients, binary, compress, except_, slow)

    def stats(self) -> ServerStats:
        """Return the connections, traffic, refusals, closes and errors since the server was made.

        A call sums up the counters of all open WebSockets: 10,000 of them take some milliseconds. It does
        not need `client_tracking`.
        """
        return self._members.stats()

    def _client_left(self) -> None:
        if self._state == _CLOSING and not self._members:
            self._soon(self._check_closed)

    # Handshakes -------------------------------------------------------------------------------

    def should_handle(self, request: Any) -> bool:
        """Whether a request is for this server: by default, whether its path is the `path` option."""
        return self._upgrades.is_for_path(request)

    def handle_upgrade(
        self,
        request: Any,
        transport: asyncio.Transport | asyncio.StreamWriter,
        head: bytes = b"",
        callback: UpgradeCallback | None = None,
    ) -> None:
        """Answer an upgrade request. `callback(websocket, request)` is called if it becomes a WebSocket.

        `request` has `method`, `url` and `headers` (a mapping or a multi-mapping with `raw` pairs);
        `transport` is any asyncio transport, whose protocol is replaced, or the writer of asyncio's streams
        (pass the writer if there is one: when it is collected, it ends the connection); `head` are the bytes
        that were read after the request. The former protocol gets nothing more of the connection. A
        plain connection on a transport of asyncio or uvloop moves to the engine: `transport` is closed then,
        and `request.socket`, of a `Request`, is the new one.

        A request that is refused is answered, and the transport is closed. Raises RuntimeError if the
        transport already belongs to a WebSocket, and TypeError if it is not a transport. `callback` may be a
        coroutine function: it runs as a listener of `'connection'` does.
        """
        self._upgrades.handle(request, transport, head, callback)

    def complete_upgrade(
        self,
        extension: Extension | None,
        key: str,
        protocols: list[str],
        request: Any,
        transport: asyncio.Transport,
        head: bytes,
        callback: UpgradeCallback | None,
    ) -> None:
        """Make the WebSocket of a request that is accepted (ws's `completeUpgrade`).

        Raises RuntimeError if the transport already belongs to a WebSocket.
        """
        self._upgrades.complete(extension, key, protocols, request, transport, head, callback)

    def _run_callback(self, callback: UpgradeCallback, ws: WebSocket, request: Any) -> None:
        """Call the callback of `handle_upgrade`, as a listener of `'connection'` is called."""
        self._listener_returned("connection", callback(ws, request), context_of(ws))

    def _task_context(self, event: str, args: tuple[Any, ...]) -> Context | None:
        return context_of(args[0]) if event == "connection" and args else None

    def _report_hook(self, hook: str, error: BaseException) -> None:
        self._report(f"Exception in {hook} of {self!r}", error)

    # The end ----------------------------------------------------------------------------------

    def close(self, callback: Callable[..., object] | None = None) -> None:
        """Accept nothing more; clients stay connected. `'close'` follows when the last one is gone.

        `callback` is called then, without an argument as in ws, or with a RuntimeError if the server is
        closed already. An HTTP server given as `server` stays open; with one and `client_tracking=False`,
        `'close'` follows at once.
        """
        self._check_thread()
        check_callback(callback)
        if callback is not None and self._state == _CLOSED:
            callback = partial(callback, RuntimeError("The server is not running"))
        if callback is not None:
            self.once("close", callback)
        if self._state == _CLOSED:
            self._soon(self.emit, "close")
        if self._state != _RUNNING:
            return
        self._state = _CLOSING
        self._upgrades.close()
        self._http.close()
        self._soon(self._check_closed)

    def _check_closed(self) -> None:
        if self._state != _CLOSING:
            return
        if self._http.is_owned:
            if self._members or not self._http.is_closed:
                return
        elif self._members and self._clients is not None:
            return
        self._state = _CLOSED
        run_in(self._context, self.emit, "close")
        if self._loop is not None:
            self._closed_waiters.done()

    async def shutdown(self, code: int = 1001, reason: str | bytes = "") -> None:
        """Close every client with `code`, and the server; wait until all are closed.

        A client that does not answer is ended after `close_timeout`. With `client_tracking=False` the
        clients are not known, and none is closed.
        """
        self.close()
        for ws in self._clients or ():
            if ws.ready_state == WebSocket.OPEN:
                ws.close(code, reason)
        await self.wait_closed()

    async def wait_listening(self) -> None:
        """Wait until the server listens. Raises the OSError if it cannot.

        With `no_server` and with an aiohttp application there is nothing to wait for.
        """
        await self._http.wait_listening()

    async def wait_closed(self) -> None:
        """Wait until the server is closed: `'close'` has been emitted then."""
        if self._state != _CLOSED:
            if self._loop is None:
                self._take_loop(asyncio.get_running_loop())
            await self._closed_waiters.wait()

    async def serve_forever(self) -> None:
        """Serve until the server is closed. Cancelling this shuts it down."""
        try:
            await self.wait_listening()
            await self.wait_closed()
        except asyncio.CancelledError:
            await self.shutdown()
            raise

    async def __aenter__(self) -> Self:
        """Wait until the server listens. Raises RuntimeError if it was closed, as a server serves once."""
        if self._state != _RUNNING:
            raise RuntimeError("the server was closed: a WebSocketServer serves once, make another")
        await self.wait_listening()
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Shut the server down, as `shutdown()` does."""
        await self.shutdown()

    # ws's names -------------------------------------------------------------------------------

    completeUpgrade = complete_upgrade
    handleUpgrade = handle_upgrade
    shouldHandle = should_handle
