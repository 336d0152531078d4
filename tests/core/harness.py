"""One side of a connection on an in-memory transport: bytes go in, events and output come out."""

from __future__ import annotations

import asyncio
from typing import Any

KEY = b"\x37\xfa\x21\x3d"
"""The masking key of RFC 6455's examples."""

READ = 64 * 1024
"""The most bytes that arrive in one read, although a core may have room for more."""


class MemoryTransport(asyncio.Transport):
    """A transport that keeps what is written. With `hold`, it behaves as if its peer did not read."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tls: bool) -> None:
        super().__init__({"sslcontext": object()} if tls else None)
        self._loop = loop
        self._tls = tls
        self.protocol: Any = None
        self.written: list[bytes] = []
        self.calls: list[str] = []
        self.hold = False
        self.kept = 0
        self.paused_writing = False
        self.closing = False
        self.closes_when_drained = False
        self.half_closed = False
        self.high = 64 * 1024

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol  # type: ignore[no-any-return]

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = 64 * 1024 if high is None else high

    def get_write_buffer_size(self) -> int:
        return self.kept

    def write(self, data: Any) -> None:
        if self.half_closed:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self.closing:
            return  # as asyncio's TLS: it warns, and drops the data
        self.written.append(bytes(data))
        if self.hold:
            self.kept += len(data)
        # asyncio's TLS transports pause at the limit already.
        if self.kept + self._tls > self.high and not self.paused_writing:
            self.paused_writing = True
            self.protocol.pause_writing()

    def drain(self) -> None:
        """The peer has read everything."""
        self.kept = 0
        if self.paused_writing:
            self.paused_writing = False
            self.protocol.resume_writing()
        if self.closes_when_drained:
            self.closes_when_drained = False
            self._loop.call_soon(self.protocol.connection_lost, None)

    def pause_reading(self) -> None:
        self._check_alive("pause_reading")

    def resume_reading(self) -> None:
        self._check_alive("resume_reading")

    def _check_alive(self, call: str) -> None:
        if self.closing:
            raise RuntimeError(f"Cannot call {call}() when closing")  # as uvloop's transports do
        self.calls.append(call)

    def is_reading(self) -> bool:
        flow = [call for call in self.calls if call.endswith("reading")]
        return not flow or flow[-1] == "resume_reading"

    def can_write_eof(self) -> bool:
        return not self._tls

    def write_eof(self) -> None:
        if not self.closing and not self.half_closed:
            self.half_closed = True
            self.calls.append("write_eof")

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self._close("close")

    def abort(self) -> None:
        self.kept = 0
        self._close("abort")

    def lose(self, error: Exception) -> None:
        """Break the connection, if it has not ended: `close` may still wait for data to be written."""
        if not self.closing or self.closes_when_drained:
            self.closing = True
            self.closes_when_drained = False
            self.kept = 0
            self._loop.call_soon(self.protocol.connection_lost, error)

    def _close(self, call: str) -> None:
        if not self.closing:
            self.closing = True
            self.calls.append(call)
            self.closes_when_drained = self.kept > 0
            if not self.closes_when_drained:
                self._loop.call_soon(self.protocol.connection_lost, None)
        elif call == "abort" and self.closes_when_drained:
            self.calls.append(call)
            self.closes_when_drained = False
            self._loop.call_soon(self.protocol.connection_lost, None)


class Side:
    """A connection with an owner and a message listener that record every call in `events`."""

    def __init__(
        self,
        core: Any,
        loop: asyncio.AbstractEventLoop,
        is_server: bool,
        *,
        start: bool = True,
        listen: bool = True,
        tls: bool = False,
        **options: Any,
    ) -> None:
        self.loop = loop
        self.events: list[tuple[Any, ...]] = []
        self.stalls = 0
        self._waits = False
        self.transport = MemoryTransport(loop, tls)
        self.connection = core.Connection(loop=loop, owner=self, is_server=is_server, **options)
        self.connection.attach(self.transport)
        self.connection.wants_ping = self.connection.wants_pong = True
        if listen:
            self.connection.message_listener = self.on_message
        if start:
            self.connection.start(b"")

    def _note(self, event: tuple[Any, ...]) -> None:
        self.events.append(event)
        if self._waits:
            self.loop.stop()

    # What the core calls ------------------------------------------------------------------------

    def on_message(self, data: Any, is_binary: bool) -> object:
        self._note(("binary" if is_binary else "text", data))
        return None

    def _on_ping(self, data: bytes) -> None:
        self._note(("ping", data))

    def _on_pong(self, data: bytes) -> None:
        self._note(("pong", data))

    def _on_close_frame(self, code: int, reason: bytes) -> None:
        self._note(("close", code, reason))

    def _on_fail(self, ws_code: str, close_code: int, message: str) -> None:
        self._note(("fail", ws_code, close_code, message))

    def _on_stalled(self) -> None:
        self.stalls += 1

    def _on_end(self) -> None:
        self._note(("end",))

    def _on_lost(self, error: BaseException | None) -> None:
        self._note(("lost", error))

    def _on_refused(self) -> None:
        self._note(("refused",))

    def _on_listener_error(self, error: BaseException) -> None:
        self._note(("listener error", error))

    def _on_listener_result(self, result: object) -> None:
        self._note(("listener result", result))

    # What a test does ---------------------------------------------------------------------------

    def feed(self, *pieces: bytes) -> None:
        """Let bytes arrive, one read per piece (or several, for a piece of more than `READ` bytes)."""
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                buffer = self.transport.protocol.get_buffer(-1)
                count = min(len(buffer), len(rest), READ)
                memoryview(buffer)[:count] = rest[:count]
                self.transport.protocol.buffer_updated(count)
                rest = rest[count:]

    def tick(self, times: int = 1) -> None:
        """Run the loop for `times` ticks."""
        for _ in range(times):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def wait(self) -> None:
        """Run the loop until there is an event, possibly from a thread, for at most 10 s."""
        late = self.loop.call_later(10, self.loop.stop)
        self._waits = True
        while not self.events and self.loop.time() < late.when():
            self.loop.run_forever()
        self._waits = False
        late.cancel()

    @property
    def output(self) -> bytes:
        """Everything that was written so far."""
        return b"".join(self.transport.written)

    def take_output(self) -> bytes:
        """Run one tick, and return what was written since the last call."""
        self.tick()
        output = self.output
        self.transport.written.clear()
        return output


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, key: bytes | None = KEY
) -> bytes:
    """The bytes of a frame; `rsv` is the bits in their place, as in 0x40 for RSV1."""
    masked = 0 if key is None else 0x80
    size = len(payload)
    if size < 126:
        length = bytes([masked | size])
    elif size < 65536:
        length = bytes([masked | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([masked | 127]) + size.to_bytes(8, "big")
    head = bytes([(0x80 if fin else 0) | rsv | opcode]) + length
    if key is None:
        return head + payload
    return head + key + bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))


def fixed_mask(key: bytearray) -> None:
    """A `generate_mask` with a fixed key, so that output can be compared."""
    key[:] = KEY
