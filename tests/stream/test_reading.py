"""The reading end of a stream, which behaves like asyncio's `StreamReader`."""

from __future__ import annotations

import asyncio

import pytest

from wsrs import create_websocket_stream

from ..conftest import Serve
from ..peers import (
    BINARY,
    PING,
    PONG,
    TEXT,
    close_frame,
    frame,
    listen,
    raw_client,
    within,
)
from .conftest import Pair, streams


async def test_a_stream_after_a_first_recv_reads_the_rest(serve: Serve) -> None:
    server = await serve()
    connection = listen(server, "connection")
    peer = await raw_client(server)
    ws, _ = await within(connection)
    peer.write(frame(TEXT, b"login") + frame(BINARY, b"x" * 4096) * 100)
    assert await within(ws.recv()) == "login"
    stream = create_websocket_stream(ws)
    peer.write(frame(BINARY, b"y" * 4096) * 100)
    assert await within(stream.readexactly(4096 * 200)) == b"x" * 409_600 + b"y" * 409_600
    await peer.close()


class TestReading:
    async def test_reads_do_not_depend_on_the_bounds_of_messages(self, pair: Pair) -> None:
        stream, peer = pair
        peer.write(frame(TEXT, b"one\ntwo") + frame(BINARY, b"") + frame(BINARY, b"\nthree"))
        assert await within(stream.readline()) == b"one\n"
        assert await within(stream.readexactly(5)) == b"two\nt"
        assert await within(stream.read(0)) == b""
        assert await within(stream.readexactly(0)) == b""
        assert await within(stream.read(100)) == b"hree"

    async def test_a_separator_cut_in_two_is_found(self, pair: Pair) -> None:
        stream, peer = pair
        for piece in (b"a\r", b"\n", b"b\r\r\nc"):
            peer.write(frame(BINARY, piece))
        assert await within(stream.readuntil(b"\r\n")) == b"a\r\n"
        assert await within(stream.readuntil((b"\r\n", b"c"))) == b"b\r\r\n"
        assert await within(stream.readuntil((b"\r\n", b"c"))) == b"c"

    async def test_lines(self, pair: Pair) -> None:
        stream, peer = pair
        peer.hang_up(frame(BINARY, b"1\n\n2") + frame(BINARY, b"2\nlast") + close_frame(1000))
        assert [line async for line in stream] == [b"1\n", b"\n", b"22\n", b"last"]
        assert await within(stream.readline()) == b""

    async def test_reads_at_the_end_give_the_rest_and_then_nothing(self, pair: Pair) -> None:
        stream, peer = pair
        peer.hang_up(frame(BINARY, b"rest") + close_frame(1001))
        await within(stream.websocket.wait_closed())
        assert not stream.at_eof()
        assert await within(stream.read(2)) == b"re"
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await within(stream.readexactly(3))
        assert (caught.value.partial, caught.value.expected) == (b"st", 3)
        assert stream.at_eof()
        assert stream.exception() is None
        assert [await within(stream.read()), await within(stream.read(5))] == [b"", b""]
        with pytest.raises(asyncio.IncompleteReadError):
            await within(stream.readuntil())
        await within(stream.wait_closed())

    async def test_read_gives_everything_up_to_the_end(self, pair: Pair) -> None:
        stream, peer = pair
        reading = asyncio.ensure_future(stream.read())
        data = bytes(range(256)) * 2000
        for place in range(0, len(data), 50_000):
            peer.write(frame(BINARY, data[place : place + 50_000]))
        peer.hang_up(close_frame(None))
        assert await within(reading) == data

    async def test_a_read_may_exceed_the_mark(self, pair: Pair) -> None:
        stream, peer = pair
        data = bytes(range(256)) * 2000
        for place in range(0, len(data), 1000):
            peer.write(frame(BINARY, data[place : place + 1000]))
        assert await within(stream.readexactly(len(data))) == data

    async def test_a_line_longer_than_the_mark_is_dropped(self, serve: Serve) -> None:
        client, server = await streams(serve, readable_high_water_mark=10)
        server.write(b"x" * 11 + b"\nshort\n")
        with pytest.raises(asyncio.LimitOverrunError) as caught:
            await within(client.readuntil())
        assert caught.value.consumed == 11
        with pytest.raises(ValueError, match="limit of 10"):
            await within(client.readline())
        assert await within(client.readline()) == b"short\n"
        server.write(b"y" * 12)
        with pytest.raises(ValueError, match="limit of 10"):
            await within(client.readline())
        server.write(b"z\n")
        assert await within(client.readline()) == b"z\n"

    async def test_bad_arguments_of_reads_are_errors(self, pair: Pair) -> None:
        stream, peer = pair
        with pytest.raises(ValueError, match="at least 0, not -1"):
            await stream.readexactly(-1)
        for separator in (b"", (), (b"a", b"")):
            with pytest.raises(ValueError, match="must not be empty"):
                await stream.readuntil(separator)
        with pytest.raises(TypeError, match="must be bytes, not str"):
            await stream.readuntil("\n")
        reading = asyncio.ensure_future(stream.read(1))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match=r"readline\(\) called while another task is already waiting"):
            await stream.readline()
        peer.write(frame(BINARY, b"1"))
        assert await within(reading) == b"1"

    async def test_a_cancelled_read_loses_nothing(self, pair: Pair) -> None:
        stream, peer = pair
        reading = asyncio.ensure_future(stream.readexactly(2))
        peer.write(frame(BINARY, b"1") + frame(PING))
        assert (await peer.frame()).opcode == PONG
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        peer.write(frame(BINARY, b"2"))
        assert await within(stream.readexactly(2)) == b"12"

    async def test_messages_that_came_before_the_stream_are_read(self, serve: Serve) -> None:
        server = await serve()
        connection = listen(server, "connection")
        peer = await raw_client(server, then=frame(BINARY, b"1") + frame(PING))
        ws, _ = await within(connection)
        assert (await peer.frame()).opcode == PONG
        assert await within(create_websocket_stream(ws).read(5)) == b"1"
        await peer.close()
