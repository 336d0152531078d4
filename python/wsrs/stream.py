"""`create_websocket_stream`: a WebSocket as both ends of asyncio streams. ws's `createWebSocketStream`.

Where asyncio and Node's `Duplex` differ, the methods are asyncio's and the effects on the WebSocket are ws's:
ending the writing closes it without a code, destroying the stream terminates it, and its `'error'` reaches
both ends. One thing is stricter than in ws: the end of the data is an end of file only if the WebSocket was
closed in order (code 1000, 1001 or none), so that data that was cut off is not taken for the whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wsrs._aio.waiters import Waiters
from wsrs._backend.threads import check_thread
from wsrs._stream.options import stream_options
from wsrs._stream.reading import ReadingEnd
from wsrs._stream.transport import StreamTransport
from wsrs._stream.writing import WritingEnd
from wsrs._websocket.access import closed_error, event_loop, transport
from wsrs._websocket.closing import ORDERLY
from wsrs._websocket.state import CLOSED, CLOSING, CONNECTING, OPEN
from wsrs.errors import ConnectionClosed, HandshakeError, WebSocketError
from wsrs.websocket import WebSocket

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from wsrs._stream.options import StreamOptions

__all__ = ["StreamClosed", "WebSocketStream", "create_websocket_stream"]


class StreamClosed(ConnectionClosed, ConnectionResetError):
    """The WebSocket under a stream has ended: a `ConnectionClosed` that libraries for asyncio know as theirs.

    `close_code` and `reason` are those of the close event, or 1006 and "" before it; `code` is ws's name of
    the fault, if the peer caused the end by one; `__cause__` is the WebSocket's error, if any.
    """

    @classmethod
    def _of(cls, closed: ConnectionClosed) -> StreamClosed:
        cause = closed.__cause__
        error = cls(1006 if closed.close_code is None else closed.close_code, closed.reason)
        error.code = cause.code if isinstance(cause, WebSocketError) else None
        error.__cause__ = cause
        return error


class WebSocketStream(ReadingEnd, WritingEnd):
    """A WebSocket as a reader and a writer: pass it wherever one of asyncio's is wanted.

    Both ends raise the error that ended the WebSocket: `StreamClosed`, the error that made the handshake
    fail, or the argument of `destroy`. Reading raises it after all data that came before, writing in `drain`.
    """

    def __init__(self, websocket: WebSocket, options: dict[str, Any]) -> None:
        self._ws = websocket
        self._loop = event_loop(websocket)
        ReadingEnd.__init__(self, options)
        WritingEnd.__init__(self, options)
        self._allow_half_open: bool = options["allow_half_open"]
        self._closed = False
        """True once `close` or `destroy` was called."""
        self._destroyed = False
        self._error: BaseException | None = None
        """The error that `wait_closed` raises."""
        self._over = False
        """True once the WebSocket is closed and both ends know it."""
        self._over_waiters = Waiters(self._loop)
        self._transport = StreamTransport(self)
        self._listen()

    def _listen(self) -> None:
        ws = self._ws
        ws.on("message", self._on_message)
        ws.once("error", self._on_error)
        ws.once("close", self._on_close)
        if ws.ready_state == CONNECTING:
            ws.once("open", self._on_open)
        else:
            self._keep_wire()
        if ws.ready_state == CLOSED:
            # Messages that waited for a listener come in the next tick, before this.
            self._loop.call_soon(self._on_close)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._ws!r}>"

    @property
    def websocket(self) -> WebSocket:
        """The WebSocket under the stream."""
        return self._ws

    @property
    def transport(self) -> asyncio.Transport:
        """The stream's writing end as an asyncio transport; it cannot change its protocol."""
        return self._transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return a fact about the connection, by asyncio's names ("peername", "socket", …) or "websocket".

        It is `default` while the WebSocket is CONNECTING, and for an unknown name.
        """
        return self._transport.get_extra_info(name, default)

    # Ending -----------------------------------------------------------------------------------

    def close(self) -> None:
        """End both directions: written data is still sent, then a close frame; data that comes is dropped.

        Data that came before can still be read. While CONNECTING, the closing waits for the opening.
        """
        check_thread(self._loop)
        if self._closed:
            return
        self._closed = True
        self._close_if_open()
        # Messages that will not be read must not keep the peer's close frame waiting.
        self._resume()

    def destroy(self, error: BaseException | None = None) -> None:
        """Terminate the WebSocket; both ends raise `error`, or `StreamClosed` without one. ws's `destroy`."""
        check_thread(self._loop)
        if self._over or self._destroyed:
            return
        if error is not None and not isinstance(error, BaseException):
            raise TypeError(f"destroy: error must be an exception, not {type(error).__name__}")
        self._closed = self._destroyed = True
        self._error = error
        self._end_both(StreamClosed(1006) if error is None else error)
        self._ws.terminate()

    def is_closing(self) -> bool:
        """Whether the stream is closed, or its WebSocket ends for another reason than `write_eof`."""
        state = self._ws.ready_state
        return self._closed or state == CLOSED or (state == CLOSING and not self._ended)

    async def wait_closed(self) -> None:
        """Wait until the WebSocket is closed. Raises the error that ended it, unless it was `destroy()`."""
        if not self._over:
            await self._over_waiters.wait()
        if self._error is not None:
            raise self._error.with_traceback(None)

    def _end_both(self, error: BaseException) -> None:
        self._end_reading(error)
        self._end_writing(error)

    def _end_reached(self) -> None:
        if not self._allow_half_open:
            self.write_eof()

    def _closed_error(self) -> BaseException:
        return StreamClosed._of(closed_error(self._ws))

    # What the WebSocket brings ----------------------------------------------------------------

    def _keep_wire(self) -> None:
        wire = transport(self._ws)
        if wire is not None:
            self._transport._opened(wire)

    def _on_open(self) -> None:
        self._keep_wire()
        try:
            self._begin_writing()
        except Exception as error:  # raised by the program's generate_mask, or for lone surrogates
            self.destroy(error)
        if self._ended or self._closed:
            self._close_if_open()

    def _on_message(self, data: Any, is_binary: bool) -> None:
        if not self._closed:
            self._take_in(data, is_binary)

    def _on_error(self, error: BaseException) -> None:
        if self._destroyed or self._over:
            return
        state = self._ws.ready_state
        if isinstance(error, WebSocketError) and not isinstance(error, HandshakeError):
            closed = ConnectionClosed(1006)
            closed.__cause__ = error
            error = StreamClosed._of(closed)
        self._destroyed = self._closed = True
        self._error = error
        self._end_both(error)
        # After a fault of the peer, the WebSocket itself closes and tells the peer why.
        if state == OPEN:
            self._ws.terminate()

    def _on_close(self, *_: object) -> None:
        self._over = True
        if not self._destroyed:
            closed = closed_error(self._ws)
            error = self._closed_error()
            if closed.close_code not in ORDERLY:
                self._error = error
            self._end_reading(self._error)
            by_us = self._ended or self._closed
            lost = self._dropped or self._connecting or self._sizes
            self._end_writing(error if self._error is not None or lost or not by_us else None)
        self._transport._closed()
        self._over_waiters.done()


def create_websocket_stream(
    websocket: WebSocket, options: Mapping[str, Any] | None = None, /, **keywords: Unpack[StreamOptions]
) -> WebSocketStream:
    """Make a stream over `websocket`. While that is CONNECTING, written data waits for the opening.

    The options are those of Node's `Duplex`: `high_water_mark` (64 KiB; in object mode 16 messages), for one
    end `readable_high_water_mark`, `writable_high_water_mark`; `object_mode`, `readable_object_mode`,
    `writable_object_mode` (False): whole messages instead of bytes; `encoding` (None): read str instead of
    bytes; `decode_strings` (True): a str that is written is encoded, by `default_encoding` ("utf-8"), else
    sent as text; `allow_half_open` (True): False ends the writing when the end has been read. The other
    options of Node are refused. Raises TypeError or ValueError for wrong options.

    The stream takes the messages of `websocket` by a `'message'` listener, and pauses and resumes it.
    """
    if not isinstance(websocket, WebSocket):
        kind = type(websocket).__name__
        raise TypeError(f"create_websocket_stream: websocket must be a WebSocket, not {kind}")
    return WebSocketStream(websocket, stream_options(options, keywords))
