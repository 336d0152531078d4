"""The two contexts of a connection with permessage-deflate (RFC 7692).

We never compress with a window of 8 bits: zlib would use one of 9, which the peer could not follow. Where 8
bits are agreed, our messages go uncompressed.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable

from wsrs._pure.error import fault
from wsrs._pure.thread_pool import PIECE
from wsrs.errors import WebSocketError

__all__ = ["Deflater", "Inflater"]

_TAIL = b"\x00\x00\xff\xff"
"""What a sender takes off the end of a message, and a receiver puts back (sections 7.2.1 and 7.2.2)."""

_LAST_BLOCK = b"\x01\x00\x00\xff\xff"
"""A stored block of no bytes, with BFINAL."""

_WINDOW = 32 * 1024
_WBITS = -15
"""Of zlib: raw DEFLATE data with the window above."""


class Deflater:
    """Compresses the messages of one connection."""

    __slots__ = ("_zlib", "can_compress", "no_context_takeover", "settings", "threshold")

    def __init__(
        self, settings: tuple[int, int, int, int, int], no_context_takeover: bool, threshold: int
    ) -> None:
        self.settings = settings
        self._zlib: zlib._Compress | None = None
        self.can_compress = settings[2] != -8
        self.no_context_takeover = no_context_takeover
        self.threshold = threshold

    def deflate(self, data: bytes, fin: bool) -> bytes:
        """The compressed payload of a frame; `fin`: it ends its message."""
        if self._zlib is None:
            self._zlib = zlib.compressobj(*self.settings)
        out = self._zlib.compress(data) + self._zlib.flush(zlib.Z_SYNC_FLUSH)
        if not fin:
            return out
        if self.no_context_takeover:
            self._zlib = None
        # zlib has nothing to flush behind a flush: an empty block is then one byte (section 7.2.3.6).
        return out[:-4] if out else b"\x00"

    def deflate_long(self, data: bytes, fin: bool, cancelled: Callable[[], bool]) -> bytes:
        """As `deflate`, but in pieces, for a thread. The result is of no use if it was cancelled."""
        if self._zlib is None:
            self._zlib = zlib.compressobj(*self.settings)
        engine, pieces = self._zlib, range(0, len(data) - PIECE, PIECE)
        out = [engine.compress(data[at : at + PIECE]) for at in pieces if not cancelled()]
        if cancelled():
            return b""
        out.append(self.deflate(data[len(pieces) * PIECE :], fin))
        return b"".join(out)

    def apart(self) -> Deflater:
        """A compressor that compresses each message by itself, as this one would compress its first."""
        return Deflater(self.settings, True, self.threshold)

    def skip(self) -> None:
        """The peer was sent a message that another has compressed: its window is no longer that of ours.

        So ours starts again: a sender may forget its history between messages (section 7.2.1).
        """
        self._zlib = None


class Inflater:
    """Inflates the messages of one connection. The largest window reads all the smaller ones."""

    __slots__ = ("_at_boundary", "_no_context_takeover", "_window", "_window_size", "_zlib", "rest")

    def __init__(self, no_context_takeover: bool) -> None:
        self._no_context_takeover = no_context_takeover
        self._zlib: zlib._Decompress | None = None
        self._window: deque[bytes] = deque()
        self._window_size = 0
        self._at_boundary = True
        """Nothing came since the start of the message, or since a block with BFINAL."""
        self.rest = b""
        """Input that the last call left, because its output reached the mark."""

    def inflate(
        self, piece: bytes, last: bool, room: int | None, keep_output: bool, mark: int
    ) -> tuple[bytes, WebSocketError | None]:
        """Inflate a piece of a message's payload; `last`: the message ends with it.

        At most `room` bytes come out. Where the data are bad, what came before the fault is given too, if
        `keep_output` (which costs a copy of the context). A payload of no bytes is an empty message.

        It stops after `mark` bytes of output: while there is a `rest` then, call it again, without a piece.
        """
        if self.rest:
            piece, self.rest = self.rest, b""
        else:
            self._at_boundary = self._at_boundary and not piece
            if last and not self._at_boundary:
                piece += _TAIL
        out: list[bytes] = []
        error = self._run(piece, last, room, keep_output, mark, out)
        data = b"".join(out)
        if room is not None and len(data) > room:
            data = data[:room] if keep_output else b""
            error = fault("UNSUPPORTED_MESSAGE_LENGTH")
        if error is not None:
            self.rest = b""
        if last and not self.rest:
            self._at_boundary = True
            if self._no_context_takeover:
                self._restart(b"")
        return data, error

    def _run(
        self, piece: bytes, last: bool, room: int | None, keep_output: bool, mark: int, out: list[bytes]
    ) -> WebSocketError | None:
        size = 0
        while piece and (room is None or size <= room):
            if size >= mark:
                self.rest = piece
                return None
            engine = self._zlib
            if engine is None:
                engine = self._zlib = zlib.decompressobj(_WBITS)
            before = engine.copy() if keep_output else None
            limit = mark - size if room is None else min(room + 1, mark) - size
            try:
                data = engine.decompress(piece, limit)
            except zlib.error as error:
                if before is not None:
                    out.append(_until_fault(before, piece, limit))
                return fault("Z_DATA_ERROR", str(error).rpartition(": ")[2])
            out.append(data)
            size += len(data)
            self._remember(data)
            if not engine.eof:
                piece = engine.unconsumed_tail
                if last and not piece and not _is_between_blocks(engine):
                    return fault("Z_DATA_ERROR", "unexpected end of file")
                continue
            # "a DEFLATE block with the "BFINAL" bit set to 1" may come (section 7.2.3.4): what follows
            # is another stream for zlib, but may refer to the same window.
            piece = engine.unused_data
            self._restart(b"".join(self._window)[-_WINDOW:])
            if piece == (_TAIL if last else b""):
                self._at_boundary = True
                return None
            if last and len(piece) < len(_TAIL):
                # The tail ended a block that the message had begun: in good order, if with its end.
                return fault("Z_DATA_ERROR", "unexpected end of file") if piece else None
        return None

    def _restart(self, window: bytes) -> None:
        self._zlib = zlib.decompressobj(_WBITS, zdict=window) if window else None
        self._window.clear()
        self._window_size = 0
        self._remember(window)

    def _remember(self, data: bytes) -> None:
        """Keep the last 32 KiB of output, mostly by reference."""
        if not data:
            return
        window = self._window
        window.append(data[-_WINDOW:])
        self._window_size += len(window[-1])
        while self._window_size - len(window[0]) >= _WINDOW:
            self._window_size -= len(window.popleft())
        if len(window) > 64:
            joined = b"".join(window)
            window.clear()
            window.append(joined)


def _is_between_blocks(engine: zlib._Decompress) -> bool:
    """Whether `engine` has read a block to its end: a last, empty block is then the end of the stream."""
    probe = engine.copy()
    try:
        # Within a block of Huffman codes the end of that block may be read from it, but not all of it.
        return not probe.decompress(_LAST_BLOCK) and probe.eof and not probe.unused_data
    except zlib.error:
        return False


def _until_fault(engine: zlib._Decompress, piece: bytes, limit: int) -> bytes:
    """What `engine` gives before it fails within `piece`; at most `limit` bytes, if not 0.

    zlib's module drops the output of a call that fails: so the byte that fails is searched for by halves,
    and the output before it within that byte taken one by one.
    """
    out = bytearray()
    while len(piece) > 1 and not 0 < limit <= len(out):
        half = len(piece) // 2
        probe = engine.copy()
        try:
            out += probe.decompress(piece[:half], limit and limit - len(out))
        except zlib.error:
            piece = piece[:half]
        else:
            engine, piece = probe, piece[half:]
    try:
        while not 0 < limit <= len(out):  # pragma: no branch: the fault comes before the limit
            data = engine.decompress(piece, 1)
            piece = engine.unconsumed_tail
            if not data and not piece:  # pragma: no cover: this byte fails
                break
            out += data
    except zlib.error:
        pass
    return bytes(out)
