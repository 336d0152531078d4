"""A stream over a WebSocket as an asyncio transport: libraries ask for `StreamWriter.transport`."""

from __future__ import annotations

import asyncio
import socket
from asyncio.trsock import TransportSocket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsrs.stream import WebSocketStream

__all__ = ["StreamTransport"]


class StreamTransport(asyncio.Transport):
    """The writing half of the transport contract.

    The stream is the protocol, and reading follows its readers. So the methods that set a protocol or pause
    the reading raise NotImplementedError, as asyncio's base classes do.
    """

    def __init__(self, stream: WebSocketStream) -> None:
        super().__init__()
        self._stream = stream
        self._wire: asyncio.BaseTransport | None = None
        """The WebSocket's transport, once it is open."""
        self._socket: socket.socket | None = None

    def _opened(self, wire: asyncio.BaseTransport) -> None:
        self._wire = wire

    def _closed(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See `WebSocketStream.get_extra_info`."""
        if name == "websocket":
            return self._stream.websocket
        if name == "socket" and self._socket is not None:
            return TransportSocket(self._socket)
        value = default if self._wire is None else self._wire.get_extra_info(name, default)
        if isinstance(value, socket.socket) and not self._stream._over:
            # The engine's transport gives a duplicate, to be closed here: asyncio's users close none.
            self._socket = value
            return TransportSocket(value)
        return value

    def is_closing(self) -> bool:
        """See `WebSocketStream.is_closing`."""
        return self._stream.is_closing()

    def close(self) -> None:
        """See `WebSocketStream.close`."""
        self._stream.close()

    def abort(self) -> None:
        """End at once, without a closing handshake: `WebSocketStream.destroy`."""
        self._stream.destroy()

    def write(self, data: Any) -> None:
        """See `WebSocketStream.write`."""
        self._stream.write(data)

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """See `WebSocketStream.writelines`."""
        self._stream.writelines(list_of_data)

    def can_write_eof(self) -> bool:
        """See `WebSocketStream.can_write_eof`."""
        return self._stream.can_write_eof()

    def write_eof(self) -> None:
        """See `WebSocketStream.write_eof`."""
        self._stream.write_eof()

    def get_write_buffer_size(self) -> int:
        """Bytes, or messages in object mode, that the network has not yet taken."""
        return self._stream._queued

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """(low, high): `drain` waits above the one until no more than the other is left."""
        return self._stream._low_mark, self._stream._write_mark

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """As asyncio's: `high` is 64 KiB or four times `low` if not given, `low` a quarter of `high`."""
        if high is None:
            high = 64 * 1024 if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high}) must be at least low ({low}), and low at least 0")
        self._stream._set_marks(high, low)
