"""The life of a WebSocket, from its opening to its `'close'` event: what ws does in `websocket.js`.

Rules kept here:

- The state only goes CONNECTING, OPEN, CLOSING, CLOSED; `'close'` is emitted exactly once, last.
- A close frame is answered with its own code. After both are exchanged the server closes TCP first; the
  client waits for that (RFC 6455 7.1.1), but not for long.
- A fault of the peer is answered by a close frame with the fault's code; then come `'error'` and the end of
  the connection. The code of `'close'` is then 1006, because no close frame was received.
- A task that waits for messages learns of the end by an exception. The loop's exception handler does not get
  the same error again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

from wsrs._active_core import new_connection
from wsrs._aio import tls_before_311
from wsrs._aio.waiters import Waiters, once_tasks_wait
from wsrs._backend.context import run_in
from wsrs._websocket import heartbeat
from wsrs._websocket.closing import Closing
from wsrs._websocket.opening import connection_options
from wsrs._websocket.state import CLOSED, CLOSING, CONNECTING, OPEN
from wsrs.blob import Blob
from wsrs.errors import ConnectionClosed, HandshakeError, SlowPeer, WebSocketError
from wsrs.event_target import EventTarget
from wsrs.events import Listener

if TYPE_CHECKING:
    from wsrs._backend.contract import Connection, PerMessageDeflate
    from wsrs._client.handshake import Handshake
    from wsrs._typing.options import BinaryType
    from wsrs._websocket.opening import Opening, ServerSide

__all__ = ["Lifecycle"]

_PATIENCE = 5.0
"""Seconds that a program which only listens to other events has to ask for messages once the inbox is full.

Such a program may be about to iterate. Or it may never take a message: then the peer's pings and its close
frame would wait behind the messages for ever. Many peers wait 20 s for a pong, so this is well below that.
"""


class Lifecycle(EventTarget):
    """State, closing handshake, and the methods for the core (`wsrs._backend.contract.ConnectionOwner`)."""

    __slots__ = (
        "_binary_type",
        "_closed_waiters",
        "_closing",
        "_conn",
        "_context",
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
    _context: Context
    """The context of all listeners and callbacks."""
    _deflate: PerMessageDeflate | None
    _handshake: Handshake | None
    _heartbeat: heartbeat.Member | None
    _loop: asyncio.AbstractEventLoop
    _open_waiters: Waiters | None
    _closed_waiters: Waiters | None
    _options: dict[str, Any]
    _server: ServerSide | None
    """The server's side of a server's WebSocket, once it is OPEN."""
    _pulled: bool
    """Whether messages are taken by `recv` or iteration."""
    _direct: bool
    """Whether `recv` may call the core's directly: messages are pulled, and none has to be converted."""
    # The next four are rarely set, so they are not slots: they go into the instance's `__dict__`.
    _kept: tuple[object, ...] = ()
    """Objects that must not be collected before this WebSocket."""
    _old_tls: asyncio.Transport | None = None
    _has_stalled = False
    """True once the inbox was full before the program had asked for messages."""
    _patience: asyncio.TimerHandle | None = None
    """Runs while a full inbox waits for the program to ask for messages."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, options: dict[str, Any], context: Context | None = None
    ) -> None:
        """`context` is this connection's own; by default it is made as a copy of the current one."""
        super().__init__()
        self._context = copy_context() if context is None else context
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

    def _open(self, opening: Opening, announce: Callable[[], object] | None = None) -> None:
        """Become OPEN over a connection whose handshake is done. Called in this connection's context.

        `'open'` comes first; then `announce` is called. Messages follow in the next tick: by then, listeners
        that are coroutine functions have begun.
        """
        transport, server = opening.transport, opening.server
        if self._ready_state != CONNECTING:
            # The constructor of a subclass has closed it.
            transport.abort()
            return
        if opening.answer:
            transport.write(opening.answer)
        self._protocol = opening.protocol
        self._deflate = opening.deflate
        self._server = server
        self._handshake = None
        keywords = (
            connection_options(self._options, self._loop, is_server=False)
            if server is None
            else server.connection_options
        )
        conn = new_connection(owner=self, context=self._context, deflate=opening.deflate, **keywords)
        self._conn = conn
        if self._binary_type not in ("nodebuffer", "blob"):
            conn.binary_type = self._binary_type
        if self._events:
            for event in self.event_names():
                self._listeners_changed(event, added=True)
        conn.attach(transport)
        if tls_before_311.is_old_tls(transport):  # pragma: no cover: Python 3.10
            self._old_tls = transport
        self._ready_state = OPEN
        self._update_direct()
        if self._options["heartbeat"]:
            self._heartbeat = heartbeat.watch(self, *self._options["heartbeat"])
        self.emit("open")
        if self._open_waiters is not None:
            self._open_waiters.done()
            self._open_waiters = None
        if server is not None:
            server.came(self)
        try:
            if announce is not None:
                announce()
        finally:
            # Even if the announcement raises: a connection that never starts never ends.
            self._loop.call_soon(conn.start, opening.head)

    def _keep(self, thing: object) -> None:
        self._kept += (thing,)

    def _abort_handshake(self) -> None:
        """`close` or `terminate` while CONNECTING: ws's `abortHandshake`."""
        self._ready_state = CLOSING
        if self._handshake is not None:
            self._handshake.cancel()
        self._give_up(HandshakeError("WebSocket was closed before the connection was established"))

    def _give_up(self, error: BaseException) -> None:
        """The handshake is given up; its failure is reported in the next tick."""
        self._begin_end()
        self._ready_state = CLOSING
        self._loop.call_soon(self._handshake_failed, error)

    def _handshake_failed(self, error: BaseException) -> None:
        """Emit `'error'`, then `'close'`."""
        run_in(self._context, self._end_handshake, error)

    def _end_handshake(self, error: BaseException) -> None:
        closing = self._begin_end()
        self._ready_state = CLOSING
        self._handshake = None
        closing.error = error
        if self._open_waiters is not None:
            closing.told |= self._open_waiters.fail(error)
            self._open_waiters = None
        if self.listener_count("error"):
            self.emit("error", error)
        else:
            once_tasks_wait(self._loop, self._unless_told, error)
        self._emit_close()

    def _unless_told(self, error: BaseException) -> None:
        assert self._closing is not None
        if not (self._closing.told or self._pulled):
            self._unheard_error(error)

    def _hook_raised(self, hook: str, error: BaseException) -> None:
        self._listener_raised(hook, error)

    # Closing ----------------------------------------------------------------------------------

    def _begin_end(self) -> Closing:
        """Return the `Closing` of this WebSocket, which is made when the end begins."""
        if self._closing is None:
            self._closing = Closing(self._loop, self._conn, is_server=self._server is not None)
        return self._closing

    def _was_clean(self) -> bool:
        return self._closing is not None and self._closing.was_clean

    def _close(self, code: int | None, reason: bytes) -> None:
        """ws's `close()`. Raises ValueError for a code or reason that cannot be sent."""
        if self._ready_state == CONNECTING:
            self._abort_handshake()
        elif self._ready_state == CLOSING:
            self._begin_end().end_if_done()
        else:
            assert self._conn is not None
            closing = self._begin_end()
            self._conn.send_close(code, reason, None, closing.frame_sent)
            if self._ready_state == OPEN:
                self._ready_state = CLOSING
            closing.start_timer(self._options["close_timeout"])

    def _abort(self) -> None:
        """End the connection at once."""
        self._begin_end()
        self._ready_state = CLOSING
        assert self._conn is not None
        self._conn.abort()

    def _heartbeat_not_sent(self, error: BaseException) -> None:
        self._report("a frame of the heartbeat was not sent", error)

    def _emit_close(self) -> None:
        """Emit `'close'`, the last event. Then wake the tasks that wait for a message or for the end."""
        closing = self._begin_end()
        closing.finish()
        self._stop_patience()
        self._ready_state = CLOSED
        if self._heartbeat is not None:
            heartbeat.unwatch(self, self._heartbeat)
            self._heartbeat = None
        if self._server is not None:
            self._server.gone(self)
        self.emit("close", closing.code, closing.reason)
        if self._conn is not None:
            self._conn.finish(closing.closed_error(), orderly=closing.is_orderly)
        if self._closed_waiters is not None:
            self._closed_waiters.done()
            self._closed_waiters = None

    def _closed_error(self) -> ConnectionClosed:
        # If no end has begun, it is a stream over this WebSocket that is closed.
        closing = self._closing
        return ConnectionClosed(None, closing=True) if closing is None else closing.closed_error()

    # What the core calls ----------------------------------------------------------------------

    def _on_ping(self, data: bytes) -> None:
        self.emit("ping", data)

    def _on_pong(self, data: bytes) -> None:
        self.emit("pong", data)

    def _on_close_frame(self, code: int, reason: bytes) -> None:
        self._close(self._begin_end().frame_received(code, reason), reason)
        if self._server is not None:
            self._server.closing(self)

    def _on_fail(self, ws_code: str, close_code: int, message: str) -> None:
        closing = self._begin_end()
        if closing.failed or self._ready_state == CLOSED:  # pragma: no cover: the cores report it once
            return
        error = WebSocketError(message, code=ws_code, close_code=close_code)
        closing.fail(error)
        self._close(close_code, b"")
        self._emit_error(error)

    def _on_stalled(self) -> None:
        self._has_stalled = True
        if self._events:
            self._be_patient()

    def _on_end(self) -> None:
        if self._ready_state == CLOSED or self._conn is None:  # pragma: no cover: it comes before the loss
            return
        self._ready_state = CLOSING
        # The peer may still read what is queued, but not for ever.
        self._begin_end().start_timer(self._options["close_timeout"])
        self._conn.end()

    def _on_lost(self, error: BaseException | None) -> None:
        if tls_before_311.OLD:  # pragma: no cover: Python 3.10
            transport, self._old_tls = self._old_tls, None
            tls_before_311.lost(transport)
        if self._ready_state == CLOSED:  # pragma: no cover: the cores report it once
            return
        self._ready_state = CLOSING
        closing = self._begin_end()
        if error is not None and closing.error is None:
            closing.error = error
        self._emit_close()

    def _on_refused(self) -> None:
        if self._options["slow_peer"] == "close" and self._ready_state == OPEN:
            error = self._begin_end().error = SlowPeer()
            self._close(error.close_code, b"the peer reads too slowly")

    def _on_listener_error(self, error: BaseException) -> None:
        self._listener_raised("message", error)

    def _on_listener_result(self, result: object) -> None:
        self._listener_returned("message", result)

    # Listeners --------------------------------------------------------------------------------

    def _task_context(self, event: str, args: tuple[Any, ...]) -> Context | None:
        # The other end of what `'connection'` is for a server: what its listener sets is seen by the others.
        return self._context if event == "open" else None

    def _task_done(self, event: str, task: asyncio.Task[Any]) -> None:
        run_in(self._context, super()._task_done, event, task)

    def _emit_error(self, error: BaseException) -> None:
        """Emit `'error'`, unless it has no listener and a task that pulls messages gets an exception."""
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
            if event == "message":
                # The program takes messages by events. As in ws, those without a listener are dropped.
                conn.discard = True
            elif self._has_stalled:
                self._be_patient()

    def _be_patient(self) -> None:
        if self._patience is None:
            self._patience = self._loop.call_later(_PATIENCE, self._drop_unasked)

    def _stop_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _drop_unasked(self) -> None:
        """Drop messages beyond the inbox's bound if the program has listeners and has not asked for messages.

        Otherwise the events after the messages, `'close'` included, would never be emitted. A program without
        any listener misses none, so its messages wait. So do those of a connection that has ended.
        """
        self._stop_patience()
        if self._events and not self._pulled and self._conn is not None and self._ready_state != CLOSED:
            self._conn.discard = True

    def _message_listener(self) -> Listener | None:
        """The function that the core calls with a message: the listener itself if there is only one."""
        if not self.listener_count("message"):
            return None
        lone = None if self._binary_type == "blob" else self._lone_listener("message")
        return self._dispatch_message if lone is None else lone

    def _dispatch_message(self, data: Any, is_binary: bool) -> None:
        if is_binary and self._binary_type == "blob":
            data = Blob(data)
        self.emit("message", data, is_binary)

    def _update_direct(self) -> None:
        self._direct = self._pulled and self._conn is not None and self._binary_type != "blob"
