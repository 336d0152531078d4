"""The reading end of a stream over a WebSocket: `asyncio.StreamReader`'s methods.

Rules kept here:

- While the high-water mark is reached, the WebSocket is paused, which in the end stops the peer. It is
  resumed when half of that is read, or when a reader waits for more than is there.
- All data that came before the end is returned first. Then reading gives an end of file after an orderly
  close, and otherwise raises the error, each time.
- One task reads at a time, as with asyncio.
"""

from __future__ import annotations

import asyncio
import codecs
from collections import deque
from typing import TYPE_CHECKING, Any

from wsrs._stream.buffer import Buffer

if TYPE_CHECKING:
    from typing_extensions import Self

    from wsrs.websocket import WebSocket

__all__ = ["ReadingEnd"]

_PIECE = 64 * 1024
"""Units that are taken at once where everything is read."""


class ReadingEnd:
    """See `wsrs.stream.WebSocketStream`."""

    _ws: WebSocket
    _loop: asyncio.AbstractEventLoop

    def __init__(self, options: dict[str, Any]) -> None:
        encoding = options["encoding"]
        self._messages: deque[Any] | None = deque() if options["readable_object_mode"] else None
        self._decoder = None if encoding is None else codecs.getincrementaldecoder(encoding)("replace")
        self._empty: Any = b"" if encoding is None else ""
        self._buffer = Buffer(self._empty)
        self._read_mark: int = options["readable_high_water_mark"]
        self._reader: asyncio.Future[None] | None = None
        """Done when data has come for the task that waits."""
        self._eof = False
        """True once nothing more will come; `_read_error` says whether that is an error."""
        self._read_error: BaseException | None = None

    # What the WebSocket brings ----------------------------------------------------------------

    def _take_in(self, data: Any, is_binary: bool) -> None:
        """A message has come."""
        if self._messages is not None:
            self._messages.append(data if is_binary else bytes(data).decode(errors="replace"))
        elif isinstance(data, list):
            for fragment in data:
                self._take_in_bytes(fragment)
        else:
            self._take_in_bytes(data if type(data) is bytes else bytes(data))
        if self._held() >= self._read_mark:
            self._ws.pause()
        self._wake_reader()

    def _take_in_bytes(self, data: bytes, final: bool = False) -> None:
        chunk: Any = data if self._decoder is None else self._decoder.decode(data, final)
        if chunk:
            self._buffer.put(chunk)

    def _held(self) -> int:
        return self._buffer.size if self._messages is None else len(self._messages)

    def _end_reading(self, error: BaseException | None) -> None:
        """End the reading, with `error` if there is one: nothing more will come. Called once."""
        self._eof = True
        self._read_error = error
        if self._messages is None:
            self._take_in_bytes(b"", final=True)
        self._wake_reader()

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    # Waiting ----------------------------------------------------------------------------------

    async def _more(self, method: str) -> bool:
        """Wait for more data. Returns False at an orderly end, and raises the error of another."""
        if self._reader is not None:
            raise RuntimeError(f"{method}() called while another task is already waiting for data")
        if not self._eof:
            self._resume()
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
            return True
        if self._read_error is not None:
            raise self._read_error.with_traceback(None)
        self._end_reached()
        return False

    def _end_reached(self) -> None:
        """A hook, called when a reader has come to an orderly end."""

    def _resume(self) -> None:
        if self._ws.is_paused:
            self._ws.resume()

    def _take(self, count: int) -> Any:
        data = self._buffer.take(count)
        if self._buffer.size <= self._read_mark // 2:
            self._resume()
        return data

    def _must_be_bytes(self, method: str) -> None:
        if self._messages is not None:
            raise RuntimeError(
                f"{method}() is for a stream of bytes; this one reads whole messages: use read()"
            )

    # asyncio's methods ------------------------------------------------------------------------

    async def read(self, n: int = -1) -> Any:
        """Read at most `n` bytes, waiting for the first; without `n`, everything up to the end.

        It returns b"" at the end. With `encoding`, it reads characters instead of bytes. In object mode it
        returns the next message (a str for text, for binary the type that `binary_type` names), None at the
        end, and takes no `n`.
        """
        if self._messages is not None:
            if n != -1:
                raise ValueError(f"read() of a stream in object mode takes no number of bytes: {n}")
            return await self._read_message(self._messages)
        if n == 0:
            return self._empty
        if n < 0:
            pieces = []
            while piece := await self.read(_PIECE):
                pieces.append(piece)
            return self._empty.join(pieces)
        while not self._buffer.size:
            if not await self._more("read"):
                return self._empty
        return self._take(n)

    async def _read_message(self, messages: deque[Any]) -> Any:
        while not messages:
            if not await self._more("read"):
                return None
        message = messages.popleft()
        if len(messages) <= self._read_mark // 2:
            self._resume()
        return message

    async def readexactly(self, n: int) -> Any:
        """Read exactly `n` bytes. Raises asyncio.IncompleteReadError, with the rest, at the end."""
        self._must_be_bytes("readexactly")
        if n < 0:
            raise ValueError(f"readexactly() needs a size of at least 0, not {n}")
        while self._buffer.size < n:
            if not await self._more("readexactly"):
                raise asyncio.IncompleteReadError(self._take(self._buffer.size), n)
        return self._take(n) if n else self._empty

    async def readuntil(self, separator: Any = b"\n") -> Any:
        r"""Read up to and including `separator`, or the one that comes first of a tuple of them.

        Raises asyncio.IncompleteReadError, with the rest, at the end; asyncio.LimitOverrunError if more than
        the high-water mark would have to be held, which leaves the data in place.
        """
        self._must_be_bytes("readuntil")
        return await self._read_until(self._separators(separator), "readuntil")

    async def _read_until(self, separators: tuple[Any, ...], method: str) -> Any:
        overlap = max(map(len, separators)) - 1
        searched = 0
        while True:
            found = self._buffer.find(separators, searched)
            if found is not None:
                break
            searched = max(0, self._buffer.size - overlap)
            if searched > self._read_mark:
                text = f"no separator in {self._buffer.size}, more than the limit of {self._read_mark}"
                raise asyncio.LimitOverrunError(text, searched)
            if not await self._more(method):
                raise asyncio.IncompleteReadError(self._take(self._buffer.size), None)
        begin, end = found
        if begin > self._read_mark:
            text = f"a separator after {begin}, more than the limit of {self._read_mark}"
            raise asyncio.LimitOverrunError(text, begin)
        return self._take(end)

    def _separators(self, separator: Any) -> tuple[Any, ...]:
        wanted = type(self._empty)
        if separator == b"\n" and wanted is str:
            separator = "\n"
        separators = separator if isinstance(separator, tuple) else (separator,)
        for each in separators:
            if not isinstance(each, str if wanted is str else (bytes, bytearray, memoryview)):
                raise TypeError(f"a separator must be {wanted.__name__}, not {type(each).__name__}")
        if not separators or not all(len(each) for each in separators):
            raise ValueError("a separator must not be empty")
        return separators

    async def readline(self) -> Any:
        """Read a line with its newline. The last line may have none; after it, the result is empty.

        Raises ValueError for a line longer than the high-water mark, and drops what has come of it.
        """
        self._must_be_bytes("readline")
        newline = self._separators(b"\n")
        try:
            return await self._read_until(newline, "readline")
        except asyncio.IncompleteReadError as error:
            return error.partial
        except asyncio.LimitOverrunError as error:
            ending = self._buffer.startswith(newline, error.consumed)
            self._take(error.consumed + ending if ending else self._buffer.size)
            raise ValueError(str(error)) from None

    def at_eof(self) -> bool:
        """Whether everything is read and nothing more will come."""
        return self._eof and not self._held()

    def exception(self) -> BaseException | None:
        """The error that ended the reading, if there was one."""
        return self._read_error

    def __aiter__(self) -> Self:
        """Iterate over lines, or in object mode over messages."""
        return self

    async def __anext__(self) -> Any:
        if self._messages is not None:
            value = await self._read_message(self._messages)
            ended = value is None
        else:
            value = await self.readline()
            ended = not value
        if ended:
            raise StopAsyncIteration
        return value
