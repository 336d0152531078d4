"""A message that is under way: what came of it, and what its frame still owes."""

from __future__ import annotations

import codecs
from typing import Any

from wsrs._pure.deflate import Inflater
from wsrs._pure.error import fault
from wsrs._pure.frame import TEXT, apply_mask
from wsrs._pure.thread_pool import LONG, PIECE, Job

__all__ = ["BINARY_TYPES", "Message", "make_message"]

BINARY_TYPES = ("nodebuffer", "arraybuffer", "fragments")
"""The forms in which a program may want binary messages."""

_Utf8Decoder = codecs.getincrementaldecoder("utf-8")


class Message:
    """A message that is under way: what came of it, and what its frame still owes."""

    __slots__ = (
        "_declared",
        "_decoder",
        "_error",
        "_frames",
        "_inflater",
        "_key",
        "_limits",
        "_parts",
        "_piece",
        "_received",
        "_size",
        "is_last_frame",
        "is_long",
        "missing",
        "opcode",
    )

    def __init__(
        self,
        opcode: int,
        inflater: Inflater | None,
        validate: bool,
        keep_fragments: bool,
        limits: tuple[int, int, int],
    ) -> None:
        self.opcode = opcode
        self._inflater = inflater
        self._decoder = _Utf8Decoder() if validate and opcode == TEXT else None
        self._limits = limits
        self._parts: list[bytes] | None = [] if keep_fragments else None
        self._piece = bytearray()
        self._frames = 0
        self._declared = 0
        """Bytes of payload that the headers so far declare."""
        self._size = 0
        """Bytes of the message so far, inflated."""
        self._key: bytes | None = None
        self._received = 0
        self.missing = 0
        """Bytes that the frame under way still owes."""
        self.is_last_frame = False
        self.is_long = False
        """What came inflates to so much that a thread has to do the rest."""
        self._error: BaseException | None = None

    def begin_frame(self, fin: bool, key: bytes | None, length: int) -> None:
        """Take the header of the message's next frame."""
        max_payload, max_fragments, _ = self._limits
        self._declared += length
        if 0 < max_payload < self._declared:
            raise fault("UNSUPPORTED_MESSAGE_LENGTH")
        self._frames += 1
        if 0 < max_fragments < self._frames:
            raise fault("TOO_MANY_BUFFERED_PARTS", "message fragments")
        self.is_last_frame = fin
        self._key = key
        self._received = 0
        self.missing = length

    def take(self, piece: bytes) -> None:
        """Take the next bytes of the frame's payload, still masked."""
        if self._key is not None and piece:
            piece = apply_mask(piece, self._key, self._received)
        self._received += len(piece)
        self.missing -= len(piece)
        if self._inflater is None:
            if self._decoder is not None:
                _decode(self._decoder, piece)
            self._add(piece)
        elif piece or (self.is_last_frame and not self.missing):
            self._add(self._inflate(self._inflater, piece, LONG))
            self.is_long = bool(self._inflater.rest)

    def inflate_rest(self, job: Job) -> None:
        """Inflate what `take` has left; called in a thread."""
        inflater = self._inflater
        while inflater is not None and inflater.rest and not job.cancelled:
            self._add(self._inflate(inflater, b"", PIECE))

    def worked(self, error: BaseException | None) -> None:
        """`inflate_rest` is done."""
        self.is_long = False
        self._error = error

    def check(self) -> None:
        """Raise the error that a thread has met, if there is one."""
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error

    def _inflate(self, inflater: Inflater, piece: bytes, mark: int) -> bytes:
        max_payload = self._limits[0]
        room = max_payload - self._size if max_payload else None
        last = self.is_last_frame and not self.missing
        data, error = inflater.inflate(piece, last, room, self._decoder is not None, mark)
        if self._decoder is not None:
            # Also if inflating failed: which fault is reported must not depend on how the input was cut.
            _decode(self._decoder, data)
        if error is not None:
            # The error's traceback keeps this frame alive, and with it `data`; an error that the frame
            # holds in turn would make a reference cycle.
            del data
            try:
                raise error
            finally:
                del error
        return data

    def _add(self, data: bytes) -> None:
        if not data:
            return
        held = 1 if self._parts is None else len(self._parts) + 1
        if not self._piece and 0 < self._limits[2] < held:
            raise fault("TOO_MANY_BUFFERED_PARTS", "buffered chunks")
        self._size += len(data)
        self._piece += data

    def end_frame(self) -> None:
        """The frame under way is complete."""
        if self._parts is not None and self._piece:
            self._parts.append(bytes(self._piece))
            self._piece = bytearray()

    def finish(self) -> bytes | list[bytes]:
        """The message is complete: its data."""
        if self._decoder is not None:
            _decode(self._decoder, b"", final=True)
        if self._parts is None:
            return bytes(self._piece)
        self.end_frame()
        return self._parts


def _decode(decoder: codecs.IncrementalDecoder, data: bytes, *, final: bool = False) -> None:
    """Validate text that comes in pieces: fails at once on what can no longer become valid."""
    try:
        decoder.decode(data, final)
    except UnicodeDecodeError:
        raise fault("INVALID_UTF8") from None
    # CPython's decoder keeps one start that can no longer become valid, that of a surrogate, since the
    # next byte may make it one that an error handler accepts.
    pending = decoder.getstate()[0]
    if pending[:1] == b"\xed" and pending[1:] >= b"\xa0":
        raise fault("INVALID_UTF8")


def make_message(data: bytes | list[bytes], form: str) -> Any:
    """A binary message in the form that `binary_type` names, which may have changed since it began."""
    if form == "fragments":
        return data if isinstance(data, list) else [data]
    if isinstance(data, list):
        data = b"".join(data)
    return bytearray(data) if form == "arraybuffer" else data
