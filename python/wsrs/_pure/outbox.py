"""Frames on their way to an asyncio transport.

Frames that are queued within one tick of the loop are written by one `write` at its end; a queue of more than
64 KiB is written at once. The transport is given nothing while it still holds bytes, so that the `callback`
of a frame can be called when the frame is written out.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

from wsrs._aio.tls_before_311 import is_old_tls
from wsrs._backend.contract import SendCallback
from wsrs._pure.end import OPEN, WHOLE
from wsrs.errors import ConnectionClosed

__all__ = ["Outbox"]

_CHUNK = 64 * 1024
"""Bytes up to which small frames are joined into one write; a longer queue is written at once."""


class _Ticks:
    """The outboxes of a loop that have something to do in its next tick: one callback serves them all."""

    __slots__ = ("__weakref__", "_due", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._due: list[Outbox] = []

    def add(self, outbox: Outbox) -> None:
        """Have `outbox.tick` called in the next tick."""
        if not self._due:
            self.loop.call_soon(self._run)
        self._due.append(outbox)

    def _run(self) -> None:
        due, self._due = self._due, []
        rest = iter(due)
        try:
            for outbox in rest:
                outbox.tick()
        finally:
            # If one raised SystemExit, whether or not that ends the loop, the others still get their turn.
            for outbox in rest:
                self.add(outbox)


_thread = threading.local()


def _ticks_of(loop: asyncio.AbstractEventLoop) -> _Ticks:
    """The `_Ticks` of the loop. It lives as long as an outbox of it; a thread runs one loop at a time."""
    found: weakref.ref[_Ticks] | None = getattr(_thread, "ticks", None)
    ticks = None if found is None else found()
    if ticks is None or ticks.loop is not loop:
        ticks = _Ticks(loop)
        _thread.ticks = weakref.ref(ticks)
    return ticks


class Outbox:
    """The outgoing queue of a connection."""

    __slots__ = (
        "_asked",
        "_blocked",
        "_done",
        "_drains",
        "_granted",
        "_loop",
        "_low_water_mark",
        "_marks",
        "_passed",
        "_queue",
        "_queued",
        "_scheduled",
        "_ticks",
        "_transport",
        "_waited",
        "_written",
        "bytes_behind",
        "corked",
        "high_water_mark",
        "is_behind",
        "pongs",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, high_water_mark: int) -> None:
        self._loop = loop
        self._ticks = _ticks_of(loop)
        self.high_water_mark = high_water_mark
        self._low_water_mark = high_water_mark // 4
        self._transport: asyncio.Transport | None = None
        self._queue: deque[bytes] = deque()
        self._queued = 0
        """Bytes ever queued; `_passed` of them were given to the transport."""
        self._passed = 0
        self._written = 0
        """Bytes that the transport had written when a `send` of the program last wrote to it."""
        self._marks: deque[tuple[int, SendCallback | None]] = deque()
        """Where frames end, counted as `_queued` is, with their callbacks; None is an automatic pong."""
        self._drains: list[asyncio.Future[None]] = []
        self._waited = 0
        """The number of sends that ever had to wait for room."""
        self._granted = 0
        """That number when the queue last had room: a later loss must not fail those sends."""
        self._blocked = False
        self._scheduled = False
        self._asked = OPEN
        """The end that was asked for: nothing more is queued, and it is carried out once all is written."""
        self._done = OPEN
        """The part of it that is already carried out."""
        self.corked = False
        """True while messages are delivered: what is queued meanwhile is written when that is done."""
        self.bytes_behind = 0
        """Bytes of payload that wait for a thread, before compression."""
        self.is_behind = False
        """True while frames wait for a thread. They are put here before the transport is ended."""
        self.pongs = 0
        """Automatic pongs that are not written out yet, including those that wait for a thread."""

    def connect(self, transport: asyncio.Transport) -> None:
        """Write to `transport` from now on."""
        self._transport = transport
        self._blocked = transport.get_write_buffer_size() > 0
        # Anything that the transport still holds must block us. TLS transports pause at the limit, others
        # above it: at 0, a TLS transport would pause with nothing left to write, and never resume.
        is_tls = transport.get_extra_info("sslcontext") is not None
        transport.set_write_buffer_limits(1 if is_tls else 0)

    @property
    def is_open(self) -> bool:
        """Whether frames may still be queued."""
        return self._transport is not None and not self._asked

    @property
    def size(self) -> int:
        """Bytes queued here and in the transport, and those that wait to be compressed."""
        transport = self._transport
        if transport is None:
            return 0
        return self._queued - self._passed + self.bytes_behind + transport.get_write_buffer_size()

    def is_full(self) -> bool:
        """Whether more than the mark is queued, even after all that can be written now is written."""
        if self.size <= self.high_water_mark:
            return False
        self.flush()
        return self.size > self.high_water_mark

    # Queueing ---------------------------------------------------------------------------------

    def put(self, data: bytes) -> None:
        """Queue bytes."""
        self._queue.append(data)
        self._queued += len(data)
        if not self._scheduled and not self.corked:
            self._scheduled = True
            self._ticks.add(self)

    def mark(self, callback: SendCallback | None) -> None:
        """Call `callback` once everything put so far is written out; None counts as an automatic pong."""
        self._marks.append((self._queued, callback))
        self.pongs += callback is None

    def settle(self) -> None:
        """Called once a frame is put and marked: a queue longer than a chunk does not wait for the tick."""
        if self._queued - self._passed > _CHUNK and not self._blocked:
            self.flush()
            self._tell_written_later()

    def tick(self) -> None:
        """Write what is queued, then call callbacks and wake senders."""
        self._scheduled = False
        self.flush()
        self._tell_written()

    def tick_after_thread(self) -> None:
        """Do as `tick`, after a thread has compressed a message. Its output may be so short that senders have
        room, even though the transport still holds all of it, and even if we have closed the transport."""
        transport = self._transport
        alive = transport is not None and not transport.is_closing()
        self.tick()
        if alive and self._transport is not None and self.size <= self._low_water_mark:
            self._granted = self._waited
            self._wake()

    def flush(self) -> None:
        """Write what is queued, as far as the transport takes it."""
        transport, queue = self._transport, self._queue
        # A transport that has failed drops all that it is given. What stays queued here makes senders wait at
        # the high-water mark until the loop reports the loss. Otherwise they might never let the loop run.
        if transport is None or self._done or (queue and transport.is_closing()):
            return
        while queue and not self._blocked:
            data = self._next_chunk()
            self._passed += len(data)
            transport.write(data)
        if self._asked and not queue and not self.is_behind and not transport.is_closing():
            self._done = self._asked
            self._end(transport)

    def _next_chunk(self) -> bytes:
        queue = self._queue
        first = queue.popleft()
        if not queue or len(first) >= _CHUNK:
            return first
        chunk, size = [first], len(first)
        while queue and size + len(queue[0]) <= _CHUNK:
            chunk.append(queue.popleft())
            size += len(chunk[-1])
        return b"".join(chunk)

    # What the transport reports ---------------------------------------------------------------

    def block(self) -> None:
        """The transport holds bytes that it could not write."""
        self._blocked = True

    def unblock(self) -> None:
        """The transport has written everything, or has given up."""
        self._blocked = False
        if not self._has_given_up():
            self.tick()

    def _has_given_up(self) -> bool:
        """Whether the transport ended by itself: what it no longer holds was then dropped, not written."""
        transport = self._transport
        return transport is None or (transport.is_closing() and (self._blocked or not self._done))

    def _tell_written_later(self) -> None:
        """Have the next tick call the callbacks. If `send` called them, one that sends again would recurse
        without end."""
        transport = self._transport
        if transport is None or self._has_given_up():
            return
        try:
            self._written = self._passed - transport.get_write_buffer_size()
        except AttributeError:  # pragma: no cover: TLS of Python 3.10 that has lost its transport
            return
        if self._queued - self._written + self.bytes_behind <= self._low_water_mark:
            self._granted = self._waited
        if (self._marks or self._drains) and not self._scheduled:
            self._scheduled = True
            self._ticks.add(self)

    def _tell_written(self) -> None:
        """Call the callbacks of frames that are written out, and wake senders if there is room."""
        marks, transport = self._marks, self._transport
        if transport is None or self._has_given_up():
            return
        # Noted before the callbacks run: they may send more, or abort.
        waited, written = self._waited, self._passed - transport.get_write_buffer_size()
        left = self._queued - written + self.bytes_behind
        while marks and marks[0][0] <= written:
            self._tell(marks.popleft()[1], None)
        if left <= self._low_water_mark:
            self._granted = max(self._granted, waited)
            self._wake()

    def _tell(self, callback: SendCallback | None, error: BaseException | None) -> None:
        if callback is None:
            self.pongs -= 1
            return
        try:
            callback(error)
        except Exception as raised:
            message = "a send callback raised an exception"
            self._loop.call_exception_handler({"message": message, "exception": raised})

    # Waiting for room -------------------------------------------------------------------------

    @property
    def passed(self) -> int:
        """Bytes given to the transport."""
        return self._passed

    def take_ticket(self) -> int:
        """Return the number of a send among all that ever had to wait for room."""
        self._waited += 1
        return self._waited

    def wait(self, ticket: int) -> Generator[Any, None, None]:
        """Wait until no more than a quarter of the high-water mark is queued.

        Raises ConnectionClosed if the transport is lost before there was room for the send of this `ticket`.
        """
        while self._transport is not None and self.size > self._low_water_mark:
            drain = self._loop.create_future()
            self._drains.append(drain)
            yield from drain
        if self._transport is None and ticket > self._granted:
            raise ConnectionClosed(1006)

    def _wake(self) -> None:
        drains, self._drains = self._drains, []
        for drain in drains:
            if not drain.done():
                drain.set_result(None)

    # The end ----------------------------------------------------------------------------------

    def end(self, how: int) -> None:
        """Write what is queued, then end the transport: HALF or WHOLE."""
        if self._transport is None:
            return
        if self._done and how == WHOLE:
            self._close(self._transport)
        self._asked = max(self._asked, how)
        self.flush()
        self._tell_written()

    def _end(self, transport: asyncio.Transport) -> None:
        if self._asked == WHOLE or not transport.can_write_eof():
            self._close(transport)
        else:
            try:
                transport.write_eof()
            except OSError:  # the peer has reset the connection, and the loop has not noticed yet
                transport.abort()

    def _close(self, transport: asyncio.Transport) -> None:
        if not transport.is_closing():
            if is_old_tls(transport) and not transport.is_reading():  # pragma: no cover: Python 3.10
                # Otherwise its TLS would never see the peer's answer to the end, and so never end.
                transport.resume_reading()
            transport.close()

    def abandon(self) -> None:
        """Write what the transport takes at once, and forget the rest.

        As in ws, what was sent before in this tick is on its way: Node writes within `send`.
        """
        self.flush()
        self._tell_written_later()
        self.drop()

    def drop(self) -> None:
        """Forget what is queued, which will never be written."""
        self._queue.clear()
        self._transport = None
        self._wake()

    def lose(self, unsent: list[SendCallback]) -> Callable[[], None]:
        """The transport is gone. Returns a function that calls the callbacks, `unsent` last."""
        marks, self._marks = self._marks, deque()
        marks.extend((self._queued + 1, callback) for callback in unsent)
        self.drop()

        def tell() -> None:
            for end, callback in marks:
                self._tell(callback, None if end <= self._written else ConnectionClosed(1006))

        return tell
