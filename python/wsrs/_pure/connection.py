"""One WebSocket connection on a transport of the event loop. See `wsrs._backend.contract.Connection`."""

from __future__ import annotations

import asyncio
import threading
from asyncio import _get_running_loop
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context

from wsrs._aio.callbacks import bind_callback
from wsrs._backend.context import run_in
from wsrs._backend.contract import ConnectionOwner, SendCallback
from wsrs._backend.threads import check_thread
from wsrs._pure.awaitable import READY, Sent
from wsrs._pure.broadcast import BUSY, GONE, SENT, SLOW, SharedMessage
from wsrs._pure.close import write_close
from wsrs._pure.compress_queue import CompressQueue, Frame
from wsrs._pure.delivery import Delivery
from wsrs._pure.end import HALF
from wsrs._pure.frame import CLOSE, FIN, MAX_CONTROL_PAYLOAD, PING, PONG
from wsrs._pure.inbox import Inbox
from wsrs._pure.integers import check_counts
from wsrs._pure.outbox import Outbox
from wsrs._pure.payload import to_bytes
from wsrs._pure.per_message_deflate import PerMessageDeflate
from wsrs._pure.random import MaskPool
from wsrs._pure.receiver import Receiver
from wsrs._pure.send_args import check_flags
from wsrs._pure.sender import Sender
from wsrs._pure.thread_pool import stop_inflating
from wsrs.errors import ConnectionClosed, SlowPeer

__all__ = ["Connection"]

_READ = 68 * 1024
"""Bytes that a transport is offered per read: a message of 64 KiB and its header fit."""

_masks = MaskPool()
_thread = threading.local()


def _shared_buffer() -> memoryview:
    """The buffer that all connections of a thread, and so of a loop, read into: it is emptied at once."""
    buffer: memoryview | None = getattr(_thread, "buffer", None)
    if buffer is None:
        buffer = _thread.buffer = memoryview(bytearray(_READ))
    return buffer


class Connection(Delivery, asyncio.BufferedProtocol):
    """See `wsrs._backend.contract.Connection`."""

    __slots__ = (
        "__weakref__",
        "_auto_pong",
        "_buffer",
        "_compress_queue",
        "_generate_mask",
        "_is_server",
        "_max_pending_auto_pongs",
        "_refuse_above_mark",
        "_refusing",
        "_sender",
    )

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        owner: ConnectionOwner,
        is_server: bool,
        context: Context | None = None,
        max_payload: int = 104_857_600,
        max_fragments: int = 16_384,
        max_buffered_chunks: int = 262_144,
        max_pending_auto_pongs: int = 60,
        auto_pong: bool = True,
        skip_utf8_validation: bool = False,
        allow_synchronous_events: bool = True,
        deflate: PerMessageDeflate | None = None,
        generate_mask: Callable[[bytearray], object] | None = None,
        high_water_mark: int = 65_536,
        refuse_above_mark: bool = False,
        read_ahead: int = 0,
    ) -> None:
        check_counts(
            max_payload=max_payload,
            max_fragments=max_fragments,
            max_buffered_chunks=max_buffered_chunks,
            max_pending_auto_pongs=max_pending_auto_pongs,
            high_water_mark=high_water_mark,
            read_ahead=read_ahead,
        )
        inflater, deflater = deflate.contexts() if deflate is not None else (None, None)
        receiver = Receiver(
            is_server=is_server,
            max_payload=max_payload,
            max_fragments=max_fragments,
            max_buffered_chunks=max_buffered_chunks,
            skip_utf8_validation=skip_utf8_validation,
            inflater=inflater,
        )
        inbox = Inbox(loop, lossy=skip_utf8_validation)
        outbox = Outbox(loop, high_water_mark)
        super().__init__(
            loop,
            owner,
            receiver,
            inbox,
            outbox,
            context=copy_context() if context is None else context,
            allow_synchronous_events=allow_synchronous_events,
            read_ahead=read_ahead,
            concurrency_limit=1 if deflate is None else deflate.concurrency_limit,
        )
        self._compress_queue: CompressQueue | None = None
        """Made when a message is first long enough for a thread."""
        self._is_server = is_server
        self._sender = Sender(deflater)
        self._auto_pong, self._max_pending_auto_pongs = auto_pong, max_pending_auto_pongs
        self._generate_mask, self._refuse_above_mark = generate_mask, refuse_above_mark
        self._refusing = False
        """True if the beginning of a message was refused, as its further fragments will be."""
        self._buffer = _shared_buffer()

    # What asyncio calls -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: there is a transport."""
        self._transport = transport  # type: ignore[assignment]
        self._outbox.connect(transport)  # type: ignore[arg-type]

    def attach(self, transport: asyncio.Transport) -> None:
        """Become the transport's protocol."""
        self.connection_made(transport)
        transport.set_protocol(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """asyncio: where to put what is read."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio: `nbytes` were put there."""
        if not 0 <= nbytes <= _READ:
            check_counts(nbytes=nbytes)
            raise ValueError(f"{nbytes} bytes are more than the buffer has")
        if self._slices.count(self._loop, nbytes):
            self._wait_for_slice()
        self._feed(self._buffer[:nbytes].tobytes())

    def eof_received(self) -> bool:
        """asyncio: the peer's FIN. True keeps the transport open, where it can be half-closed."""
        half_closes = self._transport is not None and self._transport.can_write_eof()
        self._receive_eof()
        return half_closes

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the transport is gone."""
        if not self._end.is_lost:
            queue = self._compress_queue
            # The senders come before the owner, which is notified of the loss last of all.
            self._outbox.lose([] if queue is None else queue.lose())()
            self._lose(exc)

    def pause_writing(self) -> None:
        """asyncio: the transport holds bytes that it could not write."""
        self._outbox.block()

    def resume_writing(self) -> None:
        """asyncio: the transport has written everything."""
        self._outbox.unblock()

    @property
    def is_paused(self) -> bool:
        """Whether `pause` was called, and `resume` was not called since."""
        return self._is_paused

    def take_activity(self) -> bool:
        """Whether bytes came, or none could because reading was off, since the last call."""
        active, self._active = self._active, False
        return active or self._reading_off

    # Sending ------------------------------------------------------------------------------------

    def send(
        self,
        data: object,
        binary: bool | None = None,
        compress: bool | None = None,
        fin: bool = True,
        mask: bool | None = None,
        callback: SendCallback | None = None,
    ) -> Awaitable[None]:
        """Frame and queue a message or a fragment at once."""
        if _get_running_loop() is not self._loop:
            check_thread(self._loop)
        if binary is not None or compress is not None or fin is not True or mask is not None:
            check_flags(binary=binary, compress=compress, fin=fin, mask=mask)
        if callback is not None:
            callback = bind_callback(callback)
        payload, is_text = to_bytes(data)
        if self._refuse_above_mark and self._refuses(fin):
            return self._refused(callback)
        binary = not is_text if binary is None else binary
        return self._send_anyway(payload, binary, compress is None or compress, fin, mask, callback)

    def _send_anyway(
        self,
        payload: bytes,
        binary: bool,
        compress: bool,
        fin: bool = True,
        mask: bool | None = None,
        callback: SendCallback | None = None,
    ) -> Awaitable[None]:
        """Frame and queue a message or a fragment, however much is queued."""
        key = self._masking_key(mask)
        if not self._outbox.is_open:
            return self._not_connected(callback)
        first, deflater = self._sender.begin(payload, binary=binary, compress=compress, fin=fin)
        self.counters.send(len(payload), fin)
        return self._enqueue(Frame(first, payload, key, deflater, fin, callback, False))

    def check_thread(self) -> None:
        """RuntimeError if the loop runs in another thread."""
        if _get_running_loop() is not self._loop:
            check_thread(self._loop)

    def send_shared(self, message: SharedMessage, skip_slow: bool) -> int:
        """Queue a message that other connections get too. Returns SENT, or why it was not queued."""
        outbox, sender = self._outbox, self._sender
        if skip_slow and outbox.is_full():
            self.counters.skip()
            return SLOW
        if not outbox.is_open:
            return GONE
        if sender.in_message:
            self.counters.skip()
            return BUSY
        if not self._is_server or outbox.is_behind:
            # If slow peers are to be skipped, that was checked above.
            self._send_anyway(message.payload, message.binary, message.compress)
            return SENT
        deflater = sender.shares(message.payload) if message.compress else None
        pieces = None if deflater is None else message.compressed(deflater)
        if deflater is not None and pieces is not None:
            deflater.skip()
        self.counters.send(len(message.payload), True)
        for piece in pieces or message.plain:
            outbox.put(piece)
        return SENT

    def ping(
        self, data: object = None, mask: bool | None = None, callback: SendCallback | None = None
    ) -> Awaitable[None]:
        """Queue a ping."""
        check_thread(self._loop)
        check_flags(mask=mask)
        callback = bind_callback(callback)
        return self._queue_control(PING, b"" if data is None else to_bytes(data)[0], mask, callback)

    def pong(
        self, data: object = None, mask: bool | None = None, callback: SendCallback | None = None
    ) -> Awaitable[None]:
        """Queue a pong."""
        check_thread(self._loop)
        check_flags(mask=mask)
        callback = bind_callback(callback)
        return self._queue_control(PONG, b"" if data is None else to_bytes(data)[0], mask, callback)

    def send_close(
        self, code: int | None, reason: bytes, mask: bool | None = None, callback: SendCallback | None = None
    ) -> None:
        """Queue a close frame."""
        callback = bind_callback(callback)
        self._queue_control(CLOSE, write_close(code, bytes(reason)), mask, callback)

    @property
    def buffered_amount(self) -> int:
        """Bytes queued here and in the transport."""
        return self._outbox.size

    @property
    def refused(self) -> int:
        """Messages that were not queued, because more than the mark was."""
        return self.counters.refused

    def totals(self) -> tuple[int, int, int, int, int, int, int, int]:
        """The first eight of `wsrs._backend.contract.Counts`."""
        return self.counters.totals(self._outbox.passed)

    def _queue_control(
        self, opcode: int, payload: bytes, mask: bool | None, callback: SendCallback | None
    ) -> Awaitable[None]:
        if len(payload) > MAX_CONTROL_PAYLOAD:
            text = f"the data of a control frame must not be longer than 125 bytes, not {len(payload)}"
            raise ValueError(text)
        key = self._masking_key(mask)
        if not self._outbox.is_open:
            return self._not_connected(callback)
        if opcode == PING:
            self.counters.send_ping(payload)
        return self._enqueue(Frame(FIN | opcode, payload, key, None, True, callback, False))

    def _send_pong(self, data: bytes) -> None:
        limit, outbox = self._max_pending_auto_pongs, self._outbox
        if not self._auto_pong or not outbox.is_open or 0 < limit <= outbox.pongs:
            return
        try:
            key = run_in(self._context, self._masking_key, None)
            self._enqueue(Frame(FIN | PONG, data, key, None, True, None, True))
        except Exception as error:  # raised by the program's generate_mask
            self._report("a pong was not sent", error)

    def _masking_key(self, mask: bool | None) -> bytes | None:
        """The masking key for the next frame, if it needs one."""
        if not (not self._is_server if mask is None else mask):
            return None
        generate = self._generate_mask
        return _masks.next_mask() if generate is None else _generated_key(generate)

    def _enqueue(self, frame: Frame) -> Awaitable[None]:
        outbox = self._outbox
        if outbox.is_behind or (frame.deflater is not None and frame.is_long):
            self._send_behind(frame)
        else:
            frame.put(outbox)
            outbox.settle()
        return READY if outbox.size <= outbox.high_water_mark else Sent(outbox)

    def _send_behind(self, frame: Frame) -> None:
        """Queue a frame that a thread compresses, or that waits for one before it."""
        if self._compress_queue is None:
            limit, failed = self._concurrency_limit, self._fail_to_compress
            self._compress_queue = CompressQueue(self._loop, self._outbox, limit, failed)
        self._compress_queue.push(frame)

    def _fail_to_compress(self, error: BaseException) -> None:
        """A thread failed to compress: nothing that waits behind that message can be sent."""
        self._report("a long message could not be compressed", error)
        self.abort()

    def _refuses(self, fin: bool) -> bool:
        """Whether to refuse a message or fragment: more than the mark is queued, even after all that can be
        written is written. A message that was begun is completed; a refused one is refused to its end."""
        outbox = self._outbox
        if self._sender.in_message or not outbox.is_open:
            return False
        begun = self._refusing
        full = begun or outbox.is_full()
        self._refusing = full and not fin
        if full and not begun:
            self.counters.refuse()
        return full

    def _refused(self, callback: SendCallback | None) -> Awaitable[None]:
        error = SlowPeer()
        if callback is not None:
            self._loop.call_soon(callback, error)
        # In the context of the sender, whose call this is: no listener is called.
        self._tell_here("_on_refused")
        return Sent(error=error)

    def _not_connected(self, callback: SendCallback | None) -> Awaitable[None]:
        error = ConnectionClosed(1006)
        if callback is not None:
            self._loop.call_soon(callback, error)
        return Sent(error=error)

    # The end ------------------------------------------------------------------------------------

    def end(self) -> None:
        """Write what is queued, then FIN."""
        self._outbox.end(HALF)

    def abort(self) -> None:
        """Write what the transport takes at once, then drop it and the rest. Nothing more is delivered."""
        self._conclude()
        stop_inflating(self)
        self._outbox.abandon()
        if self._transport is not None:
            self._transport.abort()
        elif self._end.owes_loss:
            self._receiver.clear()  # drops the messages for which the inbox had no room
            self._loop.call_soon(self._deliver)

    @property
    def transport(self) -> asyncio.Transport | None:
        """The transport; None before `attach` and when it is gone."""
        return self._transport


def _generated_key(generate: Callable[[bytearray], object]) -> bytes:
    """The key that the program's `generate_mask` fills in."""
    key = bytearray(4)
    generate(key)
    if len(key) != 4:
        raise ValueError("generate_mask must leave its argument 4 bytes long")
    return bytes(key)
