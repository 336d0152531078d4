"""What goes over the wire for each call that sends."""

from __future__ import annotations

import array
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import MakeSide
from .harness import KEY, fixed_mask, frame


class Bytes:
    def __bytes__(self) -> bytes:
        return b"bytes"


class Buffer:
    def __buffer__(self, flags: int) -> memoryview:
        return memoryview(b"buffer")


DATA: list[tuple[object, int, bytes]] = [
    ("text ☃", 1, "text ☃".encode()),
    ("", 1, b""),
    (42, 1, b"42"),
    (-1.5, 1, b"-1.5"),
    (b"bytes", 2, b"bytes"),
    (bytearray(b"array"), 2, b"array"),
    (memoryview(b"view"), 2, b"view"),
    (memoryview(b"s.t.r.i.d.e.d")[::2], 2, b"strided"),
    (array.array("H", [1, 2]), 2, array.array("H", [1, 2]).tobytes()),
    ([0, 1, 255], 2, b"\x00\x01\xff"),
    ((7,), 2, b"\x07"),
    ([], 2, b""),
    (Bytes(), 2, b"bytes"),
    (Buffer(), 2, b"buffer"),
]


@pytest.mark.parametrize(("data", "opcode", "payload"), DATA, ids=lambda value: type(value).__name__)
def test_every_type_of_data(side: MakeSide, data: object, opcode: int, payload: bytes) -> None:
    server = side()
    server.connection.send(data)
    server.connection.send(data, binary=True)
    server.connection.send(data, binary=False)
    server.connection.ping(data)
    server.connection.pong(data)
    opcodes = (opcode, 2, 1, 9, 10)
    assert server.take_output() == b"".join(frame(each, payload, key=None) for each in opcodes)


@pytest.mark.parametrize(
    ("data", "error"),
    [(None, TypeError), (True, TypeError), (object(), TypeError), ({"a": 1}, TypeError), ([256], ValueError), ([-1], ValueError), (["a"], TypeError), ("\ud800", ValueError)],
    ids=repr,
)  # fmt: skip
def test_data_that_cannot_be_sent_is_an_error_and_sends_nothing(
    side: MakeSide, data: object, error: type[Exception]
) -> None:
    server = side()
    with pytest.raises(error):
        server.connection.send(data)
    if data is not None:
        with pytest.raises(error):
            server.connection.ping(data)
    assert server.take_output() == b""


def test_a_type_error_names_the_type(side: MakeSide) -> None:
    with pytest.raises(TypeError, match="not dict"):
        side().connection.send({})


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 300_000])
def test_lengths_take_the_fewest_bytes(side: MakeSide, size: int) -> None:
    payload = bytes(range(256)) * (size // 256 + 1)
    server = side()
    server.connection.send(payload[:size])
    assert server.take_output() == frame(2, payload[:size], key=None)
    client = side(is_server=False, generate_mask=fixed_mask)
    client.connection.send(payload[:size])
    assert client.take_output() == frame(2, payload[:size])


def test_masks_are_fresh_and_may_be_chosen(side: MakeSide) -> None:
    client = side(is_server=False)
    for _ in range(3000):
        client.connection.send(b"")
    output = client.take_output()
    keys = {output[at : at + 4] for at in range(2, len(output), 6)}
    assert len(output) == 18_000
    assert len(keys) > 2990
    client.connection.send(b"x", mask=False)
    assert client.take_output() == frame(2, b"x", key=None)
    server = side(generate_mask=fixed_mask)
    server.connection.ping(b"x", mask=True)
    assert server.take_output() == frame(9, b"x")


def test_a_generate_mask_that_fails_sends_nothing(side: MakeSide) -> None:
    def refuse(key: bytearray) -> None:
        raise LookupError("no entropy")

    client = side(is_server=False, generate_mask=refuse)
    with pytest.raises(LookupError):
        client.connection.send("x", fin=False)
    assert client.take_output() == b""
    shrinking = side(is_server=False, generate_mask=bytearray.clear)
    with pytest.raises(ValueError, match="generate_mask"):
        shrinking.connection.send("x")


def test_a_message_may_be_sent_in_fragments(side: MakeSide) -> None:
    server = side()
    server.connection.send("a", fin=False)
    server.connection.send(b"b", fin=False)
    server.connection.ping()
    server.connection.send("c")
    server.connection.send(b"d")
    parts = frame(1, b"a", fin=False, key=None), frame(0, b"b", fin=False, key=None), frame(9, key=None)
    assert server.take_output() == b"".join(parts) + frame(0, b"c", key=None) + frame(2, b"d", key=None)


@pytest.mark.parametrize("kind", ["ping", "pong"])
def test_control_frames_have_at_most_125_bytes(side: MakeSide, kind: str) -> None:
    server = side()
    getattr(server.connection, kind)(b"x" * 125)
    with pytest.raises(ValueError, match="125 bytes, not 126"):
        getattr(server.connection, kind)(b"x" * 126)
    assert len(server.take_output()) == 127


def test_close_frames(side: MakeSide) -> None:
    server = side()
    server.connection.send_close(None, b"")
    server.connection.send_close(4999, b"r" * 123)
    assert server.take_output() == frame(8, key=None) + frame(8, b"\x13\x87" + b"r" * 123, key=None)
    for code, reason in [
        (1000, b"r" * 124),
        (None, b"why"),
        (1005, b""),
        (1006, b""),
        (999, b""),
        (5000, b""),
    ]:
        with pytest.raises(ValueError, match="close"):
            server.connection.send_close(code, reason)
    assert server.take_output() == b""


def test_pings_are_answered_before_the_owner_is_notified(side: MakeSide) -> None:
    client = side(is_server=False, generate_mask=fixed_mask)
    client.feed(frame(9, b"are you there", key=None))
    assert client.take_output() == frame(10, b"are you there", key=KEY)
    silent = side(auto_pong=False)
    silent.feed(frame(9))
    assert (silent.take_output(), silent.events) == (b"", [("ping", b"")])


def test_pongs_that_cannot_be_written_are_bounded(side: MakeSide) -> None:
    server = side(max_pending_auto_pongs=3)
    server.transport.hold = True
    server.connection.send(b"fills the transport")
    server.tick()
    for number in range(10):
        server.feed(frame(9, b"%d" % number))
    server.transport.hold = False
    server.transport.drain()
    pongs = b"".join(frame(10, b"%d" % number, key=None) for number in range(3))
    assert server.take_output() == frame(2, b"fills the transport", key=None) + pongs
    server.feed(frame(9, b"again"))
    assert server.take_output() == frame(10, b"again", key=None)
    assert len(server.events) == 11


# Compression ----------------------------------------------------------------------------------


def compressing(
    core: Any, side: MakeSide, offer: dict[str, list[str | bool]] | None = None, **options: Any
) -> Any:
    deflate = core.PerMessageDeflate(is_server=True, **options)
    deflate.accept([offer or {}])
    return side(deflate=deflate)


def payload_of(output: bytes) -> bytes:
    """The payload of an unmasked frame."""
    return output[{126: 4, 127: 10}.get(output[1], 2) :]


def inflater() -> Callable[[bytes], bytes]:
    """Inflates the payloads of one side, given in turn."""
    engine = zlib.decompressobj(wbits=-15)
    return lambda payload: engine.decompress(payload + b"\x00\x00\xff\xff")


def test_messages_are_compressed_with_their_history(core: Any, side: MakeSide) -> None:
    server, inflate = compressing(core, side), inflater()
    sizes = []
    for _ in range(2):
        server.connection.send("one message like another")
        output = server.take_output()
        assert output[0] == 0xC1
        assert inflate(output[2:]) == b"one message like another"
        sizes.append(len(output))
    assert sizes[1] < sizes[0]
    server.connection.send(b"not this one", compress=False)
    assert server.take_output() == frame(2, b"not this one", key=None)


def test_without_context_takeover_the_threshold_decides(core: Any, side: MakeSide) -> None:
    server = compressing(core, side, server_no_context_takeover=True, threshold=20)
    server.connection.send(b"x" * 19)
    assert server.take_output() == frame(2, b"x" * 19, key=None)
    for _ in range(2):
        server.connection.send(b"x" * 20)
        output = server.take_output()
        assert output[0] == 0xC2
        assert inflater()(output[2:]) == b"x" * 20
    server.connection.send(b"short", fin=False)
    server.connection.send(b"x" * 50)
    assert server.take_output() == frame(2, b"short", fin=False, key=None) + frame(0, b"x" * 50, key=None)


def test_fragments_are_compressed_as_one_message(core: Any, side: MakeSide) -> None:
    server, inflate = compressing(core, side), zlib.decompressobj(wbits=-15)
    message = b""
    firsts = []
    for data, fin in [(b"a" * 50, False), (b"", False), (b"b" * 50, False), (b"", True)]:
        server.connection.send(data, fin=fin)
        output = server.take_output()
        firsts.append(output[0])
        message += inflate.decompress(output[2:])
    message += inflate.decompress(b"\x00\x00\xff\xff")
    assert firsts == [0x42, 0x00, 0x00, 0x80]
    assert message == b"a" * 50 + b"b" * 50


def test_an_empty_message_is_one_byte(core: Any, side: MakeSide) -> None:
    server = compressing(core, side)
    for _ in range(2):
        server.connection.send(b"")
        assert server.take_output() == b"\xc2\x01\x00"


def test_a_window_of_8_bits_is_never_compressed_with(core: Any, side: MakeSide) -> None:
    server = compressing(core, side, server_max_window_bits=8)
    server.connection.send(b"x" * 2000)
    assert server.take_output() == frame(2, b"x" * 2000, key=None)
    client_deflate = core.PerMessageDeflate(is_server=False)
    client_deflate.accept([{"client_max_window_bits": ["8"]}])
    client = side(is_server=False, deflate=client_deflate, generate_mask=fixed_mask)
    client.connection.send("x" * 2000)
    assert client.take_output() == frame(1, b"x" * 2000)


@pytest.mark.parametrize("bits", [9, 12, 15])
def test_smaller_windows_are_kept(core: Any, side: MakeSide, bits: int) -> None:
    server = compressing(core, side, {"server_max_window_bits": [str(bits)]}, level=9)
    message = bytes(range(256)) * 4 + b"#" * (1 << bits) + bytes(range(256))
    engine = zlib.decompressobj(wbits=-bits)
    for _ in range(3):
        server.connection.send(message)
        output = server.take_output()
        assert engine.decompress(payload_of(output) + b"\x00\x00\xff\xff") == message


@pytest.mark.parametrize(
    "settings",
    [{"level": 0}, {"level": 9}, {"mem_level": 1}, {"mem_level": 9}, {"strategy": 2}, {"strategy": 4}],
)
def test_zlib_gets_the_settings_of_the_options(core: Any, side: MakeSide, settings: dict[str, Any]) -> None:
    message = b"All work and no play makes Jack a dull boy. " * 50
    server, plain = compressing(core, side, **settings), compressing(core, side)
    server.connection.send(message)
    plain.connection.send(message)
    output = server.take_output()
    assert inflater()(payload_of(output)) == message
    if settings in ({"level": 0}, {"strategy": 2}):
        assert len(output) > len(plain.take_output())
