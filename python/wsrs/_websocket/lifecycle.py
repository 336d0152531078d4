"""The life of a WebSocket, from its opening to its `'close'` event: what ws does in `websocket.js`.

Rules kept here:

- The state only goes CONNECTING, OPEN, CLOSING, CLOSED; `'close'` is emitted exactly once, last.
- A close frame is answered with its own code. After both are exchanged the server closes TCP first; the
  client waits for that (RFC 6455 7.1.1), as long as `close_timeout` allows.
- The peer's fault: a close frame with the fault's code, `'error'`, the end of the connection; the code of
  `'close'` is then 1006, because no close frame of the peer's was received.
- Whoever waits for messages is told of the end by an exception, and is then not told again by the loop's
  exception handler.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from wsrs._active_core import new_connection
from wsrs._aio import tls_before_311
from wsrs._aio.waiters import Waiters
from wsrs._backend.contract import Connection, PerMessageDeflate
from wsrs._websocket import heartbeat
from wsrs._websocket.state import CLOSED, CLOSING, CONNECTING, OPEN
from wsrs.blob import Blob
from wsrs.errors import ConnectionClosed, HandshakeError, SlowPeer, WebSocketError
from wsrs.event_target import EventTarget
from wsrs.events import Listener, _Once

if TYPE_CHECKING:
    from wsrs._client.handshake import Handshake
    from wsrs._typing.options import BinaryType
    from wsrs.server import WebSocketServer

__all__ = ["ORDERLY", "Lifecycle", "connection_options"]

ORDERLY = frozenset({1000, 1001, 1005})
"""Codes of a close frame after which iteration simply ends: done, going away, and none stated."""

_CONNECTION_OPTIONS = (
    "allow_synchronous_events",
    "auto_pong",
    "high_water_mark",
    "max_buffered_chunks",
    "max_fragments",
    "max_payload",
    "max_pending_auto_pongs",
    "skip_utf8_validation",
)


def connection_options(
    options: dict[str, Any], loop: asyncio.AbstractEventLoop, *, is_server: bool
) -> dict[str, Any]:
    """The keywords of the core's `Connection` that are the same for all connections with `options`."""
    keywords = {name: options[name] for name in _CONNECTION_OPTIONS}
    return {
        **keywords,
        "loop": loop,
        "is_server": is_server,
        "generate_mask": options.get("generate_mask"),
        "refuse_above_mark": options["slow_peer"] != "pause",
        "read_ahead": heartbeat.READ_AHEAD if options["heartbeat"] else 0,
    }


class Closing:
    """What is known about the end of a connection. Made when the end begins: an idle one has none."""

    __slots__ = (
        "code",
        "error",
        "failed",
        "frame_received",
        "frame_sent",
        "reason",
        "timer",
        "told",
        "unsent",
    )

    def __init__(self) -> None:
        self.code = 1006
        self.reason = b""
        self.frame_sent = False
        self.frame_received = False
        self.failed = False
        self.error: BaseException | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.told = False
        """Whether somebody was told of a failed handshake by an exception."""
        self.unsent = 0
        """Bytes that were to be sent after the end: ws counts them in `buffered_amount`."""


class Lifecycle(EventTarget):
    """State, closing handshake, and what the core calls (`wsrs._backend.contract.ConnectionOwner`)."""

    __slots__ = (
        "_binary_type",
        "_closed_waiters",
        "_closing",
        "_conn",
        "_deflate",
        "_direct",
        "_handshake",
        "_heartbeat",
        "_loop",
        "_open_waiters",
        "_options",
        "_protocol",
        "_pulled",
        "_ready_state",
        "_server",
        "_url",
    )

    _binary_type: BinaryType
    _conn: Connection | None
    _closing: Closing | None
    _deflate: PerMessageDeflate | None
    _handshake: Handshake | None
    _heartbeat: heartbeat.Member | None
    _loop: asyncio.AbstractEventLoop
    _open_waiters: Waiters | None
    _closed_waiters: Waiters | None
    _options: dict[str, Any]
    _server: WebSocketServer | None
    _pulled: bool
    """Whether messages are taken by `recv` or iteration."""
    _direct: bool
    """Whether a `recv` may go to the core as it is: pulled, open, and nothing to convert."""

    def __init__(self, loop: asyncio.AbstractEventLoop, options: dict[str, Any]) -> None:
        super().__init__()
        self._loop = loop
        self._options = options
        self._ready_state = CONNECTING
        self._binary_type = "nodebuffer"
        self._protocol = ""
        self._url: str | None = None
        self._conn = self._closing = self._deflate = self._handshake = self._server = None
        self._heartbeat = None
        self._open_waiters = self._closed_waiters = None
        self._pulled = self._direct = False

    # Opening ----------------------------------------------------------------------------------

    def _set_socket(
        self, transport: asyncio.Transport, deflate: PerMessageDeflate | None, keywords: dict[str, Any]
    ) -> None:
        """The handshake is done: become the transport's protocol. Call `_start` afterwards."""
        self._deflate = deflate
        self._handshake = None
        conn = new_connection(owner=self, deflate=deflate, **keywords)
        self._conn = conn
        if self._binary_type not in ("nodebuffer", "blob"):
            conn.binary_type = self._binary_type
        if self._events:
            for event in self.event_names():
                self._listeners_changed(event, added=True)
        conn.attach(transport)
        if tls_before_311.is_old_tls(transport):  # pragma: no cover: Python 3.10
            vars(self)["_transport"] = transport
        self._ready_state = OPEN
        self._update_direct()
        if self._options["heartbeat"]:
            self._heartbeat = heartbeat.watch(self, *self._options["heartbeat"])
        self.emit("open")
        if self._open_waiters is not None:
            self._open_waiters.done()
            self._open_waiters = None

    def _start(self, head: bytes) -> None:
        """Deliver messages, in the next tick: listeners that are coroutine functions have begun then."""
        assert self._conn is not None
        self._loop.call_soon(self._conn.start, head)

    def _abort_handshake(self) -> None:
        """`close` or `terminate` while CONNECTING: ws's `abortHandshake`."""
        self._ready_state = CLOSING
        error = HandshakeError("WebSocket was closed before the connection was established")
        if self._handshake is not None:
            self._handshake.cancel()
        self._loop.call_soon(self._handshake_failed, error)

    def _handshake_failed(self, error: BaseException) -> None:
        """`'error'`, then `'close'`."""
        self._ready_state = CLOSING
        self._handshake = None
        self._end().error = error
        if self._open_waiters is not None:
            self._end().told |= self._open_waiters.fail(error)
            self._open_waiters = None
        if self.listener_count("error"):
            self.emit("error", error)
        else:
            # Whoever begins to wait in the tick of the constructor may only be a tick away.
            self._loop.call_soon(self._loop.call_soon, self._unless_told, error)
        self._emit_close()

    def _unless_told(self, error: BaseException) -> None:
        if not (self._end().told or self._pulled):
            self._unheard_error(error)

    # Closing ----------------------------------------------------------------------------------

    def _end(self) -> Closing:
        if self._closing is None:
            self._closing = Closing()
        return self._closing

    def _was_clean(self) -> bool:
        closing = self._closing
        return closing is not None and closing.frame_sent and closing.frame_received

    def _close(self, code: int | None, reason: bytes) -> None:
        """ws's `close()`. Raises ValueError for a code or reason that cannot be sent."""
        if self._ready_state == CONNECTING:
            self._abort_handshake()
        elif self._ready_state == CLOSING:
            self._end_if_done()
        else:
            assert self._conn is not None
            self._conn.send_close(code, reason, None, self._close_sent)
            if self._ready_state == OPEN:
                self._ready_state = CLOSING
            self._set_close_timer()

    def _close_sent(self, error: BaseException | None) -> None:
        if error is None:
            self._end().frame_sent = True
            self._end_if_done()

    def _end_if_done(self) -> None:
        """End the connection where the closing handshake is complete, or cannot be.

        RFC 6455 7.1.1: the server closes TCP first, so that it and not the client holds TIME_WAIT; the
        client waits for that, and its close timer says how long.
        """
        closing, conn = self._closing, self._conn
        if closing is None or conn is None or not closing.frame_sent:
            return
        if closing.failed or (closing.frame_received and self._server is not None):
            conn.end()

    def _set_close_timer(self) -> None:
        seconds = self._options["close_timeout"]
        closing = self._end()
        if seconds and closing.timer is None and self._ready_state != CLOSED:
            closing.timer = self._loop.call_later(seconds, self._close_timed_out)

    def _close_timed_out(self) -> None:
        self._end().timer = None
        assert self._conn is not None
        self._conn.abort()

    def _heartbeat_failed(self, seconds: float) -> None:
        """The peer is silent: end the connection, as `terminate` does."""
        self._end().error = TimeoutError(f"the peer did not answer a ping within {seconds:g} seconds")
        self._ready_state = CLOSING
        assert self._conn is not None
        self._conn.abort()

    def _emit_close(self) -> None:
        """The last event. Then everybody who waits for a message, or for the end, is told."""
        closing = self._end()
        if closing.timer is not None:
            closing.timer.cancel()
            closing.timer = None
        self._ready_state = CLOSED
        if self._heartbeat is not None:
            heartbeat.unwatch(self, self._heartbeat)
            self._heartbeat = None
        server = self._server
        if server is not None:
            server._client_gone(self)
        self.emit("close", closing.code, closing.reason)
        if self._conn is not None:
            self._conn.finish(self._closed_error(), orderly=closing.code in ORDERLY)
        if self._closed_waiters is not None:
            self._closed_waiters.done()
            self._closed_waiters = None

    def _closed_error(self) -> ConnectionClosed:
        closing = self._end()
        is_closing = self._ready_state != CLOSED
        # How it ends is known only when the peer's close frame is there, or the connection gone.
        code = None if is_closing and not closing.frame_received else closing.code
        error = ConnectionClosed(code, closing.reason.decode(errors="replace"), closing=is_closing)
        error.__cause__ = closing.error
        return error

    # What the core calls ----------------------------------------------------------------------

    def _on_ping(self, data: bytes) -> None:
        self.emit("ping", data)

    def _on_pong(self, data: bytes) -> None:
        self.emit("pong", data)

    def _on_close_frame(self, code: int, reason: bytes) -> None:
        closing = self._end()
        closing.frame_received = True
        closing.code = code
        closing.reason = reason
        # RFC 6455 5.5.1: the answer typically echoes the status code that was received.
        self._close(None if code == 1005 else code, reason)

    def _on_fail(self, ws_code: str, close_code: int, message: str) -> None:
        closing = self._end()
        if closing.failed or self._ready_state == CLOSED:  # pragma: no cover: the cores tell it once
            return
        closing.failed = True
        error = WebSocketError(message, code=ws_code, close_code=close_code)
        closing.error = error
        self._close(close_code, b"")
        self._emit_error(error)

    def _on_end(self) -> None:
        if self._ready_state == CLOSED or self._conn is None:  # pragma: no cover: the cores tell it before
            return
        self._ready_state = CLOSING
        # The peer may still read what is queued; but not for ever.
        self._set_close_timer()
        self._conn.end()

    def _on_lost(self, error: BaseException | None) -> None:
        if tls_before_311.OLD:  # pragma: no cover: Python 3.10
            tls_before_311.lost(vars(self).pop("_transport", None))
        if self._ready_state == CLOSED:  # pragma: no cover: the cores tell it once
            return
        self._ready_state = CLOSING
        if error is not None and self._end().error is None:
            self._end().error = error
        self._emit_close()

    def _on_refused(self) -> None:
        if self._options["slow_peer"] == "close" and self._ready_state == OPEN:
            error = self._end().error = SlowPeer()
            self._close(error.close_code, b"the peer reads too slowly")

    def _on_listener_error(self, error: BaseException) -> None:
        self._listener_raised("message", error)

    def _on_listener_result(self, result: object) -> None:
        self._listener_returned("message", result)

    # Listeners --------------------------------------------------------------------------------

    def _emit_error(self, error: BaseException) -> None:
        """`'error'`; unless nobody listens, but somebody learns of it by an exception."""
        if self.listener_count("error") or not self._pulled:
            self.emit("error", error)

    def _listeners_changed(self, event: str, *, added: bool) -> None:
        conn = self._conn
        if conn is None:
            return
        if event == "message":
            conn.message_listener = self._message_listener()
        elif event == "ping":
            conn.wants_ping = self.listener_count(event) > 0
        elif event == "pong":
            conn.wants_pong = self.listener_count(event) > 0
        if added and not self._pulled:
            # As in ws: whoever works with listeners gets what they listen to, the rest is dropped.
            conn.discard = True

    def _message_listener(self) -> Listener | None:
        """What the core calls with a message: the listener itself where there is but one."""
        present = self._events.get("message") if self._events else None
        if present is None:
            return None
        if type(present) is tuple or type(present) is _Once or self._binary_type == "blob":
            return self._dispatch_message
        return present  # type: ignore[return-value]

    def _dispatch_message(self, data: Any, is_binary: bool) -> None:
        if is_binary and self._binary_type == "blob":
            data = Blob(data)
        self.emit("message", data, is_binary)

    def _update_direct(self) -> None:
        self._direct = self._pulled and self._conn is not None and self._binary_type != "blob"
