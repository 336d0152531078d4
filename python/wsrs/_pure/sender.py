"""What goes out: data as bytes, the headers of data frames by ws's rules, and masking keys."""

from __future__ import annotations

import os
from collections.abc import Callable

from wsrs._backend.sendable import list_bytes, unsendable
from wsrs._pure.deflate import Deflater
from wsrs._pure.frame import BINARY, CONTINUATION, FIN, RSV1, TEXT

__all__ = ["Masks", "Sender", "check_flags", "generated_key", "to_bytes"]


def to_bytes(data: object) -> tuple[bytes, bool]:
    """`data` as bytes, and whether it is text when not told: ws's table of data to send.

    TypeError for a type that has no bytes (None and bool are no data); ValueError for text with lone
    surrogates and for a list with items outside of 0 to 255.
    """
    if isinstance(data, str):
        return data.encode(), True
    if type(data) is bytes:
        return data, False
    if data is None or isinstance(data, bool):
        raise unsendable(data)
    if isinstance(data, (int, float)):
        return str(data).encode(), True
    if isinstance(data, (list, tuple)):
        return list_bytes(data), False
    return _bytes_of_object(data), False


def check_flags(**flags: object) -> None:
    """TypeError for what is neither a bool nor None; `fin` must be a bool."""
    for name, value in flags.items():
        if type(value) is not bool and (value is not None or name == "fin"):
            raise TypeError(f"{name} must be a bool, not {type(value).__name__}")


def _bytes_of_object(data: object) -> bytes:
    try:
        view = memoryview(data)  # type: ignore[arg-type]
    except TypeError:
        pass
    else:
        with view:
            return view.tobytes()
    if hasattr(data, "__bytes__"):
        return bytes(data)
    if hasattr(data, "__buffer__"):  # before Python 3.12, memoryview() does not know it
        return bytes(data.__buffer__(0))
    raise unsendable(data)


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
        """What a message that others get too is compressed as; None: it goes out as it is.

        The threshold counts here whatever was agreed: such a message refers to no history.
        """
        deflater = self._deflater
        if deflater is None or not deflater.can_compress or len(payload) < deflater.threshold:
            return None
        return deflater

    def _is_worth_compressing(self, payload: bytes) -> bool:
        """ws looks at the threshold only where our context is not taken over: else short ones gain most."""
        deflater = self._deflater
        if deflater is None or not deflater.can_compress:
            return False
        return not deflater.no_context_takeover or len(payload) >= deflater.threshold


class Masks:
    """Masking keys, "derived from a strong source of entropy" (RFC 6455 section 5.3): the system's."""

    __slots__ = ("_at", "_pool")

    def __init__(self) -> None:
        self.forget()
        if hasattr(os, "register_at_fork"):  # pragma: no branch: Windows
            os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Drop the keys in stock: a forked process must not use its parent's."""
        self._pool = b""
        self._at = 0

    def key(self) -> bytes:
        """Four bytes that were never used."""
        at = self._at
        if at >= len(self._pool):
            self._pool = os.urandom(4096)
            at = 0
        self._at = at + 4
        return self._pool[at : at + 4]


def generated_key(generate: Callable[[bytearray], object]) -> bytes:
    """The key that the program's `generate_mask` fills in."""
    key = bytearray(4)
    generate(key)
    if len(key) != 4:
        raise ValueError("generate_mask must leave the 4 bytes of its argument 4 bytes long")
    return bytes(key)
