"""Where a `WebSocketServer` gets its requests: its own HTTP server, or the program's, or elsewhere."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import TYPE_CHECKING, Any

from wsrs._backend.context import run_in
from wsrs._net.adopt import take
from wsrs._server.options import HTTP_OPTIONS, LISTEN_OPTIONS
from wsrs.http._server import HttpServer, emit_failure, has_failed, where

if TYPE_CHECKING:
    from wsrs._server.members import Members
    from wsrs.http import Request
    from wsrs.server import WebSocketServer

__all__ = ["HttpSide"]


class HttpSide:
    """The HTTP server of a `WebSocketServer`, if it has one."""

    def __init__(
        self, server: WebSocketServer, members: Members, context: Context, closed: Callable[[], None]
    ) -> None:
        """`closed` is called when an HTTP server that was made here is closed; events have the `context`."""
        self._server = server
        self._members = members
        self._context = context
        self._closed = closed
        self.server: HttpServer | None = None
        self.is_owned = False
        """Whether the HTTP server was made here, and is closed here."""
        self.is_closed = False
        """Whether that server is closed."""
        self._is_closing = False

    def share(self, server: HttpServer) -> None:
        """Take the requests of the program's server."""
        self.server = server
        server.on("listening", self._on_listening)
        server.on("error", self._on_error)
        server.on("tlsClientError", self._on_tls_client_error)
        server.on("upgrade", self._on_upgrade)

    def listen(self, options: Mapping[str, Any], callback: Callable[[], object] | None) -> None:
        """Make a server and let it listen. `callback` listens to `'listening'`."""
        server = self._make(options)
        if callback is not None:
            self._server.once("listening", callback)
        server.listen({name: options[name] for name in LISTEN_OPTIONS})  # type: ignore[arg-type]

    def _make(self, options: Mapping[str, Any]) -> HttpServer:
        self.is_owned = True
        server = HttpServer({name: options[name] for name in HTTP_OPTIONS})  # type: ignore[arg-type]
        server.once("close", self._on_closed)
        self.share(server)
        return server

    def adopt(self, sock: socket.socket, data: bytes | bytearray | memoryview) -> None:
        """See `WebSocketServer.adopt`."""
        server, options = self.server, self._server.options
        if server is None and not options["no_server"]:
            take(sock, data, None)
            sock.close()
            raise RuntimeError("adopt: a server in an aiohttp application gets its connections from aiohttp")
        if server is None:
            server = self._make(options)
            if self._is_closing:
                self.close()
        server.adopt(sock, data)

    def close(self) -> None:
        """Take no more requests, and close a server that was made here."""
        self._is_closing = True
        if self.server is None:
            return
        self.server.off("listening", self._on_listening)
        self.server.off("error", self._on_error)
        self.server.off("tlsClientError", self._on_tls_client_error)
        self.server.off("upgrade", self._on_upgrade)
        if self.is_owned:
            self.server.close()

    def _on_listening(self) -> None:
        self._server.emit("listening")

    def _on_error(self, error: BaseException) -> None:
        assert self.server is not None
        emit_failure(self.server, self._server, error)

    def _on_tls_client_error(self, error: Exception, peername: Any) -> None:
        self._members.tls_failed(error)
        run_in(self._context, self._server.emit, "tlsClientError", error, peername)

    def _on_upgrade(self, request: Request, transport: asyncio.Transport, head: bytes) -> None:
        handle = self._server.handle_upgrade
        self._context.copy().run(handle, request, transport, head, self._emit_connection)

    def _emit_connection(self, ws: Any, request: Any) -> None:
        self._server.emit("connection", ws, request)

    def _on_closed(self) -> None:
        self.is_closed = True
        self._closed()

    def address(self) -> dict[str, Any] | str | None:
        """See `WebSocketServer.address`."""
        return None if self.server is None else self.server.address()

    async def wait_listening(self) -> None:
        """See `WebSocketServer.wait_listening`."""
        # With `no_server` there may be one for the sockets that were adopted, which does not listen.
        if self.server is not None and not self._server.options["no_server"]:
            await self.server.wait_listening()

    @property
    def where(self) -> str:
        """Where the server listens, for a person."""
        options = self._server.options
        if options["no_server"]:
            return "no_server"
        return f"on {type(options['server']).__name__}" if self.server is None else where(self.server)

    @property
    def has_failed(self) -> bool:
        """Whether the server could not listen."""
        return self.server is not None and has_failed(self.server)
