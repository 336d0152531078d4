"""A transport whose host keeps its own protocol: what comes is handed on to the connection."""

from __future__ import annotations

import asyncio
from typing import Any, cast

__all__ = ["Relay"]


class Relay(asyncio.Transport):
    """Stands between a transport that has no `set_protocol` and the protocol of a connection.

    The host's protocol calls the methods of its own contract here; the connection has this as its transport.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._protocol: asyncio.BufferedProtocol | None = None

    # What the host's protocol calls -----------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Hand `data` on."""
        rest = memoryview(data)
        while rest and self._protocol is not None:
            buffer = memoryview(self._protocol.get_buffer(len(rest)))
            count = min(len(buffer), len(rest))
            buffer[:count] = rest[:count]
            buffer.release()
            self._protocol.buffer_updated(count)
            rest = rest[count:]

    def eof_received(self) -> bool | None:
        """Hand the end of what the peer sends on. Returns whether the transport stays open."""
        return None if self._protocol is None else self._protocol.eof_received()

    def pause_writing(self) -> None:
        """Hand on that the transport's buffer is full."""
        if self._protocol is not None:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Hand on that the transport's buffer has room."""
        if self._protocol is not None:
            self._protocol.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """Hand on that the connection is gone."""
        if self._protocol is not None:
            self._protocol.connection_lost(error)

    # asyncio.Transport, for the connection ------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast(asyncio.BufferedProtocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return cast(asyncio.BaseProtocol, self._protocol)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._transport.write(data)

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def is_reading(self) -> bool:
        return not self.is_closing()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The host's transport keeps its own limits."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)
