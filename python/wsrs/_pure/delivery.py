"""From the receiver's events to the listener, the owner, and the tasks that wait for messages.

Rules kept here:

- The owner and the listener are called with nothing half done, so that they may call anything.
- Delivery is a loop that is never entered twice: what a listener causes is left to the outer loop.
- `_on_lost` is called once, when everything that was received before the loss is delivered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextvars import Context
from functools import partial
from typing import Any

from wsrs._backend.context import run_in
from wsrs._backend.contract import ConnectionOwner, MessageListener
from wsrs._pure.awaitable import Received, Sent
from wsrs._pure.counters import Counters
from wsrs._pure.end import WHOLE, End
from wsrs._pure.frame import BINARY, CLOSE, PONG, TEXT
from wsrs._pure.hold import AWAITS_DELIVERY, CONCLUDED, NEXT_SLICE, NEXT_TICK, NOT_STARTED, PAUSED, STALLED
from wsrs._pure.inbox import Inbox
from wsrs._pure.message import BINARY_TYPES, make_message
from wsrs._pure.outbox import Outbox
from wsrs._pure.receiver import Receiver
from wsrs._pure.thread_pool import Job, inflate
from wsrs._pure.time_slice import EVENTS, slices_of
from wsrs.errors import WebSocketError

__all__ = ["Delivery"]

_OF_NO_INTEREST = (type(None), Sent)
"""Results of a listener that need nobody: those of a plain function, and of one that returns `send(…)`."""


class Delivery:
    """The receiving half of `wsrs._pure.Connection`."""

    __slots__ = (
        "_active",
        "_allow_synchronous_events",
        "_binary_type",
        "_concurrency_limit",
        "_context",
        "_delivering",
        "_drained",
        "_end",
        "_hold",
        "_inbox",
        "_inflating",
        "_is_paused",
        "_listener",
        "_loop",
        "_outbox",
        "_owner",
        "_read_ahead",
        "_reading_off",
        "_receiver",
        "_slices",
        "_transport",
        "counters",
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
        context: Context,
        allow_synchronous_events: bool,
        read_ahead: int,
        concurrency_limit: int,
    ) -> None:
        self._loop, self._owner, self._context = loop, owner, context
        self._receiver, self._inbox, self._outbox = receiver, inbox, outbox
        self._allow_synchronous_events = allow_synchronous_events
        self._transport: asyncio.Transport | None = None
        self._listener: MessageListener | None = None
        self._binary_type = "nodebuffer"
        self.wants_ping = self.wants_pong = False
        self._hold = NOT_STARTED
        self._concurrency_limit = concurrency_limit
        self._inflating: Job | None = None
        self._is_paused = self._delivering = self._reading_off = False
        self._drained = True
        """True if everything received was delivered, except for an unfinished frame."""
        self._end = End()
        self._active = False
        """True if bytes were received since the last `take_activity`."""
        self._read_ahead = read_ahead
        """The most bytes to read while nothing is delivered, so that pings among them are answered."""
        self.counters = Counters()
        self._slices = slices_of(loop)

    # What the API sets and calls ----------------------------------------------------------------

    @property
    def message_listener(self) -> MessageListener | None:
        """See `wsrs._backend.contract.Connection.message_listener`."""
        return self._listener

    @message_listener.setter
    def message_listener(self, listener: MessageListener | None) -> None:
        if listener is not None and self._listener is None and not self._inbox.is_awaited:
            self._inbox.unclaim()
        self._listener = listener
        if listener is not None and self._inbox and not self._inbox.is_claimed:
            self._go_on_soon(STALLED)

    @property
    def discard(self) -> bool:
        """See `wsrs._backend.contract.Connection.discard`."""
        return self._inbox.discards

    @discard.setter
    def discard(self, value: bool) -> None:
        self._inbox.discards = value
        if value and self._hold & STALLED:
            self._go_on_soon(STALLED)

    @property
    def binary_type(self) -> str:
        """See `wsrs._backend.contract.Connection.binary_type`."""
        return self._binary_type

    @binary_type.setter
    def binary_type(self, value: str) -> None:
        if value not in BINARY_TYPES:
            raise ValueError(f'unknown binary type "{value}"')
        self._binary_type = value
        self._receiver.keep_fragments = value == "fragments"

    def start(self, head: bytes = b"") -> None:
        """Begin to deliver: `head`, then the bytes that were received since."""
        if head:
            self.counters.wire_received += len(head)
            self._receiver.push_front(bytes(head))
            self._drained = False
        self._hold &= ~NOT_STARTED
        self._deliver()

    def pause(self) -> None:
        """Deliver nothing and read nothing until `resume`."""
        self._is_paused = True
        if not self._end.is_lost:
            self._hold |= PAUSED
            if not self._delivering:
                self._answer_held_pings()
            self._change_reading()

    def resume(self) -> None:
        """Undo `pause`; what waits is delivered from the next tick on."""
        self._is_paused = False
        if self._hold & PAUSED:
            self._go_on_soon(PAUSED)

    def recv(self) -> Awaitable[Any]:
        """The next message."""
        self._inbox.claim()
        return Received(self._inbox, ends=False)

    def next(self) -> Awaitable[Any]:
        """The next message, or StopAsyncIteration."""
        self._inbox.claim()
        return Received(self._inbox, ends=True)

    def finish(self, error: BaseException, orderly: bool) -> None:
        """No further message will come."""
        self._inbox.finish(error, orderly)

    # What the transport reports -------------------------------------------------------------------

    def _feed(self, data: bytes) -> None:
        """Take bytes from the wire, put them behind those that already wait, and deliver what can be."""
        self._active = True
        self.counters.wire_received += len(data)
        if not self._end.is_lost and not self._hold & CONCLUDED:
            self._receiver.push(data)
            self._drained = False
        self._deliver()

    def _receive_eof(self) -> None:
        """The peer's FIN was received."""
        self._end.receive_eof()
        self._deliver()

    def _lose(self, error: BaseException | None) -> None:
        """The transport is gone: what was received before is delivered even if the program has paused."""
        self._end.lose(error)
        self._transport = None
        self._hold &= ~PAUSED  # messages for which the inbox has no room still wait
        self._deliver()

    # The loop -------------------------------------------------------------------------------------

    def _go_on_soon(self, reason: int) -> None:
        """Clear `reason`, and continue delivery in the next tick."""
        self._hold &= ~reason
        self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        """Deliver what may be delivered now, then notify the owner of the end if it has come."""
        if self._delivering:
            return
        outbox = self._outbox
        self._delivering = outbox.corked = True
        try:
            more = True
            while more:
                for _ in range(EVENTS):
                    if self._hold & ~CONCLUDED or not self._step():
                        more = False
                        break
                else:
                    if self._slices.is_over(self._loop):
                        self._wait_for_slice()
        except BaseException:
            self._loop.call_soon(self._deliver)
            raise
        finally:
            self._delivering = outbox.corked = False
            outbox.tick()
        self._inbox.wake_receiver()
        # In the usual case nothing is held back, and there is nothing more to do.
        if self._hold:
            self._answer_held_pings()
        if self._hold or self._reading_off:
            self._change_reading()
        if self._end.is_untold:
            self._tell_ends()

    def _wait_for_slice(self) -> None:
        """Deliver nothing more before the next time slice."""
        if not self._hold & NEXT_SLICE:
            self._hold |= NEXT_SLICE
            self._slices.wait(self._loop, self._next_slice)

    def _next_slice(self) -> None:
        self._hold &= ~NEXT_SLICE
        self._deliver()

    def _step(self) -> bool:
        """Deliver one event; False if there is none, or no room for it."""
        inbox, listener = self._inbox, self._listener
        if listener is None or inbox.is_claimed:
            if not self._hold and inbox.is_full() and not inbox.make_room():
                return self._stall()
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
            work = self._receiver.take_work()
            if work is None:
                self._drained = True
            else:
                inflate(self, work)
            return False
        opcode, data = event
        if opcode in (TEXT, BINARY):
            self._place(opcode == BINARY, data)
        elif opcode == CLOSE:
            self._conclude()
            self._tell("_on_close_frame", *data)
        else:
            self._ping_or_pong(opcode, data)
        return True

    def _stall(self) -> bool:
        """Stop delivery until the inbox, which is full, is empty. Returns False: nothing was delivered."""
        self._hold |= STALLED
        self._drained = self._drained or not (self._receiver.waiting or self._receiver.has_ready)
        self._inbox.when_empty = partial(self._go_on_soon, STALLED)
        if not self._inbox.is_claimed:
            self._tell("_on_stalled")
        return False

    def _conclude(self) -> None:
        """Conclude the connection: no more frames are delivered."""
        self._hold |= CONCLUDED
        self._drained = True

    def _place(self, binary: bool, data: Any) -> None:
        """Put a message where it belongs: the inbox, the listener, or (rarely) both."""
        listener, inbox = self._listener, self._inbox
        size = sum(map(len, data)) if type(data) is list else len(data)
        self.counters.receive(size)
        if binary:
            data = make_message(data, self._binary_type)
        if listener is None or inbox.is_claimed:
            inbox.push(data, size, binary)
        if listener is not None:
            self._call_listener(listener, data, binary)

    def _call_listener(self, listener: MessageListener, data: Any, binary: bool) -> None:
        try:
            self._context.run(self._call_here, listener, data, binary)
        except RuntimeError:  # the context is entered already, for `_call_here` raises none
            run_in(self._context, self._call_here, listener, data, binary)
        self._end_event()

    def _call_here(self, listener: MessageListener, data: Any, binary: bool) -> None:
        try:
            result = listener(data, binary)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self._tell_here("_on_listener_error", error)
        else:
            if type(result) not in _OF_NO_INTEREST:
                self._tell_here("_on_listener_result", result)

    def _ping_or_pong(self, opcode: int, data: Any) -> None:
        if opcode == PONG:
            self.counters.receive_pong(data)
            if self.wants_pong:
                self._tell("_on_pong", data)
        else:
            if not self._receiver.met_ping():
                self._send_pong(data)
            if self.wants_ping:
                self._tell("_on_ping", data)
        self._end_event()

    def _send_pong(self, data: bytes) -> None:
        """Answer a ping, if pings are answered automatically."""
        raise NotImplementedError

    def _answer_held_pings(self) -> None:
        """Answer pings among the bytes that wait while the program takes nothing.

        Their events follow in their turn, and then they are not answered again.
        """
        hold, receiver = self._hold, self._receiver
        if hold & (NOT_STARTED | CONCLUDED) or not hold & (PAUSED | STALLED):
            return
        if not (self._read_ahead and receiver.waiting) or self._end.is_lost:
            return
        while (ping := receiver.next_ping()) is not None:
            self._send_pong(ping)

    def _end_event(self) -> None:
        """With `allow_synchronous_events=False` the next event waits for the next tick, as in ws."""
        if not self._allow_synchronous_events:
            self._hold |= NEXT_TICK
            self._loop.call_soon(self._next_tick)

    def _next_tick(self) -> None:
        self._hold &= ~NEXT_TICK
        self._deliver()

    def _change_reading(self) -> None:
        """Have the transport read while frames can be delivered, and only then."""
        transport = self._transport
        off = self._receiver.has_enough(self._hold, self._read_ahead)
        if off != self._reading_off and transport is not None and not transport.is_closing():
            self._reading_off, self._active = off, True
            (transport.pause_reading if off else transport.resume_reading)()

    def _tell_ends(self) -> None:
        """Notify the owner of the peer's FIN and of the loss, once all that precedes them is delivered."""
        done = self._drained and not self._hold & AWAITS_DELIVERY
        if not done and not (self._hold & CONCLUDED and not self._hold & NOT_STARTED):
            return
        if self._hold & NEXT_TICK and self._inbox.owes(self._listener):
            return
        if self._end.take_eof():
            self._tell("_on_end")
            self._outbox.end(WHOLE)
            if self._inbox.owes(self._listener):
                return  # set at the FIN, the listener gets its messages before the loss is reported
        if self._end.take_loss():
            self._tell("_on_lost", self._end.error)

    def _tell(self, method: str, *arguments: object) -> None:
        run_in(self._context, self._tell_here, method, *arguments)

    def _tell_here(self, method: str, *arguments: object) -> None:
        try:
            getattr(self._owner, method)(*arguments)
        except Exception as error:
            self._report("a WebSocket's event failed", error)

    def _report(self, message: str, error: BaseException) -> None:
        self._loop.call_exception_handler({"message": message, "exception": error, "protocol": self})
