"""One message to many connections: framed once, compressed once for each way to compress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wsrs._pure.deflate import Deflater
from wsrs._pure.frame import BINARY, FIN, JOINED, RSV1, TEXT, write_header
from wsrs._pure.payload import to_bytes
from wsrs._pure.send_args import check_flags

if TYPE_CHECKING:
    from wsrs._pure.connection import Connection

__all__ = ["BUSY", "GONE", "SENT", "SLOW", "SharedMessage", "broadcast"]

SENT, SLOW, BUSY, GONE = range(4)
"""What became of the message on one connection: it was queued; or it was not, because too much is queued
already, because a fragmented message is under way ("MUST NOT be interleaved", RFC 6455 section 5.4), or
because the connection is gone."""


class SharedMessage:
    """A message in each form that a connection needs, as the pieces to be queued."""

    __slots__ = ("_compressed", "binary", "compress", "payload", "plain")

    def __init__(self, payload: bytes, binary: bool, compress: bool) -> None:
        self.payload = payload
        self.binary = binary
        self.compress = compress
        self.plain = self._pieces(0, payload)
        self._compressed: dict[tuple[int, ...], tuple[bytes, ...] | None] = {}

    def compressed(self, deflater: Deflater) -> tuple[bytes, ...] | None:
        """The message compressed by itself with the settings of `deflater`; None if that is no shorter."""
        settings = deflater.settings
        if settings not in self._compressed:
            packed = deflater.apart().deflate(self.payload, True)
            shorter = len(packed) < len(self.payload)
            self._compressed[settings] = self._pieces(RSV1, packed) if shorter else None
        return self._compressed[settings]

    def _pieces(self, rsv1: int, payload: bytes) -> tuple[bytes, ...]:
        header = write_header(FIN | rsv1 | (BINARY if self.binary else TEXT), len(payload), None)
        return (header + payload,) if len(payload) < JOINED else (header, payload)


def broadcast(
    connections: Sequence[Connection],
    data: object,
    binary: bool | None = None,
    compress: bool | None = None,
    skip_slow: bool = True,
) -> tuple[int, int, int, int]:
    """Queue `data` on `connections`; returns on how many, and on how many not: slow, busy, gone."""
    for connection in connections:
        connection.check_thread()
    check_flags(binary=binary, compress=compress)
    payload, is_text = to_bytes(data)
    message = SharedMessage(payload, not is_text if binary is None else binary, compress is None or compress)
    counts = [0, 0, 0, 0]
    fault: Exception | None = None
    for connection in connections:
        try:
            counts[connection.send_shared(message, skip_slow)] += 1
        except Exception as error:  # from a program's generate_mask: the others still get the message
            fault = fault or error
    if fault is not None:
        raise fault
    sent, slow, busy, gone = counts
    return sent, slow, busy, gone
