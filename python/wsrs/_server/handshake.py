"""The server's side of the opening handshake (RFC 6455 4.2): which requests become WebSockets.

Rules kept here: the checks, their order, statuses and texts are ws's; every refusal says why in its body;
an exception in a hook of the program is reported and answered with 500; nothing that the program gives can
break out of its line of the response.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import OrderedDict
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from wsrs._active_core import core
from wsrs._aio import tls_before_311
from wsrs._aio.callbacks import check_callback
from wsrs._net.adopt import move_to_engine, was_moved
from wsrs._server.negotiation import Extension, accept_lines, check_message, negotiate
from wsrs._server.verify_client import Verdict, VerifyInfo, wants_callback
from wsrs._websocket.opening import Opening, keep_alive, make_websocket, open_made
from wsrs._websocket.stats import Reason
from wsrs.errors import HandshakeError, UpgradeRefused
from wsrs.http._messages import (
    CONTINUE,
    Headers,
    HeadersLike,
    Request,
    check_line,
    format_answer,
    path_of,
)
from wsrs.http._protocol import ServerProtocol
from wsrs.websocket import WebSocket

if TYPE_CHECKING:
    from wsrs._server.members import Members
    from wsrs.server import WebSocketServer

__all__ = ["Extension", "UpgradeCallback", "UpgradeHandler"]

UpgradeCallback = Callable[[WebSocket, Any], object]
_RawHeaders = list[tuple[str, str]]

_LOOKS = 16
"""Waiting handshakes that a refusal looks at, to find some whose clients have hung up."""


class UpgradeHandler:
    """The part of a `WebSocketServer` that turns requests into WebSockets.

    It asks the server's `should_handle` and calls its `complete_upgrade`: a program may have overridden them.
    """

    def __init__(self, server: WebSocketServer, members: Members) -> None:
        """Raises TypeError if `verify_client` takes neither one nor two parameters."""
        self._server = server
        self._members = members
        self.is_closed = False
        """True once the server closes: handshakes that are not complete are refused."""
        self._verifying: OrderedDict[asyncio.Transport, None] = OrderedDict()
        """Handshakes that wait for a verdict of `verify_client`, if `max_connections` counts them."""
        verify = server.options["verify_client"]
        self._verify_has_callback = verify is not None and wants_callback(verify)

    @property
    def _options(self) -> dict[str, Any]:
        return self._server.options

    def close(self) -> None:
        """The server closes: from now on requests are refused with 503."""
        self.is_closed = True

    def is_for_path(self, request: Any) -> bool:
        """Whether the path of a request is that of the option `path`. Without the option, every path is."""
        path = self._options["path"]
        return not path or path_of(request.url) == path

    def handle(
        self,
        request: Any,
        transport: asyncio.Transport | asyncio.StreamWriter,
        head: bytes,
        callback: UpgradeCallback | None,
    ) -> None:
        """See `WebSocketServer.handle_upgrade`."""
        check_callback(callback)
        if isinstance(transport, asyncio.StreamWriter):
            callback = _holding(transport, callback)
            transport = cast(asyncio.Transport, transport.transport)
        elif not hasattr(transport, "get_protocol"):
            wanted = "an asyncio.Transport or a StreamWriter"
            raise TypeError(f"handle_upgrade: transport must be {wanted}, not {type(transport).__name__}")
        if not _is_over(transport):
            # What the checks set belongs to this connection alone.
            copy_context().run(self._judge, request, transport, head, callback)

    def _judge(
        self, request: Any, transport: asyncio.Transport, head: bytes, callback: UpgradeCallback | None
    ) -> None:
        """Accept the request or refuse it, or ask `verify_client`."""
        raw = _raw_headers(request)
        try:
            key, version = core.check_upgrade(request.method, raw)
            check_message(raw, getattr(request, "http_version", "1.1"))
            if not self._should_handle(request, transport):
                return
            protocols, extension = negotiate(raw, self._options["per_message_deflate"])
        except UpgradeRefused as refused:
            self._client_error(refused, transport, request)
            return
        if self._is_full():
            self._refuse("max_connections", transport, 503)
            return
        finish = partial(
            self._server.complete_upgrade, extension, key, protocols, request, transport, head, callback
        )
        if self._options["verify_client"] is None:
            finish()
        else:
            self._verify(version, raw, request, transport, finish)

    def wants(self, request: Any) -> bool:
        """Ask the server's `should_handle`. Raises TypeError if that is a coroutine function."""
        return bool(_at_once("should_handle", self._server.should_handle(request)))

    def _should_handle(self, request: Any, transport: asyncio.Transport) -> bool:
        """Ask `should_handle`; a request that is not for this server is answered."""
        try:
            wanted = self.wants(request)
        except Exception as error:
            self._hook_failed("should_handle", error, transport)
            return False
        if not wanted:
            self._refuse("path", transport, 400)
        return wanted

    def _is_full(self) -> bool:
        """Whether the open WebSockets and the handshakes that wait for a verdict reach `max_connections`."""
        limit = self._options["max_connections"]
        if not limit or len(self._members) + len(self._verifying) < limit:
            return False
        # A handshake whose client has hung up still waits for its verdict, but does not count any more. Each
        # refusal looks at some of them in turn: looking at all would be dear if many wait and many are
        # refused.
        for _ in range(min(_LOOKS, len(self._verifying))):
            transport = next(iter(self._verifying))
            if transport.is_closing():
                del self._verifying[transport]
            else:
                self._verifying.move_to_end(transport)
        return bool(len(self._members) + len(self._verifying) >= limit)

    def _verify(
        self,
        version: int,
        raw: _RawHeaders,
        request: Any,
        transport: asyncio.Transport,
        finish: Callable[[], None],
    ) -> None:
        # Version 8 is that of a draft in which the field has another name.
        origin = Headers(raw).get("origin" if version == 13 else "sec-websocket-origin")
        info = VerifyInfo(origin, transport.get_extra_info("sslcontext") is not None, request)
        refuse: Callable[..., None] = partial(self._refuse, "verify_client", transport)
        if self._options["max_connections"]:
            finish, refuse = self._counted(transport, finish, refuse)
        verdict = Verdict(transport, finish, refuse, self._server._report_hook)
        verdict.ask(
            self._options["verify_client"],
            info,
            has_callback=self._verify_has_callback,
            timeout=self._options["handshake_timeout"],
        )

    def _counted(
        self, transport: asyncio.Transport, finish: Callable[[], None], refuse: Callable[..., None]
    ) -> tuple[Callable[[], None], Callable[..., None]]:
        """Wrap `finish` and `refuse`: the handshake counts for `max_connections` until one is called."""
        self._verifying[transport] = None

        def accepted() -> None:
            self._verifying.pop(transport, None)
            finish()

        def refused(*answer: Any) -> None:
            refuse(*answer)  # first: if it raises because that cannot be sent, the verdict is still open
            self._verifying.pop(transport, None)

        return accepted, refused

    # The answer -------------------------------------------------------------------------------

    def complete(
        self,
        extension: Extension | None,
        key: str,
        protocols: list[str],
        request: Any,
        transport: asyncio.Transport,
        head: bytes,
        callback: UpgradeCallback | None,
    ) -> None:
        """See `WebSocketServer.complete_upgrade`."""
        if _is_over(transport):
            return
        if self.is_closed:
            self._refuse("closing", transport, 503)
            return
        try:
            protocol = self._choose_protocol(protocols, request)
            answer = self._answer(key, protocol, extension, request)
        except Exception as error:
            self._hook_failed("the handshake's answer", error, transport)
            return
        if not transport.is_reading():
            transport.resume_reading()
        before = transport.get_protocol()
        if isinstance(before, ServerProtocol):
            head = bytes(head) + before.take_early()

        def announce(ws: WebSocket) -> None:
            if opening.transport is transport and not isinstance(before, ServerProtocol):
                # If asyncio's StreamWriter is collected, the connection ends. The protocol may keep it alive.
                keep_alive(ws, before)
            if callback is not None:
                self._server._run_callback(callback, ws, request)

        opening = Opening(
            transport,
            self._options,
            head=bytes(head),
            protocol=protocol,
            deflate=extension[0] if extension else None,
            server=self._members,
            answer=answer,
        )
        try:
            ws = make_websocket(self._options["web_socket"] or WebSocket, opening)
        except Exception as error:
            self._hook_failed("the constructor of web_socket", error, transport)
            return
        if ws.ready_state == WebSocket.CONNECTING:
            # Every hook has had its say: whatever is answered by `transport` was so before.
            opening.transport = moved = move_to_engine(transport, asyncio.get_running_loop())
            if isinstance(request, Request) and request.socket is transport:
                request.socket = moved
        open_made(ws, opening, announce)

    def _choose_protocol(self, protocols: list[str], request: Any) -> str:
        if not protocols:
            return ""
        choose = self._options["handle_protocols"]
        if choose is None:
            return protocols[0]
        # The keys of a dict are a set that keeps the client's order.
        chosen = _at_once("handle_protocols", choose(dict.fromkeys(protocols).keys(), request))
        if not chosen:
            return ""
        if not isinstance(chosen, str):
            raise TypeError(f"handle_protocols must return a str or False, not {type(chosen).__name__}")
        if not core.is_token(chosen):
            raise ValueError(f"handle_protocols returned an invalid subprotocol: {chosen!r}")
        return chosen

    def _answer(self, key: str, protocol: str, extension: Extension | None, request: Any) -> bytes:
        lines = accept_lines(key, protocol, extension)
        if self._server.emit("headers", lines, request):
            for line in lines:
                check_line("a line of the response's head", line)
        answer = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        # "the server MUST send a 100 (Continue) response before sending a 101" (RFC 9110 7.8).
        return CONTINUE + answer if getattr(request, "expects_continue", False) else answer

    # Refusals ---------------------------------------------------------------------------------

    def _client_error(self, refused: UpgradeRefused, transport: asyncio.Transport, request: Any) -> None:
        if self._server.listener_count("wsClientError"):
            error = HandshakeError(str(refused), status=refused.status)
            self._members.refused("request")
            self._server.emit("wsClientError", error, transport, request)
        else:
            self._refuse("request", transport, refused.status, str(refused), refused.headers)

    def _refuse(
        self,
        reason: Reason,
        transport: asyncio.Transport,
        status: int,
        why: str | None = None,
        headers: HeadersLike = (),
    ) -> None:
        """ws's `abortHandshake`. Raises TypeError or ValueError for an answer that cannot be sent."""
        answer = format_answer(status, why, headers)
        self._members.refused(reason)
        protocol = transport.get_protocol()
        if isinstance(protocol, ServerProtocol):
            protocol.answer(answer)
        elif not transport.is_closing() and not isinstance(protocol, core.Connection):
            transport.write(answer)
            tls_before_311.end(transport)

    def _hook_failed(self, hook: str, error: BaseException, transport: asyncio.Transport) -> None:
        self._server._report_hook(hook, error)
        self._refuse("error", transport, 500)


def _at_once(hook: str, answer: Any) -> Any:
    """Return `answer`. Raises TypeError if it is a coroutine, which is true whatever it decides."""
    if inspect.isawaitable(answer):
        if asyncio.iscoroutine(answer):
            answer.close()  # or else Python warns that it was never awaited
        raise TypeError(f"{hook} must decide at once; only verify_client can be a coroutine function")
    return answer


def _holding(writer: asyncio.StreamWriter, callback: UpgradeCallback | None) -> UpgradeCallback:
    """Wrap `callback` so that the WebSocket keeps `writer` referenced as long as it lives."""

    def upgraded(ws: WebSocket, request: Any) -> object:
        if not writer.transport.is_closing():  # as it is once the connection has another transport
            keep_alive(ws, writer)
        return None if callback is None else callback(ws, request)

    return upgraded


def _is_over(transport: asyncio.Transport) -> bool:
    """Whether the connection has ended or was answered. Raises RuntimeError if it is a WebSocket already."""
    protocol = transport.get_protocol()
    if isinstance(protocol, core.Connection) or was_moved(transport):
        raise RuntimeError(
            "handle_upgrade() was called more than once with the same socket, "
            "possibly due to a misconfiguration"
        )
    return transport.is_closing() or (isinstance(protocol, ServerProtocol) and protocol.answered)


def _raw_headers(request: Any) -> _RawHeaders:
    headers = request.headers
    raw = getattr(headers, "raw", None)
    return raw if isinstance(raw, list) else list(headers.items())
