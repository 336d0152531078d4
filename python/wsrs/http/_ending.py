"""The end of an answer: it is written whole, however slowly the peer reads, and then the connection ends.

Rules kept here: a connection is cut only if its peer takes nothing for `response_timeout`; a peer that has
the whole answer gets a moment to end the connection itself, because a reset caused by unread input would
destroy the answer.
"""

from __future__ import annotations

import asyncio
import select
import struct
from contextlib import suppress
from typing import Any

from wsrs._aio import tls_before_311

__all__ = ["Ending"]

_LINGER = 2.0
"""Seconds for which a peer's further bytes are drained once the answer is written."""
_SMALL = 16 * 1024
"""The size in bytes up to which an answer is surely written within asyncio's timeout for the end of TLS."""
_FIRST_LOOK, _LAST_LOOK = 0.01, 0.5
"""The first and the longest pause, in seconds, between two checks of what is unsent. The pause doubles each
time, so that a long answer costs little."""


class Ending:
    """Writes the answer that ends a connection. There is one for each connection that is answered."""

    __slots__ = (
        "_is_tls",
        "_loop",
        "_pause",
        "_since",
        "_socket",
        "_timeout",
        "_timer",
        "_transport",
        "_unsent",
    )

    def __init__(self, transport: asyncio.Transport, data: bytes, timeout: float) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._socket: Any = None
        self._pause = _FIRST_LOOK
        self._since = self._loop.time()
        self._unsent: tuple[int, int] | None = None
        self._timer: asyncio.TimerHandle
        transport.write(data)
        # TLS cannot end one half of a connection and leave the other open.
        self._is_tls = not transport.can_write_eof()
        if not self._is_tls:
            # Closing with unread input would reset the connection, and the answer with it.
            transport.write_eof()
            if not transport.is_reading():
                transport.resume_reading()
        if len(data) <= _SMALL if self._is_tls else self._is_written():
            self._written()
        else:
            self._timer = self._loop.call_later(self._next_pause(), self._look, False)

    def lost(self) -> None:
        """The connection is gone."""
        self._timer.cancel()
        self._socket = None

    def _look(self, was_written: bool) -> None:
        """Check how much of the answer is written."""
        written = self._is_written()
        if written and (was_written or not self._is_tls):
            self._written()
            return
        now = self._loop.time()
        unsent = (self._transport.get_write_buffer_size(), self._unacknowledged())
        if unsent != self._unsent or written:
            self._unsent = unsent
            self._since = now
        elif self._timeout and now - self._since >= self._timeout:
            self._transport.abort()
            return
        # Once is not enough: the socket may have been emptied after the loop's last attempt to write.
        pause = _FIRST_LOOK if written else self._next_pause()
        self._timer = self._loop.call_later(pause, self._look, written)

    def _next_pause(self) -> float:
        pause, self._pause = self._pause, min(2 * self._pause, _LAST_LOOK)
        return min(pause, self._timeout / 4) if self._timeout else pause

    def _written(self) -> None:
        if self._is_tls and not self._transport.is_closing():
            # Not earlier: asyncio allows 30 s for the whole end of TLS, including what is still unsent.
            tls_before_311.end(self._transport)
        self._timer = self._loop.call_later(_LINGER, self._linger)

    def _linger(self) -> None:
        if self._is_written():
            self._transport.abort()
        else:
            self._look(False)

    def _is_written(self) -> bool:
        """Whether the kernel has all of the answer."""
        if self._transport.get_write_buffer_size():
            return False
        # Beneath TLS is a second buffer, which the transport does not show. It is empty if the socket is.
        # Room in the socket alone proves nothing: the peer may have made it before the loop could use it.
        return not self._is_tls or (not self._unacknowledged() and _has_room(self._descriptor()))

    def _unacknowledged(self) -> int:
        """Bytes in the kernel that the peer has not acknowledged; 0 on a system that does not report them."""
        descriptor = self._descriptor()
        with suppress(ImportError, OSError, ValueError):
            from fcntl import ioctl
            from termios import TIOCOUTQ

            return int(struct.unpack("i", ioctl(descriptor, TIOCOUTQ, bytes(4)))[0])
        return 0  # pragma: no cover: other systems than Linux

    def _descriptor(self) -> int:
        if self._socket is None:
            self._socket = self._transport.get_extra_info("socket")
        return -1 if self._socket is None else int(self._socket.fileno())


def _has_room(descriptor: int) -> bool:
    """Whether a socket takes more bytes now."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        return bool(poll.poll(0))
    return bool(select.select([], [descriptor], [], 0)[1])  # pragma: no cover: Windows
