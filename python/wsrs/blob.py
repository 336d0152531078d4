"""`Blob`: immutable binary data with a media type, as the browsers' `Blob` is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Union

__all__ = ["Blob"]

_Part = Union[bytes, bytearray, memoryview, str, "Blob"]


class Blob:
    """Binary data that is received with `binary_type = "blob"` and can be sent.

    Made of one part or an iterable of parts: bytes-like, str (as UTF-8) or another Blob.
    """

    __slots__ = ("_data", "type")

    type: str
    """The media type, or ""."""

    def __init__(self, parts: _Part | Iterable[_Part] = b"", type: str = "") -> None:
        if not isinstance(type, str):
            raise TypeError(f"Blob: type must be a str, not {type.__class__.__name__}")
        if isinstance(parts, (bytes, bytearray, memoryview, str, Blob)):
            self._data = _bytes_of(parts)
        else:
            self._data = b"".join(map(_bytes_of, parts))
        self.type = type

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return len(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __bytes__(self) -> bytes:
        return self._data

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Blob):
            return NotImplemented
        return self._data == other._data and self.type == other.type

    def __hash__(self) -> int:
        return hash((self._data, self.type))

    def __repr__(self) -> str:
        return f"<Blob of {self.size} bytes{f', {self.type}' if self.type else ''}>"

    async def array_buffer(self) -> bytearray:
        """The data in a bytearray of its own."""
        return bytearray(self._data)

    async def bytes(self) -> bytes:
        """The data as bytes."""
        return self._data

    async def text(self) -> str:
        """The data as UTF-8 text; what is not UTF-8 becomes U+FFFD."""
        return self._data.decode(errors="replace")

    def slice(self, start: int = 0, end: int | None = None, type: str = "") -> Blob:
        """The part from `start` to `end`; negative numbers count from the end."""
        return Blob(self._data[start:end], type)

    # The browsers' names.
    arrayBuffer = array_buffer


def _bytes_of(part: _Part) -> bytes:
    if isinstance(part, str):
        return part.encode()
    if isinstance(part, (bytes, bytearray, memoryview, Blob)):
        return bytes(part)
    raise TypeError(f"Blob: a part must be bytes-like, a str or a Blob, not {type(part).__name__}")
