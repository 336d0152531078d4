"""A client's opening handshake (RFC 6455 4.1): connecting, sending the request, checking the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from wsrs._active_core import core, new_deflate
from wsrs._aio.callbacks import begin_later
from wsrs._client.request import ClientRequest, Fields, basic, fill_request, user_fields
from wsrs._client.response_body import Body
from wsrs._client.response_protocol import ResponseProtocol
from wsrs._client.transport import open_transport
from wsrs._client.validate import check_answer
from wsrs._net import url
from wsrs._net.client_tls import client_context
from wsrs._options.client import check_together
from wsrs._options.table import Options
from wsrs._websocket.opening import Opening, Pending
from wsrs.errors import HandshakeError
from wsrs.http._messages import Headers, Response

if TYPE_CHECKING:
    from wsrs._backend.contract import PerMessageDeflate

__all__ = ["Handshake"]


class Handshake:
    """The opening handshake of one client, over all of its redirects. The WebSocket drops it at its end."""

    def __init__(self, pending: Pending, address: Any, options: Options) -> None:
        """Check all that can be checked now. Raises TypeError, ValueError, and whatever the loading of
        certificates raises."""
        self._pending = pending
        self._ws = pending.websocket
        self._loop = asyncio.get_running_loop()
        self._options = options
        self._protocols: list[str] = _checked_protocols(options["protocols"])
        self._user = user_fields(options)
        self._redirects = 0
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._reader: ResponseProtocol
        """The protocol of the connection under way; `start` sets it."""
        self._unexpected: Response | None = None
        self._original = self.address = url.parse(address)
        check_together(options, self.address)
        # As in Node, the options of TLS are not read if there will be none.
        secure = self.address.secure or options["follow_redirects"]
        self._context = client_context(options) if secure else None
        self._prepare()

    # The request ------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Make the request for `self.address`."""
        address, options = self.address, self._options
        user, auth = self._user, address.auth if address.auth is not None else options["auth"]
        if self._redirects and not self._ws.listener_count("redirect"):
            user, auth = self._without_credentials(user, auth)
        if auth is not None and options["follow_redirects"] and not _has(self._user, "authorization"):
            # As in ws and curl: the first credentials win, and go along with the redirects.
            self._user = [*self._user, ("Authorization", basic(auth))]
        self._pending.set_url(address.href)
        self._deflate: PerMessageDeflate | None = None
        if options["per_message_deflate"] is not None:
            self._deflate = new_deflate(is_server=False, **options["per_message_deflate"])
        offer = self._deflate.offer() if self._deflate is not None else ""
        self._key = core.new_key()
        self.request = ClientRequest(address, self._flush, self._destroyed)
        fill_request(self.request, options, user, auth, self._key, offer)

    def _without_credentials(self, user: Fields, auth: str | None) -> tuple[Fields, str | None]:
        """Drop credentials for another host, and for a plain connection after a secure one (as in ws)."""
        same_host = self.address.is_host_of(self._original)
        if same_host and (self.address.secure or not self._original.secure):
            return user, auth
        dropped = {"authorization", "cookie"} if same_host else {"authorization", "cookie", "host"}
        return [(name, value) for name, value in user if name.lower() not in dropped], None

    def start(self) -> None:
        """Begin to connect. The request is sent once it is ended. Raises what `finish_request` raises."""
        seconds = self._options["handshake_timeout"]
        if seconds:
            self._timer = self._loop.call_later(seconds, self._timed_out)
        self._reader = ResponseProtocol(self)
        self._task = begin_later(self._loop, self._connect(self._reader))
        finish_request = self._options["finish_request"]
        if finish_request is None:
            self.request.end()
            return
        try:
            result = finish_request(self.request, self._ws)
        except BaseException:
            self.cancel()
            raise
        if asyncio.iscoroutine(result):
            begin_later(self._loop, self._finish(result, self.request))

    async def _connect(self, reader: ResponseProtocol) -> None:
        try:
            await open_transport(self.address, self._options, self._context, reader)
        except Exception as error:
            self.fail(error)

    async def _finish(self, work: Coroutine[Any, Any, object], request: ClientRequest) -> None:
        """Run a `finish_request` that is a coroutine function."""
        try:
            await work
        except Exception as error:
            if request is self.request and not self._pending.is_over:
                self.fail(error)
            else:
                self._pending.hook_raised("finish_request", error)

    def connected(self, transport: asyncio.Transport) -> None:
        """Go on with `transport`, which is connected to the server."""
        self._transport = transport
        self.request.socket = transport
        self._pending.run(self.request.emit, "socket", transport)
        self._flush()

    def _flush(self) -> None:
        # A listener of 'socket' may have ended the request, or given it up.
        if (
            self._transport is not None
            and not self._transport.is_closing()
            and (head := self.request._take())
        ):
            self._transport.write(head)

    # The answer -------------------------------------------------------------------------------

    def answered(
        self, minor: int, status: int, reason: str, raw: list[tuple[str, str]], rest: bytes
    ) -> Body | None:
        """Handle the final response; `rest` follows its head. Returns the body if more of it is wanted."""
        return self._pending.run(self._judge, minor, status, reason, raw, rest)

    def _judge(
        self, minor: int, status: int, reason: str, raw: list[tuple[str, str]], rest: bytes
    ) -> Body | None:
        headers = Headers(raw)
        body = Body(self._loop, status, headers)
        response = Response(status, reason, headers, f"1.{minor}", body)
        if status == 101:
            self._upgraded(response, rest)
            return None
        location = headers.get("location")
        if location and self._options["follow_redirects"] and 300 <= status < 400:
            self._redirected(location)
            return None
        self._unexpected = response
        heard = self._ws.emit("unexpected-response", self.request, response)
        if heard and self._transport is not None:
            # The answer has come in time, so its body may be read at the listener's pace.
            self._release()
            body.set_transport(self._transport)
            return body
        # Nothing more is read: the response keeps the part of its body that has arrived.
        body.feed(rest)
        body.feed_eof()
        self.fail(self._unexpected_error())
        return None

    def lost(self, error: BaseException | None, *, was_silent: bool) -> None:
        """Fail: the connection was lost before it was upgraded."""
        if self._unexpected is not None:
            self.fail(self._unexpected_error())
        else:
            self.fail(error or HandshakeError(self._closed_early(was_silent)))

    def _closed_early(self, was_silent: bool) -> str:
        text = "The connection was closed before the server answered the handshake"
        if not was_silent or self.address.secure or self.address.unix is not None:
            return text
        # What a TLS server answers to plain bytes depends on its library; asyncio's sends nothing.
        return f"{text}. If it uses TLS, the address must begin with wss:"

    def _unexpected_error(self) -> HandshakeError:
        assert self._unexpected is not None
        status = self._unexpected.status
        text = f"Unexpected server response: {status}"
        return HandshakeError(text, status=status, response=self._unexpected)

    def _upgraded(self, response: Response, rest: bytes) -> None:
        self._ws.emit("upgrade", response)
        if not self._pending.is_connecting:
            # A listener has closed the WebSocket.
            return
        try:
            protocol, deflate = check_answer(response.headers, self._key, self._protocols, self._deflate)
        except HandshakeError as error:
            error.response = response
            self.fail(error)
            return
        transport = self._transport
        assert transport is not None
        self._release()
        self._pending.open(Opening(transport, self._options, head=rest, protocol=protocol, deflate=deflate))

    # Redirects --------------------------------------------------------------------------------

    def _redirected(self, location: str) -> None:
        self._redirects += 1
        if self._redirects > self._options["max_redirects"]:
            self.fail(HandshakeError("Maximum redirects exceeded"))
            return
        self._release()
        self._drop_transport()
        self.request._release()
        try:
            self.address = url.join(self.address, location)
            self._prepare()
        except (ValueError, RuntimeError) as error:
            self.fail(error)
            return
        self._ws.emit("redirect", self.address.href, self.request)
        if not self._pending.is_connecting:
            return
        try:
            self.start()
        except Exception as error:
            self.fail(error)

    # The end ----------------------------------------------------------------------------------

    def _timed_out(self) -> None:
        self._timer = None
        self.fail(HandshakeError("Opening handshake has timed out"))

    def _destroyed(self, error: BaseException | None) -> None:
        """Stop at once; the error follows in the next tick, as this may be within the constructor."""
        if self._pending.is_connecting:
            self.cancel()
            text = "The request of the opening handshake was destroyed"
            self._pending.give_up(error or HandshakeError(text))

    def fail(self, error: BaseException) -> None:
        """Fail with `error`, unless the handshake is over already."""
        if self._pending.is_connecting:
            self.cancel()
            self._pending.fail(error)

    def cancel(self) -> None:
        """Stop all that is under way."""
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
        self._reader.forget()
        if transport is not None:
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


def _has(fields: Fields, name: str) -> bool:
    return any(each.lower() == name for each, _ in fields)
