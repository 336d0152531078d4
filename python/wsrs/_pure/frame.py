"""Frames of RFC 6455 section 5: headers and masks.

Every rule is checked as soon as the byte that breaks it is there, in the order of the bytes, so that a
fault does not depend on how the input was cut.
"""

from __future__ import annotations

from wsrs._pure.error import fault

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
