"""What goes out: the headers of data frames, by the rules of ws's `Sender.send`."""

from __future__ import annotations

from wsrs._pure.deflate import Deflater
from wsrs._pure.frame import BINARY, CONTINUATION, FIN, RSV1, TEXT

__all__ = ["Sender"]


class Sender:
    """Which header the next data frame has. Frames must be made in the order they are sent in."""

    __slots__ = ("_compressing", "_deflater", "_in_message")

    def __init__(self, deflater: Deflater | None = None) -> None:
        self._deflater = deflater
        self._in_message = False
        self._compressing = False

    @property
    def in_message(self) -> bool:
        """Whether a fragmented message is under way."""
        return self._in_message

    def begin(
        self, payload: bytes, *, binary: bool, compress: bool, fin: bool
    ) -> tuple[int, Deflater | None]:
        """The first byte of the next frame's header, and what compresses its payload."""
        if self._in_message:
            # "followed by zero or more frames with the FIN bit clear and the opcode set to 0"
            # (RFC 6455 section 5.4); the first fragment has decided for the message.
            first = CONTINUATION
        else:
            first = BINARY if binary else TEXT
            self._compressing = compress and self._is_worth_compressing(payload)
            if self._compressing:
                first |= RSV1
        self._in_message = not fin
        return (first | FIN if fin else first), (self._deflater if self._compressing else None)

    def shares(self, payload: bytes) -> Deflater | None:
        """The compressor whose settings a message for many is compressed with; None: it goes uncompressed.

        The threshold counts here whatever was agreed: such a message refers to no history.
        """
        deflater = self._deflater
        if deflater is None or not deflater.can_compress or len(payload) < deflater.threshold:
            return None
        return deflater

    def _is_worth_compressing(self, payload: bytes) -> bool:
        """As in ws, the threshold counts only without context takeover: with it, short messages gain most."""
        deflater = self._deflater
        if deflater is None or not deflater.can_compress:
            return False
        return not deflater.no_context_takeover or len(payload) >= deflater.threshold
