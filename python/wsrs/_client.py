"""A client's opening handshake (RFC 6455 4.1): connects, sends the request, judges the answer."""

from __future__ import annotations

import asyncio
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from wsrs import _url
from wsrs._backend import PerMessageDeflate
from wsrs._chosen import core, new_deflate
from wsrs._client_request import ClientRequest, build_request, user_fields
from wsrs._connect import connect_tcp, connect_unix
from wsrs._lifecycle import CONNECTING, connection_options
from wsrs._response_protocol import ResponseProtocol
from wsrs.errors import HandshakeError
from wsrs.events import keep
from wsrs.http._messages import Headers, Response

if TYPE_CHECKING:
    from wsrs.websocket import WebSocket

__all__ = ["Handshake"]


class Handshake:
    """The opening handshake of one client, over all of its redirects. Gone once it is open or has failed."""

    def __init__(self, ws: WebSocket, address: Any, options: dict[str, Any]) -> None:
        """Check everything that can be checked now: raises TypeError and ValueError."""
        self._ws = ws
        self._loop = ws._loop
        self._options = options
        self._protocols: list[str] = _checked_protocols(options["protocols"])
        self._user = user_fields(options)
        self._redirects = 0
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._unexpected: Response | None = None
        self._prepare(_url.parse(address))
        self._original = self.address
        if options["ssl"] is not None and not self.address.secure and not options["follow_redirects"]:
            raise ValueError(f"WebSocket: ssl has no meaning for {self.address.href!r}, which is not secure")

    # The request ------------------------------------------------------------------------------

    def _prepare(self, address: _url.Address, user: list[tuple[str, str]] | None = None) -> None:
        self.address = address
        self._ws._url = address.href
        options = self._options
        self._deflate: PerMessageDeflate | None = None
        if options["per_message_deflate"] is not None:
            self._deflate = new_deflate(is_server=False, **options["per_message_deflate"])
        offer = self._deflate.offer() if self._deflate is not None else ""
        self.request = build_request(address, options, self._user if user is None else user, offer)
        key = self.request.get_header("sec-websocket-key")
        assert isinstance(key, str)
        self._key = key
        self.request._end = self._flush
        self.request._destroy = self._destroyed

    def start(self) -> None:
        """Begin to connect; the request follows when it is ended."""
        seconds = self._options["handshake_timeout"]
        if seconds:
            self._timer = self._loop.call_later(seconds, self._timed_out)
        finish_request = self._options["finish_request"]
        self._task = self._loop.create_task(self._connect())
        keep(self._task)
        if finish_request is None:
            self.request.end()
        else:
            finish_request(self.request, self._ws)

    async def _connect(self) -> None:
        try:
            address = self.address
            if address.unix is not None:
                sock = await connect_unix(address.unix)
            else:
                sock = await connect_tcp(address.host, address.port)
            try:
                await self._adopt(sock)
            except BaseException:
                sock.close()
                raise
        except Exception as error:
            self._fail(error)

    async def _adopt(self, sock: Any) -> None:
        """Make a transport of the connected socket: the engine's where there is one, else the loop's."""
        protocol = ResponseProtocol(self)
        reactor = None if self.address.secure else core.reactor(self._loop)
        if reactor is not None:
            reactor.adopt(sock, protocol)
        elif self.address.unix is not None:
            await self._loop.create_unix_connection(lambda: protocol, sock=sock)
        elif self.address.secure:
            context = self._options["ssl"] or _default_context()
            host = self.address.host.partition("%")[0]
            await self._loop.create_connection(lambda: protocol, sock=sock, ssl=context, server_hostname=host)
        else:
            await self._loop.create_connection(lambda: protocol, sock=sock)

    def connected(self, transport: asyncio.Transport) -> None:
        """There is a transport."""
        self._transport = transport
        self._flush()

    def _flush(self) -> None:
        if self._transport is not None and self.request.ended and not self._transport.is_closing():
            self._transport.write(self.request.head())

    # The answer -------------------------------------------------------------------------------

    def answered(
        self, minor: int, status: int, reason: str, raw: list[tuple[str, str]], rest: bytes
    ) -> asyncio.StreamReader | None:
        """The head of the final response is there, `rest` after it. Returns who reads the body, if any."""
        body = asyncio.StreamReader(loop=self._loop)
        response = Response(status, reason, Headers(raw), f"1.{minor}", body)
        if status == 101:
            self._upgraded(response, rest)
            return None
        location = response.headers.get("location")
        if location and self._options["follow_redirects"] and 300 <= status < 400:
            self._redirected(location)
            return None
        assert self._transport is not None
        body.set_transport(self._transport)
        self._unexpected = response
        if self._ws.emit("unexpected-response", self.request, response):
            return body
        self._fail(self._unexpected_error())
        return None

    def lost(self, error: BaseException | None) -> None:
        """The connection is gone before it was upgraded."""
        if self._unexpected is not None:
            self._fail(self._unexpected_error())
        else:
            self._fail(
                error or HandshakeError("The connection was closed before the server answered the handshake")
            )

    def _unexpected_error(self) -> HandshakeError:
        assert self._unexpected is not None
        status = self._unexpected.status
        return HandshakeError(f"Unexpected server response: {status}", status=status)

    def _upgraded(self, response: Response, rest: bytes) -> None:
        ws = self._ws
        ws.emit("upgrade", response)
        if ws._ready_state != CONNECTING:
            # A listener has closed it.
            return
        try:
            protocol = self._check(response.headers)
        except HandshakeError as error:
            self._fail(error)
            return
        transport = self._transport
        assert transport is not None
        ws._protocol = protocol
        self._release()
        keywords = connection_options(self._options, self._loop, is_server=False)
        ws._set_socket(transport, self._deflate, keywords)
        ws._start(rest)

    def _check(self, headers: Headers) -> str:
        """RFC 6455 4.1, "the client MUST validate the server's response": returns the subprotocol."""
        options = [option.strip() for option in headers.get("connection", "").lower().split(",")]
        if headers.get("upgrade", "").lower() != "websocket":
            raise HandshakeError("Invalid Upgrade header", status=101)
        if "upgrade" not in options:
            raise HandshakeError("Invalid Connection header", status=101)
        if headers.get("sec-websocket-accept") != core.accept_key(self._key):
            raise HandshakeError("Invalid Sec-WebSocket-Accept header", status=101)
        protocol = headers.get("sec-websocket-protocol")
        if protocol is None and self._protocols:
            raise HandshakeError("Server sent no subprotocol", status=101)
        if protocol is not None and not self._protocols:
            raise HandshakeError("Server sent a subprotocol but none was requested", status=101)
        if protocol is not None and protocol not in self._protocols:
            raise HandshakeError("Server sent an invalid subprotocol", status=101)
        extensions = headers.get("sec-websocket-extensions")
        if extensions is None:
            self._deflate = None
        else:
            self._accept_extensions(extensions)
        return protocol or ""

    def _accept_extensions(self, value: str) -> None:
        if self._deflate is None:
            message = "Server sent a Sec-WebSocket-Extensions header but no extension was requested"
            raise HandshakeError(message, status=101)
        try:
            found = core.parse_extensions(value)
            if not found or any(name != "permessage-deflate" for name, _ in found):
                message = "Server indicated an extension that was not requested"
                raise HandshakeError(message, status=101)
            self._deflate.accept([parameters for _, parameters in found])
        except ValueError as error:
            raise HandshakeError("Invalid Sec-WebSocket-Extensions header", status=101) from error

    # Redirects --------------------------------------------------------------------------------

    def _redirected(self, location: str) -> None:
        self._redirects += 1
        if self._redirects > self._options["max_redirects"]:
            self._fail(HandshakeError("Maximum redirects exceeded"))
            return
        self._release()
        self._drop_transport()
        try:
            address = _url.join(self.address, location)
            user = self._user
            if self._redirects == 1 and self._original.auth is not None:
                # As in ws: the first credentials stay with the headers, for the same host.
                user = self._user = [*user, *_authorization(self.request, user)]
            if not self._ws.listener_count("redirect"):
                user, address = self._without_credentials(address)
            self._prepare(address, user)
        except ValueError as error:
            self._fail(error)
            return
        self._ws.emit("redirect", address.href, self.request)
        if self._ws._ready_state == CONNECTING:
            self.start()

    def _without_credentials(self, address: _url.Address) -> tuple[list[tuple[str, str]], _url.Address]:
        """Credentials go to no other host, and from no secure connection to a plain one (as in ws)."""
        first = self._original
        same_host = (address.unix, address.authority) == (first.unix, first.authority)
        if same_host and (address.secure or not first.secure):
            return self._user, address
        dropped = {"authorization", "cookie"} if same_host else {"authorization", "cookie", "host"}
        self._options = {**self._options, "auth": None}
        return [(n, v) for n, v in self._user if n.lower() not in dropped], address._replace(auth=None)

    # The end ----------------------------------------------------------------------------------

    def _timed_out(self) -> None:
        self._timer = None
        self._fail(HandshakeError("Opening handshake has timed out"))

    def _destroyed(self, error: BaseException | None) -> None:
        self._fail(error or HandshakeError("The request of the opening handshake was destroyed"))

    def _fail(self, error: BaseException) -> None:
        if self._ws._ready_state == CONNECTING and self._ws._handshake is self:
            self.cancel()
            self._ws._handshake_failed(error)

    def cancel(self) -> None:
        """Stop whatever is under way."""
        self._release()
        if self._task is not None and self._task is not _current_task():
            self._task.cancel()
        self._drop_transport()

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _drop_transport(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            protocol = transport.get_protocol()
            if isinstance(protocol, ResponseProtocol):
                protocol.forget()
            transport.abort()


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _checked_protocols(protocols: Any) -> list[str]:
    names = list(protocols)
    if len(set(names)) != len(names) or not all(core.is_token(name) for name in names):
        raise ValueError(f"An invalid or duplicated subprotocol was specified: {names!r}")
    return names


def _authorization(request: ClientRequest, user: list[tuple[str, str]]) -> list[tuple[str, str]]:
    value = request.get_header("authorization")
    if any(name.lower() == "authorization" for name, _ in user) or not isinstance(value, str):
        return []
    return [("Authorization", value)]


@lru_cache(maxsize=1)
def _default_context() -> ssl.SSLContext:
    """The system's trusted authorities; made once, because reading them takes milliseconds."""
    return ssl.create_default_context()
