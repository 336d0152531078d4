"""The writing end of a stream over a WebSocket: `asyncio.StreamWriter`'s methods.

Rules kept here:

- A write is a message: sent at once while the WebSocket is OPEN, kept while it is CONNECTING.
- Data that the network has not yet taken counts. When it exceeds the high-water mark, `drain` waits until a
  quarter of the mark is left, as with asyncio's transports.
- As with asyncio, a write to a connection that has ended is dropped in silence, and `drain` raises.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from wsrs._aio.waiters import Waiters
from wsrs._backend.sendable import byte_length
from wsrs._backend.threads import check_thread
from wsrs._websocket.state import CONNECTING, OPEN

if TYPE_CHECKING:
    from wsrs.websocket import WebSocket

__all__ = ["WritingEnd"]


class WritingEnd:
    """See `wsrs.stream.WebSocketStream`."""

    _ws: WebSocket
    _loop: asyncio.AbstractEventLoop

    def __init__(self, options: dict[str, Any]) -> None:
        self._objects_out: bool = options["writable_object_mode"]
        self._decode_strings: bool = options["decode_strings"]
        self._default_encoding: str = options["default_encoding"]
        self._write_mark: int = options["writable_high_water_mark"]
        self._low_mark = self._write_mark // 4
        self._connecting: list[tuple[Any, int]] = []
        """Writes, and their sizes, that wait for the opening."""
        self._sizes: deque[int] = deque()
        """The sizes of the messages that the network has not yet taken, in their order."""
        self._queued = 0
        """The sum of both: bytes, or messages in object mode."""
        self._room = Waiters(self._loop)
        self._ended = False
        """True once `write_eof` was called."""
        self._dropped = False
        """True once something was written that could not be sent."""
        self._broken: BaseException | None = None
        """The error that ended the connection, once it is over."""

    def _set_marks(self, high: int, low: int) -> None:
        self._write_mark = high
        self._low_mark = low
        if self._queued <= low:
            self._room.done()

    # asyncio's methods ------------------------------------------------------------------------

    def write(self, data: Any) -> None:
        """Send `data` as one message, or nothing if it is empty. Follow it by `await drain()`.

        `data` is bytes-like, or a str, which is encoded, or with `decode_strings=False` sent as text. In
        object mode it is whatever `WebSocket.send` takes, empty messages included. Raises TypeError for other
        data, RuntimeError after `write_eof`.
        """
        self._may_write("write")
        if self._objects_out:
            self._put(data, 1)
            return
        data, size = self._in_bytes(data)
        if size:
            self._put(data, size)

    def writelines(self, data: Iterable[Any]) -> None:
        """Send an iterable of bytes-like objects, joined, as one message; in object mode one message each."""
        self._may_write("writelines")
        if self._objects_out or not self._decode_strings:
            for each in data:
                self.write(each)
            return
        self.write(b"".join([self._in_bytes(each)[0] for each in data]))

    def _may_write(self, method: str) -> None:
        check_thread(self._loop)
        if self._ended:
            raise RuntimeError(f"{method}() called after write_eof()")

    def _in_bytes(self, data: Any) -> tuple[Any, int]:
        """Return the data to send for a write to a stream of bytes, and its length in bytes."""
        if isinstance(data, str):
            if not self._decode_strings:
                return data, byte_length(data)
            data = data.encode(self._default_encoding)
        elif not isinstance(data, (bytes, bytearray, memoryview)):
            try:
                data = memoryview(data)
            except TypeError:
                kind = type(data).__name__
                raise TypeError(
                    f"data of a stream of bytes must be bytes-like or a str, not {kind}"
                ) from None
        return data, data.nbytes if isinstance(data, memoryview) else len(data)

    def _put(self, data: Any, size: int) -> None:
        state = self._ws.ready_state
        if self.is_closing() or state > OPEN:
            self._dropped = True
        elif state == CONNECTING:
            byte_length(data)  # raises for what cannot be sent
            # A copy: the caller may change what is mutable as soon as this returns.
            kept = data if isinstance(data, (str, int, float, bytes)) else bytes(data)
            self._connecting.append((kept, size))
            self._queued += size
        else:
            self._queued += size
            self._send(data, size)

    def _send(self, data: Any, size: int) -> None:
        self._sizes.append(size)
        try:
            self._ws.send(data, callback=self._sent)
        except BaseException:
            self._sizes.pop()
            self._queued -= size
            raise

    def _sent(self, error: BaseException | None) -> None:
        """Count a message that the network has taken, or that was lost."""
        self._queued -= self._sizes.popleft()
        if error is not None:
            self._dropped = True
        if self._queued <= self._low_mark:
            self._room.done()

    async def drain(self) -> None:
        """Wait while more than the high-water mark is queued. Raises the error that ended the connection."""
        if self._broken is None:
            # The loop must run once to notice an end that is already there, as with asyncio.
            if self._ws.ready_state > OPEN or self._dropped:
                await asyncio.sleep(0)
            if self._queued > self._write_mark:
                await self._room.wait()
        error = self._broken
        if error is None and self._dropped:
            error = self._closed_error()
        if error is not None:
            raise error.with_traceback(None)

    def can_write_eof(self) -> bool:
        """True: see `write_eof`."""
        return True

    def write_eof(self) -> None:
        """End the writing: after the written data, send a close frame without a code, as in ws.

        Reading goes on until the peer has answered the close frame. A peer answers as soon as it gets it, so
        it sends no more than it had sent before. All of this, the reading at both ends included, has to be
        done within the WebSocket's `close_timeout` (30 seconds; 0 is no limit).
        """
        check_thread(self._loop)
        if not self._ended:
            self._ended = True
            self._close_if_open()

    def _close_if_open(self) -> None:
        """Begin the closing handshake, or leave that to the opening."""
        if self._ws.ready_state == OPEN:
            self._ws.close()

    # What the WebSocket brings ----------------------------------------------------------------

    def _begin_writing(self) -> None:
        """The WebSocket is open."""
        waiting, self._connecting = self._connecting, []
        for data, size in waiting:
            self._send(data, size)

    def _end_writing(self, error: BaseException | None) -> None:
        """End the writing, with `error` if there is one: nothing more can be sent. Called once."""
        if self._connecting or self._sizes:
            self._dropped = True
        self._broken = error
        self._connecting.clear()
        self._room.done()

    # Of the whole -----------------------------------------------------------------------------

    def is_closing(self) -> bool:
        """Whether the stream is closed, or about to be."""
        raise NotImplementedError

    def _closed_error(self) -> BaseException:
        """The error of a write that comes too late."""
        raise NotImplementedError
