"""A scan for pings in bytes that are not to be delivered yet.

A peer that gets no pong takes us for dead, though the program has only paused. So the frames that wait are
walked over, header by header, without being read: whether they are valid is decided in their turn.
"""

from __future__ import annotations

from wsrs._pure.frame import CLOSE, FIN, PING, apply_mask, parse_header
from wsrs.errors import WebSocketError

__all__ = ["PingScan"]


class PingScan:
    """How far the bytes that wait were searched."""

    __slots__ = ("_compression", "_in_message", "_is_server", "_over", "_seen", "_skip", "unseen")

    def __init__(self, *, is_server: bool, compression: bool, in_message: bool, skip: int) -> None:
        self._is_server = is_server
        self._compression = compression
        self._in_message = in_message
        self._skip = skip
        """Bytes of payload to pass over."""
        self._over = False
        """A close frame or a fault was seen: what follows is no frame."""
        self._seen = 0
        """Pings seen that the receiver has not come to yet."""
        self.unseen = 0
        """Bytes at the end of what waits that were not searched yet; those that come are added."""

    def next_ping(self, data: bytes) -> bytes | None:
        """The payload of the next ping in `data`, whose end waits; None if there is no whole one."""
        while not self._over:
            passed = min(self._skip, self.unseen)
            self._skip -= passed
            self.unseen -= passed
            at = len(data) - self.unseen
            try:
                header = parse_header(
                    data,
                    at,
                    is_server=self._is_server,
                    compression=self._compression,
                    in_message=self._in_message,
                )
            except WebSocketError:
                self._over = True
                break
            if header is None:
                break
            first, key, length, start = header
            opcode = first & 0x0F
            if opcode == PING and start + length > len(data):
                break
            self.unseen = len(data) - start
            self._skip = length
            if opcode == PING:
                self._seen += 1
                payload = data[start : start + length]
                return payload if key is None else apply_mask(payload, key)
            self._over = opcode == CLOSE
            if not opcode & 0x8:
                self._in_message = not first & FIN
        return None

    def met(self) -> bool:
        """Note that the receiver came to a ping; returns whether it was seen here before."""
        seen = self._seen > 0
        self._seen -= seen
        return seen
