"""A queue of received bytes or characters: adding at the back and taking from the front are cheap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["Buffer"]


class Buffer:
    """A queue of bytes or of characters.

    A lone chunk is kept as it came, so that a reader who keeps up gets it without a copy. A second chunk is
    joined to it. The front is an index into the joined data: it moves on with each reading, and what lies
    before it is cut off once that is half of the data. So reading and adding cost, on average, no more than
    the length of what is read or added.
    """

    __slots__ = ("_data", "_empty", "_start", "size")

    def __init__(self, empty: Any) -> None:
        self._empty = empty
        """b"" or "", of the type that is held."""
        self._data: Any = empty
        self._start = 0
        self.size = 0
        """The number of bytes or characters that wait."""

    def __len__(self) -> int:
        # redis.asyncio and others ask the reader's private `_buffer` whether data waits.
        return self.size

    def put(self, chunk: Any) -> None:
        """Add `chunk` at the back."""
        if not self.size:
            self._data, self._start = chunk, 0
        else:
            # In a local alone, so that a str is extended in place.
            data, self._data = self._data, self._empty
            if type(data) is bytes:
                data, self._start = bytearray(memoryview(data)[self._start :]), 0
            elif self._start * 2 >= len(data):
                data, self._start = data[self._start :], 0
            data += chunk
            self._data = data
        self.size += len(chunk)

    def take(self, limit: int) -> Any:
        """Take the first `limit` units, or all if they are fewer."""
        data, start = self._data, self._start
        if limit >= self.size:
            self._data, self._start, self.size = self._empty, 0, 0
            if not start and type(data) is not bytearray:
                return data
            return bytes(memoryview(data)[start:]) if type(data) is bytearray else data[start:]
        end = start + limit
        self._start = end
        self.size -= limit
        return bytes(memoryview(data)[start:end]) if type(data) is bytearray else data[start:end]

    def find(self, separators: Sequence[Any], offset: int) -> tuple[int, int] | None:
        """Find the separator that ends first, from `offset` on. Returns where it begins and ends."""
        data, start = self._data, self._start
        found: tuple[int, int] | None = None
        for separator in separators:
            place = data.find(separator, start + offset)
            if place >= 0 and (found is None or place - start + len(separator) < found[1]):
                found = place - start, place - start + len(separator)
        return found

    def startswith(self, separators: Sequence[Any], offset: int) -> int:
        """The length of the separator that stands at `offset`, or 0."""
        for separator in separators:
            if self._data.startswith(separator, self._start + offset):
                return len(separator)
        return 0
