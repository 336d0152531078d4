"""`Closing`: the end of one connection, from its cause to the error that waiting tasks receive.

Rules kept here:

- RFC 6455 5.5.1: the peer's close frame is answered with its own code.
- RFC 6455 7.1.1: once both close frames are exchanged the server closes TCP first, so that it and not the
  client holds TIME_WAIT. The client "SHOULD wait for a TCP Close from the server", and "MAY initiate the TCP
  Close" if that does not come "after a reasonable amount of time": here after `_FIN_PATIENCE`, or when the
  close timer expires. By then all messages have been exchanged, so nothing is lost.
- The code is 1006 until the peer's close frame arrives. A fault of the peer does not change it: it is no
  close frame.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wsrs.errors import ConnectionClosed

if TYPE_CHECKING:
    from wsrs._backend.contract import Connection

__all__ = ["ORDERLY", "Closing"]

_FIN_PATIENCE = 2.0
"""Seconds for which a client waits for the server's FIN after both close frames: more than a round trip."""

ORDERLY = frozenset({1000, 1001, 1005})
"""The codes of a close frame after which iteration simply ends: normal, going away, and no code."""


class Closing:
    """The end of a connection. It is made when the end begins: an idle connection has none."""

    __slots__ = (
        "_conn",
        "_frame_received",
        "_frame_sent",
        "_is_over",
        "_is_server",
        "_loop",
        "code",
        "error",
        "failed",
        "reason",
        "timer",
        "told",
        "unsent",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, conn: Connection | None, *, is_server: bool) -> None:
        """`conn` is None for a WebSocket whose opening handshake fails."""
        self._loop = loop
        self._conn = conn
        self._is_server = is_server
        self._frame_sent = False
        self._frame_received = False
        self._is_over = False
        self.timer: asyncio.TimerHandle | None = None
        """The close timer, while it runs."""
        self.code = 1006
        """The code of the `'close'` event."""
        self.reason = b""
        self.error: BaseException | None = None
        """The fault that ended the connection, or the error that made the handshake fail."""
        self.failed = False
        """True once the peer has broken the protocol or a limit: nothing more is read from it."""
        self.told = False
        """True once a waiting task has received the error that made the handshake fail."""
        self.unsent = 0
        """Bytes that the program tried to send after the end began: ws counts them in `buffered_amount`."""

    # The closing handshake --------------------------------------------------------------------

    @property
    def was_clean(self) -> bool:
        """True if a close frame was sent and one received."""
        return self._frame_sent and self._frame_received

    def frame_received(self, code: int, reason: bytes) -> int | None:
        """Keep the peer's close frame. Returns the code to answer it with, None to answer without one."""
        self._frame_received = True
        self.code = code
        self.reason = reason
        # "When sending a Close frame in response, the endpoint typically echoes the status code it received."
        return None if code == 1005 else code

    def frame_sent(self, error: BaseException | None) -> None:
        """The callback of `send_close`: our close frame was written out, unless there is an `error`."""
        if error is None:
            self._frame_sent = True
            self.end_if_done()

    def fail(self, error: BaseException) -> None:
        """The peer broke the protocol or a limit."""
        self.failed = True
        self.error = error

    def end_if_done(self) -> None:
        """End the connection if the closing handshake is complete, or cannot be completed."""
        if self._conn is None or not self._frame_sent:
            return
        if self.failed or (self._frame_received and self._is_server):
            self._conn.end()
        elif self._frame_received:
            self._wait_for_fin()

    # The close timer --------------------------------------------------------------------------

    def start_timer(self, seconds: float) -> None:
        """Abort the connection in `seconds` (0: never), unless the timer is running or the end has come."""
        if seconds and self.timer is None and not self._is_over:
            self.timer = self._loop.call_later(seconds, self._timed_out)

    def _wait_for_fin(self) -> None:
        """Abort a client's connection in `_FIN_PATIENCE`, unless that is due earlier."""
        due = self._loop.time() + _FIN_PATIENCE
        if self.timer is None:
            self.timer = self._loop.call_at(due, self._timed_out)
        elif due < self.timer.when():
            self.timer.cancel()
            self.timer = self._loop.call_at(due, self._timed_out)

    def _timed_out(self) -> None:
        self.timer = None
        assert self._conn is not None
        self._conn.abort()

    # Afterwards -------------------------------------------------------------------------------

    def finish(self) -> None:
        """The connection is gone: stop the timer. From now on it is closed, and no longer closing."""
        self._is_over = True
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    @property
    def is_orderly(self) -> bool:
        """True if iteration over the messages simply ends."""
        return self.code in ORDERLY

    def closed_error(self) -> ConnectionClosed:
        """The error that further attempts to send or receive raise."""
        # The code is known only once the peer's close frame has arrived or the connection is gone.
        is_known = self._is_over or self._frame_received
        text = self.reason.decode(errors="replace")
        error = ConnectionClosed(self.code if is_known else None, text, closing=not self._is_over)
        error.__cause__ = self.error
        return error
