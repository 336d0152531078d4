"""Bytes in, events out: the receiving half of a connection, without I/O.

Rules kept here:

- It is pulled: `next` gives one event at a time, so that the caller may do anything in between.
- Memory follows what has arrived, never what a header claims; limits are checked when a header is read.
- No event follows a fault or a close frame (RFC 6455 sections 5.5.1 and 7.1.7).
"""

from __future__ import annotations

from wsrs._pure.close import parse_close
from wsrs._pure.deflate import Inflater
from wsrs._pure.error import fault
from wsrs._pure.frame import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    RSV1,
    TEXT,
    Header,
    apply_mask,
    parse_header,
)
from wsrs._pure.hold import CONCLUDED, NEXT_SLICE, PAUSED, READ_AHEAD, STALLED
from wsrs._pure.message import Message
from wsrs._pure.ping_scan import PingScan
from wsrs.errors import WebSocketError

__all__ = ["Event", "Receiver"]

Event = tuple[int, bytes | list[bytes] | tuple[int, bytes]]
"""An opcode, with the data of a message (a list of its frames' data while `keep_fragments` is set), of a ping
or of a pong, or with the code and reason of a close frame."""


class Receiver:
    """The receiving half of a connection; 0 switches a limit off."""

    __slots__ = (
        "_at",
        "_data",
        "_finished",
        "_inflater",
        "_is_server",
        "_limits",
        "_message",
        "_scan",
        "_validate",
        "_worked",
        "keep_fragments",
    )

    def __init__(
        self,
        *,
        is_server: bool,
        max_payload: int = 0,
        max_fragments: int = 0,
        max_buffered_chunks: int = 0,
        skip_utf8_validation: bool = False,
        inflater: Inflater | None = None,
    ) -> None:
        self._is_server = is_server
        self._limits = (max_payload, max_fragments, max_buffered_chunks)
        self._validate = not skip_utf8_validation
        self._inflater = inflater
        self._message: Message | None = None
        self._finished = False
        self._worked = False
        self._data = b""
        self._at = 0
        self._scan: PingScan | None = None
        """Present only while bytes that were searched for pings wait."""
        self.keep_fragments = False
        """True if, from the next message on, a binary message is the list of its frames' data."""

    # The backlog: received bytes that are not read yet --------------------------------------------

    def push(self, data: bytes) -> None:
        """Add received bytes."""
        if not self._finished:  # pragma: no branch: a connection gives it nothing after the end
            self._data = self._data[self._at :] + data if self._at < len(self._data) else data
            self._at = 0
            if self._scan is not None:
                self._scan.unseen += len(data)

    def push_front(self, data: bytes) -> None:
        """Put bytes in front of all that wait."""
        self._data = data + self._data[self._at :]
        self._at = 0

    def clear(self) -> None:
        """Drop the bytes that wait."""
        self._data, self._at = b"", 0

    @property
    def waiting(self) -> int:
        """The number of received bytes that are not read yet."""
        return len(self._data) - self._at

    def has_enough(self, hold: int, read_ahead: int) -> bool:
        """True if the transport must not read while these bytes are not delivered because of `hold`."""
        if not hold or hold & CONCLUDED:
            return False
        if hold & NEXT_SLICE and self.waiting:
            return True
        return self.waiting >= read_ahead if hold & (PAUSED | STALLED) else self.waiting > READ_AHEAD

    def next_ping(self) -> bytes | None:
        """The payload of the next ping among the bytes that wait; each is given once."""
        scan = self._scan
        if scan is None or scan.unseen > self.waiting:  # the receiver has read beyond it
            scan = self._scan = self._ping_scan()
        return scan.next_ping(self._data)

    def met_ping(self) -> bool:
        """Whether the ping that `next` returned last was returned by `next_ping` before."""
        return self._scan is not None and self._scan.met()

    def _ping_scan(self) -> PingScan:
        message = self._message
        scan = PingScan(
            is_server=self._is_server,
            compression=self._inflater is not None,
            # A message that a thread still inflates may have arrived completely.
            in_message=message is not None and not message.is_last_frame,
            skip=0 if message is None else message.missing,
        )
        scan.unseen = self.waiting
        return scan

    # Events ---------------------------------------------------------------------------------------

    def finish(self) -> None:
        """No further event will come: drop what is under way."""
        self._finished = True
        self._message = self._inflater = self._scan = None
        self._data = b""
        self._at = 0

    def take_work(self) -> Message | None:
        """Return the message that a thread has to inflate (`inflate_rest`, then `give_work`), or None."""
        message = self._message
        return message if message is not None and message.is_long else None

    def give_work(self, error: BaseException | None) -> None:
        """The work from `take_work` is done, or has failed with `error`."""
        message = self._message
        assert message is not None  # this is not called once the receiver has finished
        message.worked(error)
        self._worked = True

    @property
    def has_ready(self) -> bool:
        """Whether `next` has something without more input, because a thread has inflated it."""
        return self._worked and self._message is not None

    def next(self) -> Event | None:
        """Return the next event, or None if that needs more input or work. Raises the peer's fault, once."""
        try:
            event = None if self._finished else self._advance()
        except MemoryError:  # pragma: no cover: a machine without free memory
            self.finish()
            raise fault("ERR_OUT_OF_MEMORY") from None
        except WebSocketError:
            self.finish()
            raise
        if event is None and self._at:
            # An idle connection keeps at most a part of a header.
            self._data = self._data[self._at :]
            self._at = 0
            if self._scan is not None and (not self._data or self._scan.unseen > len(self._data)):
                self._scan = None
        return event

    def _advance(self) -> Event | None:
        while True:
            message = self._message
            if message is not None and message.is_long:
                return None
            if message is not None and self._worked:
                self._worked = False
                event = self._end_of_piece(message)
            elif message is not None and message.missing:
                event = self._payload(message)
                if event is None and message.missing:
                    return None
            else:
                header = parse_header(
                    self._data,
                    self._at,
                    is_server=self._is_server,
                    compression=self._inflater is not None,
                    in_message=message is not None,
                )
                if header is None:
                    return None
                if header[0] & 0x8:
                    return self._control(header)
                event = self._begin(header)
            if event is not None:
                return event

    def _control(self, header: Header) -> Event | None:
        first, key, length, start = header
        end = start + length
        if end > len(self._data):
            return None  # It has at most 125 bytes, and is read again when all of it has arrived.
        self._at = end
        payload = self._data[start:end]
        if key is not None:
            payload = apply_mask(payload, key)
        opcode = first & 0x0F
        if opcode != CLOSE:
            return opcode, payload
        # "after sending a control frame indicating the connection should be closed, a peer does not
        # send any further data" (section 1.4), so what follows is not read.
        self.finish()
        return CLOSE, parse_close(payload, not self._validate)

    def _begin(self, header: Header) -> Event | None:
        """Begin a data frame. A message that is one plain frame and has arrived whole is finished at once."""
        first, key, length, start = header
        end = start + length
        self._at = start
        max_payload = self._limits[0]
        opcode = first & 0x0F
        plain = first & FIN and opcode != CONTINUATION and not first & RSV1
        if (
            plain
            and end <= len(self._data)
            and not (self.keep_fragments and opcode == BINARY)
            and not 0 < max_payload < length
        ):
            self._at = end
            payload = self._data[start:end]
            if key is not None:
                payload = apply_mask(payload, key)
            if opcode == TEXT and self._validate and not payload.isascii():
                _check_utf8(payload)
            return opcode, payload
        message = self._message
        if message is None:
            inflater = self._inflater if first & RSV1 else None
            kept = self.keep_fragments and opcode == BINARY
            message = self._message = Message(opcode, inflater, self._validate, kept, self._limits)
        message.begin_frame(bool(first & FIN), key, length)
        # Also if there is no payload: then the frame is complete.
        return self._payload(message)

    def _payload(self, message: Message) -> Event | None:
        """Take the part of a data frame's payload that has arrived."""
        end = min(self._at + message.missing, len(self._data))
        piece = self._data[self._at : end]
        self._at = end
        message.take(piece)
        return None if message.is_long else self._end_of_piece(message)

    def _end_of_piece(self, message: Message) -> Event | None:
        message.check()
        if message.missing:
            return None
        if not message.is_last_frame:
            message.end_frame()
            return None
        self._message = None
        return message.opcode, message.finish()


def _check_utf8(data: bytes) -> None:
    """Section 8.1: "When an endpoint … finds that the byte stream is not, in fact, a valid UTF-8 stream"."""
    try:
        data.decode()
    except UnicodeDecodeError:
        raise fault("INVALID_UTF8") from None
