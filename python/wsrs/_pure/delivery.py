"""From the receiver's events to the listener, the owner, and the tasks that wait for messages.

Rules kept here:

- The owner and the listener are called with nothing half-done, so that they may call anything.
- Delivery is a loop that is never entered twice: what a listener causes is left to the outer loop.
- `_on_lost` is told once, when all that came before it is delivered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Any

from wsrs._backend.contract import ConnectionOwner, MessageListener
from wsrs._pure.awaitable import Received
from wsrs._pure.counters import Pings
from wsrs._pure.frame import BINARY, CLOSE, PONG, TEXT
from wsrs._pure.hold import CONCLUDED, INFLATING, NEXT_TICK, NOT_STARTED, PAUSED, STALLED
from wsrs._pure.inbox import Inbox
from wsrs._pure.outbox import Outbox
from wsrs._pure.ping_scan import Ahead
from wsrs._pure.receiver import Receiver
from wsrs._pure.thread_pool import Job, submit
from wsrs.errors import WebSocketError

__all__ = ["Delivery"]

_BINARY_TYPES = ("nodebuffer", "arraybuffer", "fragments")

_BACKLOG = 64 * 1024
"""Bytes that may wait undelivered before the reading stops."""


class Delivery:
    """The receiving half of `wsrs._pure.Connection`."""

    __slots__ = (
        "_active",
        "_ahead",
        "_allow_synchronous_events",
        "_binary_type",
        "_bytes_received",
        "_concurrency_limit",
        "_delivering",
        "_discard",
        "_drained",
        "_eof",
        "_hold",
        "_inbox",
        "_inflating",
        "_is_paused",
        "_listener",
        "_loop",
        "_lost",
        "_lost_error",
        "_messages_received",
        "_outbox",
        "_owner",
        "_pings",
        "_read_ahead",
        "_reading_off",
        "_receiver",
        "_transport",
        "_wire_received",
        "wants_ping",
        "wants_pong",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        owner: ConnectionOwner,
        receiver: Receiver,
        inbox: Inbox,
        outbox: Outbox,
        *,
        allow_synchronous_events: bool,
        read_ahead: int,
        concurrency_limit: int,
    ) -> None:
        self._loop = loop
        self._owner = owner
        self._receiver = receiver
        self._inbox = inbox
        self._outbox = outbox
        self._allow_synchronous_events = allow_synchronous_events
        self._transport: asyncio.Transport | None = None
        self._listener: MessageListener | None = None
        self._binary_type = "nodebuffer"
        self._discard = False
        self.wants_ping = self.wants_pong = False
        self._hold = NOT_STARTED
        self._concurrency_limit = concurrency_limit
        self._inflating: Job | None = None
        self._is_paused = False
        self._delivering = False
        self._drained = True
        """All that came is delivered, but for an unfinished frame."""
        self._eof: bool | None = None
        """False: the peer's FIN has come. True: the owner knows."""
        self._lost: bool | None = None
        """The same for the loss of the transport."""
        self._lost_error: BaseException | None = None
        self._reading_off = False
        self._active = False
        """Bytes came since somebody asked."""
        self._read_ahead = read_ahead
        """Bytes read while nothing is delivered, so that pings in them are answered."""
        self._ahead: Ahead | None = None
        self._messages_received = self._bytes_received = self._wire_received = 0
        self._pings: Pings | None = None

    # What the API sets and calls ----------------------------------------------------------------

    @property
    def message_listener(self) -> MessageListener | None:
        """Called with (data, is_binary); messages that wait, for none has claimed them, come first.

        One that comes where none was, while no task waits, ends the claim of an earlier `recv`.
        """
        return self._listener

    @message_listener.setter
    def message_listener(self, listener: MessageListener | None) -> None:
        if listener is not None and self._listener is None and not self._inbox.is_awaited:
            self._inbox.claimed = False
        self._listener = listener
        if listener is not None and self._inbox and not self._inbox.claimed:
            self._release(STALLED)

    @property
    def discard(self) -> bool:
        """See `wsrs._backend.contract.Connection.discard`."""
        return self._discard

    @discard.setter
    def discard(self, value: bool) -> None:
        self._discard = value
        if value and self._hold & STALLED:
            self._release(STALLED)

    @property
    def binary_type(self) -> str:
        """See `wsrs._backend.contract.Connection.binary_type`."""
        return self._binary_type

    @binary_type.setter
    def binary_type(self, value: str) -> None:
        if value not in _BINARY_TYPES:
            raise ValueError(f'unknown binary type "{value}"')
        self._binary_type = value
        self._receiver.keep_fragments = value == "fragments"

    def start(self, head: bytes = b"") -> None:
        """Begin to deliver: `head`, then what has come since."""
        if head:
            self._wire_received += len(head)
            self._receiver.unread(bytes(head))
            self._drained = False
        self._hold &= ~NOT_STARTED
        self._deliver()

    def pause(self) -> None:
        """Deliver nothing and read nothing until `resume`."""
        self._is_paused = True
        if self._lost is None:
            self._hold |= PAUSED
            if not self._delivering:
                self._look_ahead()
            self._adjust_reading()

    def resume(self) -> None:
        """Undo `pause`; what waits is delivered from the next tick on."""
        self._is_paused = False
        if self._hold & PAUSED:
            self._release(PAUSED)

    def take_activity(self) -> bool:
        """Whether bytes came, or none could because reading was off, since the last call."""
        active, self._active = self._active, False
        return active or self._reading_off

    @property
    def is_paused(self) -> bool:
        """Whether `pause` was called, and not `resume`."""
        return self._is_paused

    def recv(self) -> Awaitable[Any]:
        """The next message."""
        self._inbox.claimed = True
        return Received(self._inbox, ends=False)

    def next(self) -> Awaitable[Any]:
        """The next message, or StopAsyncIteration."""
        self._inbox.claimed = True
        return Received(self._inbox, ends=True)

    def finish(self, error: BaseException, orderly: bool) -> None:
        """No further message will come."""
        self._inbox.finish(error, orderly)

    # What the transport brings --------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        self._active = True
        self._wire_received += len(data)
        if self._lost is None and not self._hold & CONCLUDED:
            self._receiver.feed(data)
            if self._ahead is not None:
                self._ahead.unseen += len(data)
            self._drained = False
        self._deliver()

    def _ended(self) -> None:
        if self._eof is None:
            self._eof = False
        self._deliver()

    def _gone(self, error: BaseException | None) -> None:
        self._lost = False
        self._lost_error = error
        self._transport = None
        self._hold &= ~PAUSED  # but what the queue has no room for waits on
        self._deliver()

    # The loop -------------------------------------------------------------------------------------

    def _release(self, reason: int) -> None:
        self._hold &= ~reason
        self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        """Deliver what may be delivered now, then tell of the end if it has come."""
        if self._delivering:
            return
        outbox = self._outbox
        self._delivering = outbox.corked = True
        try:
            while not self._hold & ~CONCLUDED and self._deliver_one():
                pass
        except BaseException:
            self._loop.call_soon(self._deliver)
            raise
        finally:
            self._delivering = outbox.corked = False
            outbox.tick()
        self._inbox.wake()
        # Mostly nothing is held back, and neither has anything to do.
        if self._hold or self._ahead is not None:
            self._look_ahead()
        if self._hold or self._reading_off:
            self._adjust_reading()
        if self._eof is False or self._lost is False:
            self._tell_end()

    def _deliver_one(self) -> bool:
        """Deliver one event; False where there is none, or no place for it."""
        inbox, listener = self._inbox, self._listener
        if listener is None or inbox.claimed:
            if not self._hold and inbox.is_full():
                if not self._discard:
                    self._hold |= STALLED
                    self._drained = self._drained or not (self._receiver.waiting or self._receiver.has_worked)
                    inbox.when_empty = partial(self._release, STALLED)
                    return False
                inbox.drop_unwanted()
        elif inbox:
            self._call_listener(listener, *inbox.pop())
            return True
        if self._hold:
            return False
        try:
            event = self._receiver.next()
        except WebSocketError as error:
            self._conclude()
            self._tell("_on_fail", error.code, error.close_code, str(error))
            return True
        if event is None:
            if self._receiver.work is None:
                self._drained = True
            else:
                self._inflate()
            return False
        opcode, data = event
        if opcode in (TEXT, BINARY):
            self._message(opcode == BINARY, data)
        elif opcode == CLOSE:
            self._conclude()
            self._tell("_on_close_frame", *data)
        else:
            self._ping_or_pong(opcode, data)
        return True

    def _inflate(self) -> None:
        """Have a thread inflate a message; nothing is delivered until that is done."""
        message = self._receiver.work
        assert message is not None
        self._hold |= INFLATING
        self._inflating = Job(self._loop, self._concurrency_limit, message.inflate_rest, self._inflated)
        submit(self._inflating)

    def _inflated(self, job: Job) -> None:
        if job is self._inflating:
            self._inflating = None
            self._hold &= ~INFLATING
            self._receiver.worked(job.error)
            self._deliver()

    def _stop_inflating(self) -> None:
        if self._inflating is not None:
            self._inflating.cancelled = True
            self._inflating = None
            self._hold &= ~INFLATING  # messages from before may still be on their way to a listener
            self._receiver.finish()

    def _conclude(self) -> None:
        """What follows is no frame any more."""
        self._hold |= CONCLUDED
        self._drained = True

    def _message(self, binary: bool, data: Any) -> None:
        listener, inbox = self._listener, self._inbox
        size = sum(map(len, data)) if type(data) is list else len(data)
        self._messages_received += 1
        self._bytes_received += size
        if binary:
            data = _in_form(data, self._binary_type)
        if listener is None or inbox.claimed:
            inbox.put(data, size, binary)
        if listener is not None:
            self._call_listener(listener, data, binary)

    def _call_listener(self, listener: MessageListener, data: Any, binary: bool) -> None:
        try:
            result = listener(data, binary)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self._tell("_on_listener_error", error)
        else:
            if result is not None:
                self._tell("_on_listener_result", result)
        self._end_of_event()

    def _ping_or_pong(self, opcode: int, data: Any) -> None:
        if opcode == PONG:
            if self._pings is not None:
                self._pings.answered(data)
            if self.wants_pong:
                self._tell("_on_pong", data)
        else:
            if self._ahead is None or not self._ahead.met():
                self._answer_ping(data)
            if self.wants_ping:
                self._tell("_on_ping", data)
        self._end_of_event()

    def _answer_ping(self, data: bytes) -> None:
        """Send a pong, where that is to be done without being told."""
        raise NotImplementedError

    def _look_ahead(self) -> None:
        """Answer pings among the bytes that wait while the program takes nothing.

        They are told to it, and not answered again, when it is their turn.
        """
        receiver, ahead = self._receiver, self._ahead
        if not receiver.waiting or (ahead is not None and ahead.unseen > receiver.waiting):
            ahead = self._ahead = None  # the receiver has come further
        if not (self._read_ahead and receiver.waiting and self._lost is None):
            return
        if self._hold & (NOT_STARTED | CONCLUDED) or not self._hold & (PAUSED | STALLED):
            return
        if ahead is None:
            ahead = self._ahead = receiver.ahead()
        while (ping := receiver.next_ping(ahead)) is not None:
            self._answer_ping(ping)

    def _end_of_event(self) -> None:
        """With `allow_synchronous_events=False` the next event waits for the next tick, as in ws."""
        if not self._allow_synchronous_events:
            self._hold |= NEXT_TICK
            self._loop.call_soon(self._release_tick)

    def _release_tick(self) -> None:
        self._hold &= ~NEXT_TICK
        self._deliver()

    def _adjust_reading(self) -> None:
        """The transport reads while frames can be delivered, and not else."""
        transport = self._transport
        off = bool(self._hold) and not self._hold & CONCLUDED
        if off:
            held = self._hold & (PAUSED | STALLED)
            off = self._receiver.waiting >= self._read_ahead if held else self._receiver.waiting > _BACKLOG
        if off != self._reading_off and transport is not None and not transport.is_closing():
            self._reading_off = off
            self._active = True
            (transport.pause_reading if off else transport.resume_reading)()

    def _tell_end(self) -> None:
        """Tell the owner of the peer's FIN, and of the loss, when all before it is delivered."""
        done = self._drained and not self._hold & (NOT_STARTED | NEXT_TICK | PAUSED | INFLATING)
        if not done and not (self._hold & CONCLUDED and not self._hold & NOT_STARTED):
            return
        if self._hold & NEXT_TICK and self._inbox and self._listener is not None and not self._inbox.claimed:
            return  # messages that waited are on their way to a listener that has come since
        if self._eof is False:
            self._eof = True
            self._tell("_on_end")
            self._outbox.end("close")
        if self._lost is False:
            self._lost = True
            self._tell("_on_lost", self._lost_error)

    def _tell(self, method: str, *arguments: object) -> None:
        try:
            getattr(self._owner, method)(*arguments)
        except Exception as error:
            self._report("a WebSocket's event failed", error)

    def _report(self, message: str, error: BaseException) -> None:
        self._loop.call_exception_handler({"message": message, "exception": error, "protocol": self})


def _in_form(data: bytes | list[bytes], form: str) -> Any:
    """A binary message as `binary_type` says; it may have changed since the message began."""
    if form == "fragments":
        return data if isinstance(data, list) else [data]
    if isinstance(data, list):
        data = b"".join(data)
    return bytearray(data) if form == "arraybuffer" else data
