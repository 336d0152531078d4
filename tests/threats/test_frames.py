"""Frames that lie about their length, exceed a limit or break a rule, in both roles and on both cores."""

from __future__ import annotations

import array
import time
import zlib
from typing import Any

import pytest

from .conftest import Bytes, resident

MIB = 1024 * 1024


def deflated(data: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-15)
    return (squeeze.compress(data) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]


def verdict(side: Any) -> tuple[str, int]:
    """The name and close code of the fault, which must be the only event."""
    ((kind, name, close_code, _),) = side.events
    assert kind == "fail"
    return name, close_code


def header(role: Bytes, length: int) -> bytes:
    mask = b"" if role.key is None else role.key
    return bytes([0x82, 127 | (0x80 if mask else 0)]) + length.to_bytes(8, "big") + mask


@pytest.mark.parametrize("length", [2**53, 2**63 - 1, 2**63, 2**64 - 1])
def test_an_impossible_length_is_refused_when_its_header_is_read(role: Bytes, length: int) -> None:
    side = role.side(max_payload=0)
    side.feed(header(role, length))
    assert verdict(side) == ("WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH", 1009)


def test_a_length_beyond_the_limit_is_refused_when_its_header_is_read(role: Bytes) -> None:
    side = role.side(max_payload=MIB)
    side.feed(header(role, MIB + 1))
    assert verdict(side) == ("WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", 1009)


@pytest.mark.measures
def test_a_declared_gibibyte_costs_only_the_bytes_that_arrived(role: Bytes) -> None:
    before = resident()
    sides = [role.side(max_payload=0) for _ in range(10)]
    for side in sides:
        side.feed(header(role, 1 << 30))
        for _ in range(200):
            side.feed(b"x" * 1000)
        assert side.events == []
    # 2 MB have arrived.
    assert resident() - before < 16 * MIB


@pytest.mark.parametrize("size", [999, 1000, 1001])
@pytest.mark.parametrize(
    "how", ["one frame", "many frames", "single bytes", "compressed", "compressed bytes"]
)
def test_limits_hold_exactly(role: Bytes, how: str, size: int) -> None:
    data = b"m" * size
    compressed = "compressed" in how
    payload = deflated(data) if compressed else data
    step = {"one frame": size, "many frames": 100, "compressed": size}.get(how, 1)
    parts = [payload[at : at + step] for at in range(0, len(payload), step)]
    frames = b"".join(
        role.frame(
            0 if at else 2,
            part,
            fin=at == len(parts) - 1,
            rsv=0x40 if compressed and at == 0 else 0,
        )
        for at, part in enumerate(parts)
    )
    side = role.side(max_payload=1000, deflate=compressed)
    side.feed(frames)
    if size <= 1000:
        assert side.events == [("binary", data)]
    else:
        assert verdict(side) == ("WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", 1009)


@pytest.mark.parametrize("fragments", [False, True])
@pytest.mark.measures
def test_a_decompression_bomb_costs_no_more_than_the_limit(role: Bytes, fragments: bool) -> None:
    bomb = deflated(bytes(64 * MIB))
    step = 100 if fragments else len(bomb)
    parts = [bomb[at : at + step] for at in range(0, len(bomb), step)]
    side = role.side(deflate=True, max_payload=MIB)
    before = resident()
    for at, part in enumerate(parts):
        side.feed(role.frame(0 if at else 2, part, fin=at == len(parts) - 1, rsv=0 if at else 0x40))
    held: list[int] = []

    def look() -> None:
        held.append(resident())
        if not side.events:
            side.loop.call_later(0.001, look)

    # A thread inflates it, and must not hold more meanwhile either.
    look()
    side.wait()
    assert verdict(side) == ("WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", 1009)
    assert max(*held, resident()) - before < 8 * MIB


# RSV1 is allowed on the first frame of a message: permessage-deflate defines it.
RESERVED = [
    (opcode, rsv, deflate)
    for opcode in (0, 1, 2, 8, 9, 10)
    for rsv in range(0x10, 0x80, 0x10)
    for deflate in (False, True)
    if not (deflate and rsv == 0x40 and opcode in (1, 2))
]


@pytest.mark.parametrize(("opcode", "rsv", "deflate"), RESERVED)
def test_reserved_bits_without_an_extension_are_refused(
    role: Bytes, opcode: int, rsv: int, deflate: bool
) -> None:
    side = role.side(deflate=deflate)
    if opcode == 0:
        side.feed(role.frame(2, fin=False))
    side.feed(role.frame(opcode, b"", rsv=rsv))
    name = "WS_ERR_UNEXPECTED_RSV_2_3" if rsv & 0x30 else "WS_ERR_UNEXPECTED_RSV_1"
    assert verdict(side) == (name, 1002)


def test_every_other_rule_of_a_frame_is_enforced(role: Bytes) -> None:
    other = b"\x12\x34\x56\x78" if role.key is None else None
    mask = "WS_ERR_UNEXPECTED_MASK" if role.key is None else "WS_ERR_EXPECTED_MASK"
    start = role.frame(2, b"a", fin=False)
    rows = [
        (role.frame(1, b"x", key=other), mask, 1002),
        *((role.frame(opcode), "WS_ERR_INVALID_OPCODE", 1002) for opcode in (*range(3, 8), *range(11, 16))),
        *((role.frame(opcode, fin=False), "WS_ERR_EXPECTED_FIN", 1002) for opcode in (8, 9, 10)),
        *(
            (role.frame(opcode, bytes(126)), "WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH", 1002)
            for opcode in (8, 9, 10)
        ),
        (role.frame(0, b"x"), "WS_ERR_INVALID_OPCODE", 1002),
        (start + role.frame(1, b"x"), "WS_ERR_INVALID_OPCODE", 1002),
        (start + role.frame(2, b"x"), "WS_ERR_INVALID_OPCODE", 1002),
        (role.frame(8, b"\x03"), "WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH", 1002),
        (role.frame(8, b"\x03\xe8\xff"), "WS_ERR_INVALID_UTF8", 1007),
        (role.frame(1, b"\xed\xa0\x80"), "WS_ERR_INVALID_UTF8", 1007),
    ]
    for data, name, close_code in rows:
        side = role.side()
        side.feed(data)
        assert verdict(side) == (name, close_code), data


def test_every_close_code_is_taken_or_refused_as_the_rfc_says(role: Bytes) -> None:
    """RFC 6455 section 7.4: 1000 to 1003, 1007 to 1014 and 3000 to 4999 may be sent."""
    allowed = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}
    for code in [*range(5100), *range(5100, 65536, 97), 65535]:
        side = role.side()
        side.feed(role.frame(8, code.to_bytes(2, "big")))
        if code in allowed:
            assert side.events == [("close", code, b"")]
        else:
            assert verdict(side) == ("WS_ERR_INVALID_CLOSE_CODE", 1002), code


@pytest.mark.parametrize(
    "bad", [b"\x07", b"\xff" * 20, deflated(b"hello")[:-2], b"\x00\x05\x00\x00\x00hello"]
)
def test_a_bad_deflate_stream_ends_with_an_error(role: Bytes, bad: bytes) -> None:
    side = role.side(deflate=True)
    side.feed(role.frame(2, bad, rsv=0x40))
    ((kind, _, close_code, _),) = side.events
    assert (kind, close_code) == ("fail", 1007)


@pytest.mark.measures
def test_single_bytes_of_a_long_frame_take_linear_time_and_twice_its_memory(role: Bytes) -> None:
    """Compare 64 KiB with 512 KiB, where each byte comes in a read of its own."""

    def seconds(size: int) -> float:
        data = role.frame(2, bytes(size))
        side = role.side()
        get, put = side.transport.protocol.get_buffer, side.transport.protocol.buffer_updated
        before, begin = resident(), time.process_time()
        for byte in data:
            get(-1)[0] = byte
            put(1)
        assert side.events == [("binary", bytes(size))]
        assert resident() - before < 2 * size + 4 * MIB
        return time.process_time() - begin

    seconds(1024)
    assert seconds(512 * 1024) < 24 * seconds(64 * 1024) + 0.05


@pytest.mark.measures
def test_a_frame_of_4_mib_in_small_segments_costs_twice_its_size_at_most(role: Bytes) -> None:
    size = 4 * MIB
    data = role.frame(2, bytes(size))
    side = role.side()
    before = most = resident()
    for at in range(0, len(data), 61):
        side.feed(data[at : at + 61])
        if at % (61 * 1000) == 0:
            most = max(most, resident())
    assert side.events == [("binary", bytes(size))]
    assert most - before < 2 * size + MIB


@pytest.mark.parametrize(
    "data",
    [
        memoryview(bytes(range(20)))[::2],
        memoryview(b"read-only"),
        bytearray(b"writable"),
        array.array("I", [1, 2, 3]),
        memoryview(array.array("d", [1.5, 2.5])),
        memoryview(bytes(12)).cast("B", (3, 4)),
        b"",
        12,
        [1, 2, 255],
    ],
    ids=lambda data: type(data).__name__,
)
def test_a_ping_carries_exactly_the_bytes_of_its_data(role: Bytes, data: Any) -> None:
    expected = str(data).encode() if isinstance(data, int) else bytes(memoryview(bytes(data)))
    if hasattr(data, "tobytes"):
        expected = data.tobytes()
    side = role.side()
    side.connection.ping(data)
    output = side.take_output()
    payload = output[2:]
    if not role.is_server:
        payload = bytes(byte ^ output[2 + at % 4] for at, byte in enumerate(output[6:]))
    assert payload == expected


@pytest.mark.parametrize("data", [b"x" * 126, True, object(), 3.0j, {}, [256], [-1]])
def test_bad_data_for_a_ping_is_an_error_and_sends_nothing(role: Bytes, data: Any) -> None:
    side = role.side()
    with pytest.raises((TypeError, ValueError)):
        side.connection.ping(data)
    assert side.take_output() == b""
