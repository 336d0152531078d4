"""`HttpServer`: listens, reads request heads, and hands each request to its listeners."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from wsrs._aio.callbacks import begin_later, call_back, check_callback, keep
from wsrs._aio.waiters import Waiters, once_tasks_wait, running_loop
from wsrs._backend.context import run_in
from wsrs._backend.threads import check_thread
from wsrs._net import adopt as adopting
from wsrs._net import listen as listening
from wsrs._net.listen_tls import Tls
from wsrs.errors import HeadError
from wsrs.events import EventEmitter, Listener
from wsrs.http._messages import format_answer
from wsrs.http._options import HTTP_SERVER, LISTEN
from wsrs.http._protocol import Deadlines, ServerProtocol

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from wsrs._typing.listeners import HttpServerAdd, HttpServerOn
    from wsrs._typing.options import HttpServerOptions, ListenOptions
    from wsrs.http._messages import Request
    from wsrs.http._response import ServerResponse

__all__ = ["HttpServer", "emit_failure", "has_failed", "where"]


class HttpServer(EventEmitter):
    """An HTTP server for opening handshakes, plain or with TLS (`ssl=`).

    Events: `'listening'`, `'request'` (Request, ServerResponse), `'upgrade'` (Request, transport, head:
    bytes that came after the request), `'error'` (exception), `'close'` (not listening, and no request
    is under way), `'tlsClientError'` (exception, peername: the address of a client whose TLS handshake has
    failed, as `socket.accept` gives it; its connection is ended). An upgraded connection belongs to the
    listener of `'upgrade'`. Without such a listener, an upgrade request is a plain one; without a listener of
    `'request'`, plain requests are answered with 426.
    If a listener of `'request'` raises, the answer is 500, or the status of a HeadError.

    Options: `handshake_timeout` (10 s for a handshake of TLS, 10 s for a head, and 10 s without a byte of a
    body that is read), `response_timeout` (10 s in which a client takes nothing of an answer; then its
    connection is cut), `max_header_bytes` (16 KiB), `max_headers` (128), `ssl`; 0 switches a limit off.
    """

    if TYPE_CHECKING:
        # An event's name says what its listener is given: `wsrs._typing.listeners`.
        on: HttpServerOn[Self]  # type: ignore[assignment]
        once: HttpServerOn[Self]  # type: ignore[assignment]
        off: HttpServerAdd[Self]  # type: ignore[assignment]
        add_listener: HttpServerAdd[Self]  # type: ignore[assignment]
        prepend_listener: HttpServerAdd[Self]  # type: ignore[assignment]
        prepend_once_listener: HttpServerAdd[Self]  # type: ignore[assignment]
        remove_listener: HttpServerAdd[Self]  # type: ignore[assignment]
        addListener: HttpServerAdd[Self]  # type: ignore[assignment]
        prependListener: HttpServerAdd[Self]  # type: ignore[assignment]
        prependOnceListener: HttpServerAdd[Self]  # type: ignore[assignment]
        removeListener: HttpServerAdd[Self]  # type: ignore[assignment]

    def __init__(
        self,
        options: HttpServerOptions | None = None,
        callback: Callable[[Request, ServerResponse], object] | None = None,
        /,
        **keywords: Unpack[HttpServerOptions],
    ) -> None:
        super().__init__()
        self._loop = running_loop("HttpServer")
        self._context = copy_context()
        """The context of its events. The listeners of each request run in a copy."""
        resolved = HTTP_SERVER.resolve(options, keywords)
        self._max_header_bytes: int = resolved["max_header_bytes"]
        self._max_headers: int = resolved["max_headers"]
        self._ssl = resolved["ssl"]
        self._timeout: float = resolved["handshake_timeout"]
        self._response_timeout: float = resolved["response_timeout"]
        self._deadlines = Deadlines(self._loop, self._timeout)
        self._connections: set[ServerProtocol] = set()
        self._serving: listening.Serving | None = None
        self._starting: asyncio.Task[None] | asyncio.Handle | None = None
        """The task that makes the server listen, or the call that reports that it cannot."""
        self._closing = False
        self._closed = False
        self._error: BaseException | None = None
        self._listening_waiters = Waiters(self._loop)
        self._closed_waiters = Waiters(self._loop)
        self.listening = False
        if callback is not None:
            self.on("request", callback)

    # Listening --------------------------------------------------------------------------------

    def listen(
        self,
        port: int | ListenOptions | None = None,
        host: str | None = None,
        backlog: int | None = None,
        callback: Callable[[], object] | None = None,
        /,
        **keywords: Unpack[ListenOptions],
    ) -> Self:
        """Listen on a TCP port (0: any), `unix=` path or `sock=`; `callback` listens to `'listening'`.

        `'listening'` follows in a later tick, or `'error'` with the OSError. Options: `port`, `host`,
        `backlog` (511; as in Node, a socket that listens already gets it too), `reuse_port`, `unix`,
        `unix_mode` (the permissions of its file, as in 0o660; by default what the umask leaves), `sock`
        (bound or listening; closed with the server).
        """
        check_thread(self._loop)
        if self._serving is not None or self._starting is not None:
            raise RuntimeError("the server listens already")
        if isinstance(port, Mapping):
            options = LISTEN.resolve(port, keywords)
        else:
            named = {"port": port, "host": host, "backlog": backlog}
            options = LISTEN.resolve({k: v for k, v in named.items() if v is not None}, keywords)
        if sum(options[name] is not None for name in ("port", "unix", "sock")) != 1:
            raise TypeError('listen: one and only one of "port", "unix" or "sock" must be given')
        if options["unix_mode"] is not None and options["unix"] is None:
            raise TypeError("listen: unix_mode has no meaning without unix")
        if callback is not None:
            self.once("listening", callback)
        if self._error is not None:
            # As in Node, a listener of `'error'` may try again.
            self._error = None
            self._listening_waiters = Waiters(self._loop)
        place = listening.Place(**options)
        try:
            # At once if nothing has to be resolved: then address() is known right away.
            sockets = (
                None if listening.needs_resolving(place.host) and place.port is not None else _bind(place)
            )
        except OSError as error:
            self._starting = self._loop.call_soon(self._fail, error)
            return self
        if sockets:
            self._serving = listening.Serving(self._loop, sockets, handed_over=place.sock is not None)
        self._starting = begin_later(self._loop, self._start(place))
        return self

    async def _start(self, place: listening.Place) -> None:
        try:
            if self._serving is None:
                assert place.host is not None
                assert place.port is not None
                infos = await listening.resolve(self._loop, place.host, place.port)
                self._serving = listening.Serving(self._loop, listening.bind_tcp(place, infos))
            await self._serving.start(partial(ServerProtocol, self), self._tls(), place.backlog)
        except OSError as error:
            if self._serving is not None:
                self._serving.close()
                self._serving = None
            self._fail(error)
            return
        self.listening = True
        self._listening_waiters.done()
        self.emit("listening")

    def _tls(self) -> Tls | None:
        return Tls(self._ssl, self._timeout, self._tls_failed) if self._ssl else None

    def _tls_failed(self, error: Exception, peername: Any) -> None:
        if not self._closing:
            run_in(self._context, self.emit, "tlsClientError", error, peername)

    def adopt(self, sock: socket.socket, data: bytes | bytearray | memoryview = b"") -> None:
        """Serve a connected stream socket like one that was accepted here. The server need not listen.

        See `WebSocketServer.adopt`.
        """
        check_thread(self._loop)
        protocol = ServerProtocol(self, adopting.take(sock, data, self._ssl))
        adopting.connect(self._loop, sock, protocol, protocol.begin, self._tls())

    # Requests ---------------------------------------------------------------------------------

    def _call(self, event: str, listener: Listener, args: tuple[Any, ...]) -> None:
        if event == "request":
            failed = partial(self._request_failed, args[1])
        elif event == "upgrade":
            failed = partial(self._upgrade_failed, args[1])
        else:
            super()._call(event, listener, args)
            return
        try:
            result = listener(*args)
        except Exception as error:
            failed(error)
        else:
            if asyncio.iscoroutine(result):
                keep(self._loop.create_task(self._answer_by(result, failed)))

    async def _answer_by(
        self, listener: Coroutine[Any, Any, object], failed: Callable[[Exception], None]
    ) -> None:
        try:
            await listener
        except Exception as error:
            failed(error)

    def _upgrade_failed(self, transport: asyncio.Transport, error: Exception) -> None:
        """Answer 500, since the client would wait for ever, unless the connection was handed on."""
        protocol = transport.get_protocol()
        if isinstance(protocol, ServerProtocol) and not transport.is_closing():
            protocol.answer(format_answer(500))
        self._listener_raised("upgrade", error)

    def _request_failed(self, response: ServerResponse, error: Exception) -> None:
        """Answer the client, and report the exception unless it is the client's fault."""
        if isinstance(error, HeadError):
            response._failed(error.status, str(error))
        elif not (isinstance(error, ConnectionError) and response._protocol.is_lost):
            response._failed(500)
            self._listener_raised("request", error)

    def _fail(self, error: BaseException) -> None:
        self._starting = None
        self._error = error
        self._listening_waiters.fail(error)
        emit_failure(self, self, error)

    def address(self) -> dict[str, Any] | str | None:
        """`{"address", "family", "port"}` of the bound socket, the path of a Unix socket, or None."""
        return listening.describe(self._serving.sockets[0]) if self._serving and not self._closing else None

    def __repr__(self) -> str:
        name = type(self).__name__
        if not hasattr(self, "listening"):
            return f"<{name} not constructed>"
        state = "CLOSED" if self._closed else "CLOSING" if self._closing else None
        state = state or ("LISTENING" if self.listening else "FAILED" if self._error else "NOT LISTENING")
        return f"<{name} {where(self)} {state}{' with TLS' if self._ssl else ''}>"

    async def wait_listening(self) -> None:
        """Wait until the server listens. Raises the OSError if it cannot."""
        if not self.listening and not self._closing:
            if self._error is not None:
                self._listening_waiters.heard = True
                raise self._error
            await self._listening_waiters.wait()

    # The end ----------------------------------------------------------------------------------

    def close(self, callback: Callable[..., object] | None = None) -> None:
        """Stop listening. `'close'` follows when no request is under way; `callback` is called then.

        For a server that is closed already, `callback` receives a RuntimeError.
        """
        check_thread(self._loop)
        check_callback(callback)
        if self._closed:
            if callback is not None:
                self._loop.call_soon(call_back, callback, RuntimeError("the server is not running"))
            return
        if callback is not None:
            self.once("close", callback)
        if self._closing:
            return
        self._closing = True
        self.listening = False
        if isinstance(self._starting, asyncio.Task):
            self._starting.cancel()
        if self._serving is not None:
            self._serving.close()
        self._listening_waiters.fail(RuntimeError("the server was closed"))
        for connection in list(self._connections):
            connection.close_if_silent()
        self._deadlines.close()
        self._loop.call_soon(self._check_closed)

    def _forget(self, connection: ServerProtocol) -> None:
        self._connections.discard(connection)
        if self._closing:
            self._deadlines.close()
            self._check_closed()

    def _check_closed(self) -> None:
        if not self._connections and not self._closed:
            self._closed = True
            run_in(self._context, self.emit, "close")
            self._closed_waiters.done()

    async def wait_closed(self) -> None:
        """Wait until the server is closed."""
        if not self._closed:
            await self._closed_waiters.wait()

    async def __aenter__(self) -> Self:
        """Wait until the server listens, if `listen` was called."""
        if self._closing:
            raise RuntimeError("the server was closed: an HttpServer serves once, make another")
        if self._starting is not None or self._error is not None:
            await self.wait_listening()
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.close()
        await self.wait_closed()


def where(server: HttpServer) -> str:
    """Where `server` listens, in readable form: the beginning of a URL, or a path. Never raises."""
    try:
        found = server.address()
    except OSError:  # the socket was closed elsewhere
        found = None
    if isinstance(found, dict):
        host = found["address"]
        return f"{f'[{host}]' if ':' in host else host}:{found['port']}"
    return repr(found) if found else "nowhere"


def has_failed(server: HttpServer) -> bool:
    """Whether `server` could not listen."""
    return server._error is not None


def emit_failure(server: HttpServer, emitter: EventEmitter, error: BaseException) -> None:
    """Emit an `error` of `server` as `'error'` of `emitter`.

    Without a listener, a failure to listen is not emitted if a `wait_listening` raises it. That call may
    begin a little later, as within `asyncio.wait_for`.
    """
    waiters = server._listening_waiters if server._error is error else None

    def unless_raised() -> None:
        if waiters is None or not waiters.heard:
            emitter.emit("error", error)

    if emitter.listener_count("error"):
        emitter.emit("error", error)
    else:
        once_tasks_wait(server._loop, unless_raised)


def _bind(place: listening.Place) -> list[Any]:
    if place.sock is not None:
        return listening.adopt(place)
    if place.unix is not None:
        return listening.bind_unix(place)
    return listening.bind_tcp(place)
