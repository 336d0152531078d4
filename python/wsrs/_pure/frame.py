"""Frames of RFC 6455 section 5: headers, masks, close payloads, and what a peer can do wrong.

Every rule is checked as soon as the byte that breaks it is there, in the order of the bytes, so that a
fault does not depend on how the input was cut.
"""

from __future__ import annotations

from wsrs.errors import WebSocketError

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "FIN",
    "JOINED",
    "MAX_CONTROL_PAYLOAD",
    "PING",
    "PONG",
    "RSV1",
    "TEXT",
    "Header",
    "apply_mask",
    "close_payload",
    "fault",
    "is_valid_close_code",
    "parse_close",
    "parse_header",
    "write_header",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
"""The opcodes (section 11.8). Those with the bit 0x8 are control frames."""

FIN, RSV1 = 0x80, 0x40
_RSV2_RSV3, _OPCODE, _MASK, _LENGTH = 0x30, 0x0F, 0x80, 0x7F

MAX_CONTROL_PAYLOAD = 125
"""Bytes: "All control frames MUST have a payload length of 125 bytes or less" (section 5.5)."""

JOINED = 256 * 1024
"""Bytes of payload up to which a copy behind the header costs less than a write of its own."""

Header = tuple[int, "bytes | None", int, int]
"""First byte, masking key, payload length, and where in the input the header ends."""

_BLOCK = 8 * 1024
"""Bytes that are masked at once: integers beyond that leave the processor's cache."""

_FAULTS = {
    "EXPECTED_FIN": (1002, "Invalid WebSocket frame: FIN must be set"),
    "EXPECTED_MASK": (1002, "Invalid WebSocket frame: MASK must be set"),
    "INVALID_CLOSE_CODE": (1002, "Invalid WebSocket frame: invalid status code {}"),
    "INVALID_CONTROL_PAYLOAD_LENGTH": (1002, "Invalid WebSocket frame: invalid payload length {}"),
    "INVALID_OPCODE": (1002, "Invalid WebSocket frame: invalid opcode {}"),
    "INVALID_UTF8": (1007, "Invalid WebSocket frame: invalid UTF-8 sequence"),
    "UNEXPECTED_MASK": (1002, "Invalid WebSocket frame: MASK must be clear"),
    "UNEXPECTED_RSV_1": (1002, "Invalid WebSocket frame: RSV1 must be clear"),
    "UNEXPECTED_RSV_2_3": (1002, "Invalid WebSocket frame: RSV2 and RSV3 must be clear"),
    "UNSUPPORTED_DATA_PAYLOAD_LENGTH": (1009, "Unsupported WebSocket frame: payload length > 2^53 - 1"),
    "UNSUPPORTED_MESSAGE_LENGTH": (1009, "Max payload size exceeded"),
    "TOO_MANY_BUFFERED_PARTS": (1008, "Too many {}"),
    "Z_DATA_ERROR": (1007, "{}"),
    "ERR_OUT_OF_MEMORY": (1011, "Out of memory"),
}


def fault(name: str, value: object = None) -> WebSocketError:
    """The error for a peer's fault; `name` is its code, without ws's prefix `WS_ERR_`."""
    close_code, message = _FAULTS[name]
    code = name if name in ("Z_DATA_ERROR", "ERR_OUT_OF_MEMORY") else f"WS_ERR_{name}"
    return WebSocketError(message.format(value), code=code, close_code=close_code)


def parse_header(
    data: bytes, at: int, *, is_server: bool, compression: bool, in_message: bool
) -> Header | None:
    """Read the header that begins at `at`; None where more bytes are needed. Raises the peer's fault."""
    available = len(data) - at
    if available < 1:
        return None
    first = data[at]
    if first not in (0x81, 0x82) or in_message:
        _check_first(first, compression, in_message)
    if available < 2:
        return None
    second = data[at + 1]
    length = second & _LENGTH
    _check_second(first & _OPCODE, length, bool(second & _MASK), is_server)
    end = at + 2
    if length == 126:
        end += 2
    elif length == 127:
        # More than 2^53 - 1: something in the eleven highest bits, among them the one of which
        # section 5.2 says "the most significant bit MUST be 0".
        if (available > 2 and data[at + 2]) or (available > 3 and data[at + 3] > 0x1F):
            raise fault("UNSUPPORTED_DATA_PAYLOAD_LENGTH")
        end += 8
    start_of_key = end
    if second & _MASK:
        end += 4
    if len(data) < end:
        return None
    if length > 125:
        # A length in more bytes than it needs is read all the same, as ws does.
        length = int.from_bytes(data[at + 2 : start_of_key], "big")
    return first, data[start_of_key:end] if second & _MASK else None, length, end


def _check_first(first: int, compression: bool, in_message: bool) -> None:
    """FIN, the reserved bits and the opcode."""
    # "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values"
    # (section 5.2); permessage-deflate defines RSV1 alone.
    if first & _RSV2_RSV3:
        raise fault("UNEXPECTED_RSV_2_3")
    if first & RSV1 and not compression:
        raise fault("UNEXPECTED_RSV_1")
    opcode = first & _OPCODE
    # "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_"
    # (section 5.2).
    if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
        raise fault("INVALID_OPCODE", opcode)
    if opcode & 0x8 and not first & FIN:
        raise fault("EXPECTED_FIN")  # control frames "MUST NOT be fragmented" (section 5.5)
    # RFC 7692 section 6.1: not on control frames, nor on the frames of a message behind the first.
    if first & RSV1 and opcode not in (TEXT, BINARY):
        raise fault("UNEXPECTED_RSV_1")
    # A fragmented message is one frame with an opcode, then continuations (section 5.4); between them
    # only control frames may come.
    if not opcode & 0x8 and (opcode == CONTINUATION) != in_message:
        raise fault("INVALID_OPCODE", opcode)


def _check_second(opcode: int, length: int, masked: bool, is_server: bool) -> None:
    """The mask bit, and the length of a control frame."""
    # "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer" (5.5.1).
    if opcode & 0x8 and (length > MAX_CONTROL_PAYLOAD or (opcode == CLOSE and length == 1)):
        raise fault("INVALID_CONTROL_PAYLOAD_LENGTH", length)
    # "a client MUST mask all frames that it sends to the server … A server MUST NOT mask any frames
    # that it sends to the client" (section 5.1).
    if masked != is_server:
        raise fault("EXPECTED_MASK" if is_server else "UNEXPECTED_MASK")


def write_header(first: int, length: int, key: bytes | None) -> bytes:
    """A header; "the minimal number of bytes MUST be used to encode the length" (section 5.2)."""
    masked = 0 if key is None else _MASK
    if length < 126:
        header = bytes((first, masked | length))
    elif length < 0x10000:
        header = bytes((first, masked | 126)) + length.to_bytes(2, "big")
    else:
        header = bytes((first, masked | 127)) + length.to_bytes(8, "big")
    return header if key is None else header + key


def apply_mask(data: bytes, key: bytes, phase: int = 0) -> bytes:
    """Mask or unmask `data` (section 5.3); `phase` is how many bytes of the payload came before it."""
    if phase % 4:
        key = key[phase % 4 :] + key[: phase % 4]
    size = len(data)
    if size <= _BLOCK:
        keys = (key * (size // 4 + 1))[:size]
        return (int.from_bytes(data, "little") ^ int.from_bytes(keys, "little")).to_bytes(size, "little")
    number = int.from_bytes(key * (_BLOCK // 4), "little")
    end = size - size % _BLOCK
    blocks = [
        (int.from_bytes(data[at : at + _BLOCK], "little") ^ number).to_bytes(_BLOCK, "little")
        for at in range(0, end, _BLOCK)
    ]
    return b"".join([*blocks, apply_mask(data[end:], key)])


def is_valid_close_code(code: int) -> bool:
    """Whether an endpoint may send `code`: section 7.4.1 and its registry, and 3000 to 4999 (7.4.2)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def parse_close(payload: bytes, skip_utf8_validation: bool) -> tuple[int, bytes]:
    """Code and reason of a close frame; 1005 where it has none (section 7.1.5)."""
    if not payload:
        return 1005, b""
    code, reason = int.from_bytes(payload[:2], "big"), payload[2:]
    if not is_valid_close_code(code):
        raise fault("INVALID_CLOSE_CODE", code)
    if not skip_utf8_validation:
        try:
            reason.decode()
        except UnicodeDecodeError:
            raise fault("INVALID_UTF8") from None
    return code, reason


def close_payload(code: int | None, reason: bytes) -> bytes:
    """What a close frame carries. Raises ValueError for what must not be sent."""
    if code is None:
        if reason:
            raise ValueError("a close reason needs a close code")
        return b""
    if not is_valid_close_code(code):
        raise ValueError(f"{code} is no close code that an endpoint may send")
    if len(reason) > MAX_CONTROL_PAYLOAD - 2:
        raise ValueError(f"a close reason must not be longer than 123 bytes, not {len(reason)}")
    return code.to_bytes(2, "big") + reason
