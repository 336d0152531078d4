"""What a peer may send and what it may not: each row whole, byte by byte, and cut at random places."""

from __future__ import annotations

import random
import zlib
from typing import Any

import pytest

from .conftest import MakeSide
from .harness import frame

FRAME = "Invalid WebSocket frame: "
Event = tuple[Any, ...]


def fail(code: str, close_code: int, message: str) -> Event:
    return ("fail", code, close_code, message)


BAD_UTF8 = fail("WS_ERR_INVALID_UTF8", 1007, f"{FRAME}invalid UTF-8 sequence")
TOO_LONG = fail("WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", 1009, "Max payload size exceeded")
RSV1 = fail("WS_ERR_UNEXPECTED_RSV_1", 1002, f"{FRAME}RSV1 must be clear")
RSV23 = fail("WS_ERR_UNEXPECTED_RSV_2_3", 1002, f"{FRAME}RSV2 and RSV3 must be clear")
HUGE = fail(
    "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH", 1009, "Unsupported WebSocket frame: payload length > 2^53 - 1"
)


def opcode_fault(opcode: int) -> Event:
    return fail("WS_ERR_INVALID_OPCODE", 1002, f"{FRAME}invalid opcode {opcode}")


def length_fault(length: int) -> Event:
    return fail("WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH", 1002, f"{FRAME}invalid payload length {length}")


def code_fault(code: int) -> Event:
    return fail("WS_ERR_INVALID_CLOSE_CODE", 1002, f"{FRAME}invalid status code {code}")


LONG = bytes(range(256)) * 300
TEXT = "κόσμε 😀 " * 200

GOOD: list[tuple[str, bytes, list[Event]]] = [
    ("text", frame(1, b"Hello"), [("text", b"Hello")]),
    ("empty text", frame(1), [("text", b"")]),
    ("empty binary", frame(2), [("binary", b"")]),
    ("125, 126 and 127 bytes", b"".join(frame(2, LONG[:n]) for n in (125, 126, 127)), [("binary", LONG[:n]) for n in (125, 126, 127)]),
    ("65535 and 65536 bytes", frame(2, LONG[:65535]) + frame(2, LONG[:65536]), [("binary", LONG[:65535]), ("binary", LONG[:65536])]),
    ("a length in more bytes than needed", b"\x82\xfe\x00\x01\x00\x00\x00\x00A", [("binary", b"A")]),
    ("long text", frame(1, TEXT.encode()), [("text", TEXT.encode())]),
    ("fragments", frame(1, b"He", fin=False) + frame(0, b"ll", fin=False) + frame(0, b"o"), [("text", b"Hello")]),
    ("empty fragments", frame(2, fin=False) + frame(0, fin=False) + frame(0), [("binary", b"")]),
    ("a character cut by fragments", frame(1, b"\xf0\x9f", fin=False) + frame(0, b"\x98\x80"), [("text", "😀".encode())]),
    (
        "control frames inside of a message",
        frame(2, b"a", fin=False) + frame(9, b"?") + frame(0, b"b", fin=False) + frame(10, b"!") + frame(0, b"c"),
        [("ping", b"?"), ("pong", b"!"), ("binary", b"abc")],
    ),
    ("a ping of 125 bytes", frame(9, b"p" * 125), [("ping", b"p" * 125)]),
    ("close without a code", frame(8), [("close", 1005, b"")]),
    ("close with a reason", frame(8, b"\x03\xe8" + "tschüß".encode()), [("close", 1000, "tschüß".encode())]),
    ("nothing is read behind a close frame", frame(8, b"\x03\xe9") + frame(1, b"x") + b"\xff\xff", [("close", 1001, b"")]),
]  # fmt: skip

BAD: list[tuple[str, bytes, list[Event]]] = [
    ("an unmasked frame", frame(1, b"x", key=None), [fail("WS_ERR_EXPECTED_MASK", 1002, f"{FRAME}MASK must be set")]),
    ("RSV1 without compression", frame(1, b"x", rsv=0x40), [RSV1]),
    ("RSV2", frame(1, b"x", rsv=0x20), [RSV23]),
    ("RSV3 on a control frame", frame(9, rsv=0x10), [RSV23]),
    *((f"opcode {opcode}", frame(opcode), [opcode_fault(opcode)]) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
    ("a continuation of nothing", frame(0, b"x"), [opcode_fault(0)]),
    ("a data frame inside of a message", frame(1, b"a", fin=False) + frame(2, b"b"), [opcode_fault(2)]),
    *(
        (f"a fragmented control frame {opcode}", frame(opcode, fin=False), [fail("WS_ERR_EXPECTED_FIN", 1002, f"{FRAME}FIN must be set")])
        for opcode in (8, 9, 10)
    ),
    ("a ping of 126 bytes", frame(9, bytes(126)), [length_fault(126)]),
    ("a pong of 65536 bytes", frame(10, bytes(65536)), [length_fault(127)]),
    ("a close frame of one byte", frame(8, b"\x03"), [length_fault(1)]),
    *(
        (f"close code {code}", frame(8, code.to_bytes(2, "big")), [code_fault(code)])
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
    ),
    ("a reason that is no UTF-8", frame(8, b"\x03\xe8\xff"), [BAD_UTF8]),
    ("text that is no UTF-8", frame(1, b"ok") + frame(1, b"\xce\xba\xed\xa0\x80"), [("text", b"ok"), BAD_UTF8]),
    ("unfinished text", frame(1, b"a\xe2\x82"), [BAD_UTF8]),
    ("bad text in the first of two fragments", frame(1, b"\xff", fin=False) + frame(0), [BAD_UTF8]),
    ("2^63", b"\x82\xff" + (2**63).to_bytes(8, "big"), [HUGE]),
    ("2^64 - 1", b"\x82\xff" + b"\xff" * 8, [HUGE]),
    ("2^53", b"\x82\xff" + (2**53).to_bytes(8, "big"), [HUGE]),
    ("2^53 - 1 is above max_payload", b"\x82\xff" + (2**53 - 1).to_bytes(8, "big") + bytes(4), [TOO_LONG]),
]  # fmt: skip


def cuts(data: bytes) -> list[list[bytes]]:
    """The same bytes whole, one by one (unless there are too many), and cut at random places."""
    ways = [[data]]
    if len(data) < 2000:
        ways.append([data[at : at + 1] for at in range(len(data))])
    random_places = random.Random(data)
    for count in (1, 2, 5, 20):
        places = sorted(random_places.randrange(len(data) + 1) for _ in range(count))
        ways.append([data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)])
    return ways


def rows(table: list[tuple[str, bytes, list[Event]]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("data", "events"), [pytest.param(*row[1:], id=row[0]) for row in table])


@rows(GOOD + BAD)
def test_a_server_gets_the_same_events_however_the_bytes_are_cut(
    side: MakeSide, data: bytes, events: list[Event]
) -> None:
    for pieces in cuts(data):
        server = side(is_server=True)
        server.feed(*pieces)
        assert server.events == events


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999])
def test_close_codes_that_may_be_sent_arrive(side: MakeSide, code: int) -> None:
    server = side()
    server.feed(frame(8, code.to_bytes(2, "big") + b"why"))
    assert server.events == [("close", code, b"why")]


def test_a_client_takes_unmasked_frames_and_no_others(side: MakeSide) -> None:
    for pieces in cuts(frame(1, b"Hello", key=None) + frame(2, b"masked")):
        client = side(is_server=False)
        client.feed(*pieces)
        masked = fail("WS_ERR_UNEXPECTED_MASK", 1002, f"{FRAME}MASK must be clear")
        assert client.events == [("text", b"Hello"), masked]


def test_skipped_validation_lets_everything_through(side: MakeSide) -> None:
    data = frame(1, b"\xff\xfe") + frame(1, b"\xc3", fin=False) + frame(0, b"(") + frame(8, b"\x03\xe8\xff")
    for pieces in cuts(data):
        server = side(skip_utf8_validation=True)
        server.feed(*pieces)
        assert server.events == [("text", b"\xff\xfe"), ("text", b"\xc3("), ("close", 1000, b"\xff")]


@pytest.mark.parametrize(
    ("data", "fits"),
    [
        (frame(2, bytes(10)), True),
        (frame(2, bytes(11)), False),
        (frame(2, bytes(6), fin=False) + frame(0, bytes(4)), True),
        (frame(2, bytes(6), fin=False) + frame(0, bytes(5)), False),
        (b"\x82\xff" + (1 << 40).to_bytes(8, "big") + bytes(4), False),
    ],
)
def test_max_payload_holds_for_the_whole_message_when_the_header_is_read(
    side: MakeSide, data: bytes, fits: bool
) -> None:
    for pieces in cuts(data):
        server = side(max_payload=10)
        server.feed(*pieces)
        assert server.events == ([("binary", bytes(10))] if fits else [TOO_LONG])


def test_one_fragment_too_many_is_refused(side: MakeSide) -> None:
    server = side(max_fragments=3)
    server.feed(frame(2, b"a", fin=False), frame(0, b"b", fin=False), frame(9), frame(0, b"c"))
    server.feed(frame(2, fin=False), frame(0, fin=False), frame(0, fin=False), frame(0, fin=False))
    too_many = fail("WS_ERR_TOO_MANY_BUFFERED_PARTS", 1008, "Too many message fragments")
    assert server.events == [("ping", b""), ("binary", b"abc"), too_many]


def test_pieces_are_counted_only_if_they_are_kept_apart(side: MakeSide) -> None:
    server = side(max_buffered_chunks=2)
    long_frame = frame(2, bytes(100_000))
    server.feed(*(long_frame[at : at + 100] for at in range(0, len(long_frame), 100)))
    assert server.events == [("binary", bytes(100_000))]
    server.connection.binary_type = "fragments"
    server.feed(frame(2, b"a", fin=False), frame(0, fin=False), frame(0, b"b", fin=False), frame(0, b"c"))
    assert server.events[1:] == [fail("WS_ERR_TOO_MANY_BUFFERED_PARTS", 1008, "Too many buffered chunks")]


def test_a_flood_of_fragments_ends_at_the_limit(side: MakeSide) -> None:
    server = side()
    server.feed(frame(2, b"x", fin=False) + frame(0, b"x", fin=False) * 20_000)
    assert [event[:3] for event in server.events] == [("fail", "WS_ERR_TOO_MANY_BUFFERED_PARTS", 1008)]


@pytest.mark.parametrize(
    ("form", "whole", "parts"),
    [
        ("nodebuffer", b"ab", b"abc"),
        ("arraybuffer", bytearray(b"ab"), bytearray(b"abc")),
        ("fragments", [b"ab"], [b"a", b"bc"]),
    ],
)
def test_binary_types(side: MakeSide, form: str, whole: object, parts: object) -> None:
    data = (
        frame(2, b"ab")
        + frame(2, b"a", fin=False)
        + frame(0, fin=False)
        + frame(0, b"bc")
        + frame(1, b"text")
    )
    for pieces in cuts(data):
        server = side()
        server.connection.binary_type = form
        server.feed(*pieces)
        assert server.events == [("binary", whole), ("binary", parts), ("text", b"text")]
        assert [type(event[1]) for event in server.events] == [type(whole), type(parts), bytes]
    with pytest.raises(ValueError, match="unknown binary type"):
        side().connection.binary_type = "blob"


# Compression ----------------------------------------------------------------------------------


def agreed(core: Any, is_server: bool = True, **offer: bool | str) -> Any:
    """A negotiated `PerMessageDeflate`."""
    deflate = core.PerMessageDeflate(is_server=is_server)
    deflate.accept([{name: [value] for name, value in offer.items()}])
    return deflate


def compress(*messages: bytes, flush: int = zlib.Z_SYNC_FLUSH) -> list[bytes]:
    """The compressed payloads of messages, with context takeover."""
    engine = zlib.compressobj(wbits=-15)
    payloads = [engine.compress(message) + engine.flush(flush) for message in messages]
    return [payload.removesuffix(b"\x00\x00\xff\xff") for payload in payloads]


def test_compressed_messages_share_their_history(core: Any, side: MakeSide) -> None:
    first, second = compress(b"Hello, Hello, Hello", b"Hello, Hello, Hello")
    assert len(second) < len(first)
    data = (
        frame(1, first, rsv=0x40)
        + frame(2, b"plain")
        + frame(1, second[:2], rsv=0x40, fin=False)
        + frame(0, second[2:])
    )
    for pieces in cuts(data):
        server = side(deflate=agreed(core))
        server.feed(*pieces)
        assert server.events == [
            ("text", b"Hello, Hello, Hello"),
            ("binary", b"plain"),
            ("text", b"Hello, Hello, Hello"),
        ]


def test_without_context_takeover_each_message_stands_alone(core: Any, side: MakeSide) -> None:
    (first,), (second,) = compress(b"Hello" * 3), compress(b"world" * 3)
    for pieces in cuts(frame(1, first, rsv=0x40) + frame(1, second, rsv=0x40)):
        server = side(deflate=agreed(core, client_no_context_takeover=True))
        server.feed(*pieces)
        assert server.events == [("text", b"Hello" * 3), ("text", b"world" * 3)]


@pytest.mark.parametrize("rest", [b"", b"\x00"])
def test_a_block_with_bfinal_does_not_end_the_history(core: Any, side: MakeSide, rest: bytes) -> None:
    engine = zlib.compressobj(wbits=-15)
    final = engine.compress(b"once upon a time") + engine.flush()
    again = zlib.compressobj(wbits=-15, zdict=b"once upon a time")
    second = (again.compress(b"once upon a time") + again.flush(zlib.Z_SYNC_FLUSH))[:-4]
    for pieces in cuts(
        frame(2, final + rest, rsv=0x40) + frame(2, second, rsv=0x40) + frame(2, final + second, rsv=0x40)
    ):
        server = side(deflate=agreed(core))
        server.feed(*pieces)
        assert server.events == [("binary", b"once upon a time")] * 2 + [("binary", b"once upon a time" * 2)]


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff\xff\xff",
        b"\x06abc",
        compress(b"some text that is long enough")[0][:-3],
        b"\x01\x05\x00\x00\x00hello",
    ],
)
def test_a_bad_stream_is_the_peers_fault(core: Any, side: MakeSide, payload: bytes) -> None:
    for pieces in cuts(frame(2, payload, rsv=0x40)):
        server = side(deflate=agreed(core))
        server.feed(*pieces)
        assert [event[:3] for event in server.events] == [("fail", "Z_DATA_ERROR", 1007)]


def test_empty_compressed_messages_arrive(core: Any, side: MakeSide) -> None:
    for pieces in cuts(
        frame(1, b"\x00", rsv=0x40) + frame(1, b"", rsv=0x40) + frame(2, b"\x01\x00\x00\xff\xff", rsv=0x40)
    ):
        server = side(deflate=agreed(core))
        server.feed(*pieces)
        assert server.events == [("text", b""), ("text", b""), ("binary", b"")]


def test_inflated_text_is_validated_before_a_later_fault(core: Any, side: MakeSide) -> None:
    engine = zlib.compressobj(wbits=-15)
    payload = engine.compress(b"\xff" * 10) + engine.flush(zlib.Z_SYNC_FLUSH) + b"\xff\xff\xff"
    for pieces in cuts(frame(1, payload, rsv=0x40)):
        server = side(deflate=agreed(core))
        server.feed(*pieces)
        assert server.events == [BAD_UTF8]


@pytest.mark.parametrize(("size", "fits"), [(999, True), (1000, True), (1001, False), (30_000_000, False)])
def test_max_payload_holds_for_the_inflated_message(core: Any, side: MakeSide, size: int, fits: bool) -> None:
    (payload,) = compress(bytes(size))
    payload = payload if len(payload) <= 1000 else payload[:1000]
    for pieces in cuts(frame(2, payload, rsv=0x40)):
        server = side(deflate=agreed(core), max_payload=1000)
        server.feed(*pieces)
        assert server.events == ([("binary", bytes(size))] if fits else [TOO_LONG])


@pytest.mark.parametrize(
    "data",
    [
        frame(9, rsv=0x40),
        frame(8, rsv=0x40),
        frame(2, b"a", fin=False) + frame(0, b"b", rsv=0x40),
        frame(2, compress(b"a")[0], fin=False, rsv=0x40) + frame(0, b"b", rsv=0x40),
    ],
)
def test_rsv1_belongs_to_the_first_frame_of_a_message(core: Any, side: MakeSide, data: bytes) -> None:
    for pieces in cuts(data):
        server = side(deflate=agreed(core))
        server.feed(*pieces)
        assert server.events == [RSV1]
