"""One WebSocket of an ASGI application: `receive`, `send`, and what the application has decided.

Rules kept here: the application accepts, closes or answers by HTTP, once; the connection's end is told by
`websocket.disconnect`, whoever has caused it, and by the server's own exception to those who still send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from wsrs._aio.waiters import Waiters
from wsrs._asgi.denial import Denial, Fields, respond
from wsrs._websocket.ending import hang_up, stop_receiving
from wsrs._websocket.state import OPEN
from wsrs.errors import ConnectionClosed, WebSocketError

if TYPE_CHECKING:
    from wsrs.websocket import WebSocket

    class Host(Protocol):
        """The server's protocol, to which a session belongs."""

        transport: asyncio.Transport

        def default_headers(self) -> Fields:
            """The headers that the server adds to each answer."""

        def accept(self, subprotocol: str, headers: Fields) -> WebSocket:
            """Answer with 101, and return the WebSocket that is open."""

        def decided(self, outcome: str) -> None:
            """The application has decided: `[accepted]`, or the status of the answer."""


__all__ = ["Message", "Session", "decoded"]

Message = dict[str, Any]

_UNDECIDED, _DENYING, _OPEN, _CLOSED, _GONE = range(5)
"""The application has said nothing; has begun to deny; has accepted; has closed; the client is gone."""


def decoded(headers: Iterable[tuple[bytes, bytes]]) -> Fields:
    """ASGI's headers as our own."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


class Session:
    """The state between a server and an application, for one connection."""

    __slots__ = (
        "_denial",
        "_disconnect",
        "_gone_error",
        "_host",
        "_is_connect_taken",
        "_is_writable",
        "_loop",
        "_state",
        "_waiters",
        "_waits",
        "_ws",
    )

    def __init__(
        self, host: Host, loop: asyncio.AbstractEventLoop, gone_error: type[Exception], *, waits: bool
    ) -> None:
        """`gone_error` is what the server's own protocols raise if a client is gone.

        Unless `waits`, `send` does not wait for a slow client: the option `slow_peer` drops, or closes.
        """
        self._host = host
        self._loop = loop
        self._gone_error = gone_error
        self._waits = waits
        self._state = _UNDECIDED
        self._is_connect_taken = False
        self._is_writable = True
        self._ws: WebSocket | None = None
        self._denial: Denial | None = None
        self._disconnect: Message | None = None
        """The event with which `receive` ends, where the WebSocket does not know it."""
        self._waiters: Waiters | None = None
        """Those who wait for the decision, or for room to write."""

    # ASGI -------------------------------------------------------------------------------------

    async def receive(self) -> Message:
        """ASGI's `receive`."""
        if not self._is_connect_taken:
            self._is_connect_taken = True
            return {"type": "websocket.connect"}
        if self._ws is None:
            while self._state < _OPEN:
                await self._wait()
            if self._ws is None:
                return {"type": "websocket.disconnect", "code": 1006}
        try:
            message = await self._ws.__anext__()
        except (StopAsyncIteration, ConnectionClosed):
            return self._disconnect or await self._ended(self._ws)
        return {"type": "websocket.receive", "text" if type(message) is str else "bytes": message}

    async def _ended(self, ws: WebSocket) -> Message:
        """The event of an end that the client, or the network, has made."""
        try:
            while True:
                await ws.recv()
        except ConnectionClosed as closed:
            cause = closed.__cause__
            # A fault of the client's has no close frame: the code is that with which it was answered.
            code = cause.close_code if isinstance(cause, WebSocketError) else closed.close_code
            self._disconnect = {"type": "websocket.disconnect", "code": code, "reason": closed.reason}
            return self._disconnect

    async def send(self, message: Message) -> None:
        """ASGI's `send`. It waits while more than `high_water_mark` is queued."""
        kind = message["type"]
        if self._state == _OPEN and not self._is_writable:
            await self._room()
        if self._state == _OPEN and kind == "websocket.send":
            data = message.get("bytes")
            if data is None:
                data = message.get("text")
                if data is None:
                    return
            sent = self._ws.send(data)  # type: ignore[union-attr]
            if self._waits or self._ws.ready_state != OPEN:  # type: ignore[union-attr]
                try:
                    await sent
                except ConnectionClosed:
                    raise self._gone_error from None
        elif self._state == _UNDECIDED:
            self._decide(kind, message)
        elif self._state == _DENYING:
            await self._continue_denial(kind, message)
        elif self._state == _OPEN:
            if kind != "websocket.close":
                expected = "'websocket.send' or 'websocket.close'"
                raise RuntimeError(f"Expected ASGI message {expected}, but got '{kind}'.")
            code, reason = message.get("code", 1000), message.get("reason") or ""
            self._close(code, reason, {"type": "websocket.disconnect", "code": code, "reason": reason})
            self._state = _CLOSED
        elif self._state == _CLOSED:
            raise RuntimeError(f"Unexpected ASGI message '{kind}', after sending 'websocket.close'.")
        else:
            raise self._gone_error

    # The decision -----------------------------------------------------------------------------

    @property
    def is_undecided(self) -> bool:
        """Whether the application has neither accepted nor denied, and the client is still there."""
        return self._state == _UNDECIDED

    @property
    def is_gone(self) -> bool:
        """Whether nothing more can be said to the client."""
        return self._state == _GONE

    def _decide(self, kind: str, message: Message) -> None:
        if kind == "websocket.accept":
            self._ws = self._host.accept(
                message.get("subprotocol") or "", decoded(message.get("headers", ()))
            )
            self._ws.__aiter__()
            self._state = _OPEN
            self._host.decided("[accepted]")
        elif kind == "websocket.close":
            self.answer(403, [], b"")
            self._state = _CLOSED
            self._host.decided("403")
        elif kind == "websocket.http.response.start":
            headers = self._with_defaults(decoded(message.get("headers", ())))
            self._denial = Denial(self._host.transport, message["status"], headers)
            self._state = _DENYING
            self._host.decided(str(message["status"]))
        else:
            expected = "'websocket.accept', 'websocket.close' or 'websocket.http.response.start'"
            raise RuntimeError(f"Expected ASGI message {expected} but got '{kind}'.")
        self._wake()

    async def _continue_denial(self, kind: str, message: Message) -> None:
        assert self._denial is not None
        if kind != "websocket.http.response.body":
            raise RuntimeError(f"Expected ASGI message 'websocket.http.response.body' but got '{kind}'.")
        more = message.get("more_body", False)
        self._denial.body(message.get("body", b""), more=more)
        if not more:
            self._state = _CLOSED
            self._wake()
        await self._room()

    def answer(self, status: int, headers: Fields, body: bytes) -> None:
        """Answer in place of the application, and end the connection. Nothing can be decided any more."""
        self._state = _GONE
        respond(self._host.transport, status, self._with_defaults(headers), body)
        self._wake()

    def _with_defaults(self, headers: Fields) -> Fields:
        """`headers`, after those of the server that are not among them."""
        given = {name.lower() for name, _ in headers}
        return [each for each in self._host.default_headers() if each[0].lower() not in given] + headers

    # Flow control and the end -----------------------------------------------------------------

    def pause(self) -> None:
        """The transport, which is not our own, has no room."""
        self._is_writable = False

    def resume(self) -> None:
        """The transport has room again."""
        self._is_writable = True
        self._wake()

    async def _room(self) -> None:
        while not self._is_writable and self._state in (_OPEN, _DENYING):
            await self._wait()

    async def _wait(self) -> None:
        if self._waiters is None:
            self._waiters = Waiters(self._loop)
        await self._waiters.wait()

    def _wake(self) -> None:
        if self._waiters is not None:
            self._waiters.done()

    def _close(self, code: int, reason: str, event: Message) -> None:
        assert self._ws is not None
        self._ws.close(code, reason)
        self._disconnect = event
        stop_receiving(self._ws)

    def returned(self) -> None:
        """The application has returned: end what it has left open."""
        if self._state == _UNDECIDED:
            self.answer(500, [], b"Internal Server Error")
        elif self._state == _DENYING:
            assert self._denial is not None
            self._denial.finish()
            self._state = _CLOSED
        elif self._state == _OPEN:
            assert self._ws is not None
            hang_up(self._ws)

    def shutdown(self) -> None:
        """The server shuts down: close with 1012, or answer 500 if the application has not decided."""
        if self._state == _OPEN:
            self._close(1012, "", {"type": "websocket.disconnect", "code": 1012})
        elif self._ws is not None:
            hang_up(self._ws)
        else:
            self.returned()
        self.lost()

    def lost(self) -> None:
        """The connection is gone, or as good as gone."""
        self._state = _GONE
        self._wake()
