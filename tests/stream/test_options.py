"""The options of `create_websocket_stream`: each works, or is refused with its name."""

from __future__ import annotations

from typing import Any

import pytest

import wsrs
from wsrs import create_websocket_stream

from ..conftest import Serve
from ..peers import close_frame, frame, listen, raw_client, within

REFUSED = [
    *("autoDestroy", "emitClose", "signal", "readable", "writable"),
    *("construct", "destroy", "final", "read", "write", "writev"),
]


@pytest.fixture
async def ws(serve: Serve) -> Any:
    """A server's WebSocket; its client is `ws.peer`, which speaks bytes."""
    server = await serve()
    connection = listen(server, "connection")
    peer = await raw_client(server)
    ws, _ = await within(connection)
    ws.peer = peer
    yield ws
    await peer.close()


class TestRefusals:
    @pytest.mark.parametrize("name", REFUSED)
    async def test_options_of_node_without_a_meaning_are_named(self, ws: Any, name: str) -> None:
        with pytest.raises(
            TypeError, match=f"create_websocket_stream: option '{name}' of Node is not accepted: "
        ):
            create_websocket_stream(ws, {name: True})

    async def test_options_of_node_are_named_in_their_pep_8_spelling_too(self, ws: Any) -> None:
        options: Any = {"auto_destroy": False}
        with pytest.raises(TypeError, match="option 'auto_destroy' of Node is not accepted"):
            create_websocket_stream(ws, **options)

    async def test_an_unknown_option_of_a_stream_is_named(self, ws: Any) -> None:
        options: Any = {"objectmode": True}
        with pytest.raises(TypeError, match=r"unknown option 'objectmode'; the nearest .* 'object_mode'"):
            create_websocket_stream(ws, options)

    @pytest.mark.parametrize(
        ("options", "error", "said"),
        [
            ({"highWaterMark": -1}, ValueError, "highWaterMark must be at least 0, not -1"),
            ({"readable_high_water_mark": 1.5}, TypeError, "readable_high_water_mark must be an int"),
            ({"objectMode": 1}, TypeError, "objectMode must be a bool"),
            ({"encoding": "hex"}, ValueError, "encoding must be a text encoding, not 'hex'"),
            ({"encoding": 8}, TypeError, "encoding must be a str"),
            ({"default_encoding": "no-such"}, ValueError, "default_encoding must be a text encoding"),
            ({"encoding": "utf8", "objectMode": True}, ValueError, "encoding is for bytes"),
            ({"decode_strings": True, "writableObjectMode": True}, ValueError, "decode_strings is for bytes"),
            ({"default_encoding": "utf8", "object_mode": True}, ValueError, "default_encoding is for bytes"),
            (
                {"default_encoding": "utf8", "decode_strings": False},
                ValueError,
                "default_encoding has no use",
            ),
        ],
    )
    async def test_a_wrong_value_of_a_stream_option_is_named(
        self, ws: Any, options: Any, error: type[Exception], said: str
    ) -> None:
        with pytest.raises(error, match=said):
            create_websocket_stream(ws, options)

    async def test_a_stream_needs_a_websocket(self) -> None:
        nothing: Any = object()
        with pytest.raises(TypeError, match="websocket must be a WebSocket, not object"):
            create_websocket_stream(nothing)


class TestEncoding:
    @pytest.mark.parametrize(("encoding", "codec"), [("utf8", "utf-8"), ("utf16le", "utf-16-le")])
    async def test_characters_cut_by_messages_are_decoded_whole(
        self, ws: Any, encoding: str, codec: str
    ) -> None:
        stream = create_websocket_stream(ws, {"encoding": encoding})
        for byte in "Grüße 🚀\nzwei".encode(codec):
            ws.peer.write(frame(2, bytes([byte])))
        ws.peer.hang_up(close_frame(1000))
        assert await within(stream.readexactly(4)) == "Grüß"
        assert await within(stream.readline()) == "e 🚀\n"
        assert await within(stream.read()) == "zwei"
        assert await within(stream.read()) == ""

    async def test_bytes_that_cannot_be_decoded_become_ufffd(self, ws: Any) -> None:
        stream = create_websocket_stream(ws, encoding="utf-8")
        ws.peer.hang_up(frame(2, b"a\xffb\xe2\x82") + close_frame(1000))
        assert await within(stream.read()) == "a\ufffdb\ufffd"

    async def test_with_an_encoding_separators_are_str(self, ws: Any) -> None:
        stream = create_websocket_stream(ws, encoding="utf-8")
        with pytest.raises(TypeError, match="a separator must be str, not bytes"):
            await stream.readuntil(b"--")
        ws.peer.write(frame(2, b"a--b"))
        assert await within(stream.readuntil("--")) == "a--"


class TestStrings:
    async def test_strings_are_sent_encoded(self, ws: Any) -> None:
        create_websocket_stream(ws).write("ü")
        assert (await ws.peer.frame())[:2] == (2, b"\xc3\xbc")

    async def test_strings_are_sent_in_the_default_encoding(self, ws: Any) -> None:
        create_websocket_stream(ws, {"defaultEncoding": "latin1"}).writelines(["ü", b"x"])
        assert (await ws.peer.frame())[:2] == (2, b"\xfcx")

    async def test_strings_may_be_sent_as_text(self, ws: Any) -> None:
        stream = create_websocket_stream(ws, decode_strings=False)
        stream.write("ü")
        stream.writelines([b"1", "2"])
        assert [(await ws.peer.frame())[:2] for _ in range(3)] == [(1, b"\xc3\xbc"), (2, b"1"), (1, b"2")]


class TestHalfOpen:
    async def test_by_default_the_program_ends_the_writing(self, ws: Any) -> None:
        stream = create_websocket_stream(ws)
        ws.peer.hang_up(close_frame(1000))
        assert await within(stream.read()) == b""
        stream.write(b"too late")
        with pytest.raises(ConnectionResetError, match="1000"):
            await within(stream.drain())

    async def test_without_half_open_the_writing_ends_once_the_end_is_read(self, ws: Any) -> None:
        stream = create_websocket_stream(ws, {"allowHalfOpen": False})
        ws.peer.hang_up(frame(2, b"x") + close_frame(1000))
        await within(stream.wait_closed())
        assert await within(stream.read()) == b"x"
        with pytest.raises(RuntimeError, match=r"write\(\) called after write_eof\(\)"):
            stream.write(b"too late")


class TestObjectMode:
    async def test_object_mode_reads_whole_messages(self, ws: Any) -> None:
        stream = create_websocket_stream(ws, readable_object_mode=True)
        ws.peer.write(frame(1, "ü".encode()) + frame(2, b"") + frame(1, b"") + frame(2, b"x"))
        ws.peer.hang_up(frame(2, b"y") + close_frame(1000))
        assert [await within(stream.read()) for _ in range(3)] == ["ü", b"", ""]
        assert [message async for message in stream] == [b"x", b"y"]
        assert await within(stream.read()) is None
        assert stream.at_eof()
        stream_out = create_websocket_stream(ws, readableObjectMode=True)
        assert await within(stream_out.read()) is None

    @pytest.mark.parametrize("form", ["nodebuffer", "arraybuffer", "fragments", "blob"])
    async def test_object_mode_reads_in_the_form_of_the_binary_type(self, ws: Any, form: str) -> None:
        ws.binary_type = form
        stream = create_websocket_stream(ws, object_mode=True)
        ws.peer.write(frame(2, b"ab", fin=False) + frame(0, b"cd"))
        message = await within(stream.read())
        expected = {
            "nodebuffer": b"abcd",
            "arraybuffer": bytearray(b"abcd"),
            "fragments": [b"ab", b"cd"],
            "blob": wsrs.Blob(b"abcd"),
        }
        assert message == expected[form]

    @pytest.mark.parametrize("form", ["nodebuffer", "arraybuffer", "fragments", "blob"])
    async def test_a_stream_of_bytes_is_the_same_in_each_form(self, ws: Any, form: str) -> None:
        ws.binary_type = form
        stream = create_websocket_stream(ws)
        ws.peer.write(frame(2, b"ab", fin=False) + frame(0, b"cd") + frame(1, b"e"))
        data = await within(stream.readexactly(5))
        assert (type(data), data) == (bytes, b"abcde")

    async def test_object_mode_writes_what_send_takes(self, ws: Any) -> None:
        stream = create_websocket_stream(ws, {"writableObjectMode": True})
        stream.writelines(["text", b"", 12, [1, 2], wsrs.Blob(b"blob")])
        got = [(await ws.peer.frame())[:2] for _ in range(5)]
        assert got == [(1, b"text"), (2, b""), (1, b"12"), (2, b"\1\2"), (2, b"blob")]
        with pytest.raises(TypeError):
            stream.write(None)
        assert stream.transport.get_write_buffer_size() <= 1

    async def test_object_mode_takes_no_number_of_bytes(self, ws: Any) -> None:
        stream = create_websocket_stream(ws, object_mode=True)
        with pytest.raises(ValueError, match="takes no number of bytes: 5"):
            await stream.read(5)
        for read in (stream.readline(), stream.readuntil(), stream.readexactly(1)):
            with pytest.raises(RuntimeError, match="reads whole messages"):
                await read
