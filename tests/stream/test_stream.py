"""`create_websocket_stream`: reading and writing, as asyncio's streams do it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import wsrs
from wsrs import WebSocket, create_websocket_stream

from ..conftest import Reports, Serve
from ..peers import (
    BINARY,
    PING,
    PONG,
    TEXT,
    Peer,
    RawServer,
    close_frame,
    frame,
    listen,
    raw_client,
    within,
)

Pair = tuple[Any, Peer]


@pytest.fixture
async def pair(serve: Serve) -> Any:
    """A stream over a server's WebSocket, and its client, which speaks bytes."""
    server = await serve()
    connection = listen(server, "connection")
    peer = await raw_client(server)
    ws, _ = await within(connection)
    yield create_websocket_stream(ws), peer
    await peer.close()


async def streams(serve: Serve, **options: Any) -> tuple[Any, Any]:
    """A client's stream and the server's."""
    server = await serve()
    connection = listen(server, "connection")
    client = create_websocket_stream(WebSocket(server.url), options)
    ws, _ = await within(connection)
    return client, create_websocket_stream(ws, options)


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
    async def test_bytes_do_not_know_the_bounds_of_messages(self, pair: Pair) -> None:
        stream, peer = pair
        peer.write(frame(TEXT, b"one\ntwo") + frame(BINARY, b"") + frame(BINARY, b"\nthree"))
        assert await within(stream.readline()) == b"one\n"
        assert await within(stream.readexactly(5)) == b"two\nt"
        assert await within(stream.read(0)) == b""
        assert await within(stream.readexactly(0)) == b""
        assert await within(stream.read(100)) == b"hree"

    async def test_a_separator_cut_in_two(self, pair: Pair) -> None:
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

    async def test_the_end(self, pair: Pair) -> None:
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

    async def test_everything(self, pair: Pair) -> None:
        stream, peer = pair
        reading = asyncio.ensure_future(stream.read())
        data = bytes(range(256)) * 2000
        for place in range(0, len(data), 50_000):
            peer.write(frame(BINARY, data[place : place + 50_000]))
        peer.hang_up(close_frame(None))
        assert await within(reading) == data

    async def test_more_than_the_mark_at_once(self, pair: Pair) -> None:
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

    async def test_mistakes(self, pair: Pair) -> None:
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

    async def test_what_came_before_there_was_a_stream(self, serve: Serve) -> None:
        server = await serve()
        connection = listen(server, "connection")
        peer = await raw_client(server, then=frame(BINARY, b"1") + frame(PING))
        ws, _ = await within(connection)
        assert (await peer.frame()).opcode == PONG
        assert await within(create_websocket_stream(ws).read(5)) == b"1"
        await peer.close()


class TestWriting:
    async def test_a_write_is_a_message(self, pair: Pair) -> None:
        stream, peer = pair
        stream.write(b"1")
        stream.write(b"")
        stream.write(memoryview(b"2345")[::2])
        stream.writelines([b"6", bytearray(b"7"), b""])
        await within(stream.drain())
        assert [(await peer.frame())[:2] for _ in range(3)] == [
            (BINARY, b"1"),
            (BINARY, b"24"),
            (BINARY, b"67"),
        ]
        for wrong in (5, None, [1], object()):
            with pytest.raises(TypeError, match="must be bytes-like or a str"):
                stream.write(wrong)

    async def test_while_connecting_it_waits_for_the_opening(self, raw_server: RawServer) -> None:
        stream = create_websocket_stream(WebSocket(raw_server.url))
        data = bytearray(b"1")
        stream.write(data)
        data[0] = 0
        stream.writelines([b"2", b"3"])
        assert stream.transport.get_write_buffer_size() == 3
        await within(stream.drain())
        assert stream.get_extra_info("peername") is None
        peer = await raw_server.accept()
        assert [(await peer.frame()).payload for _ in range(2)] == [b"1", b"23"]
        assert stream.get_extra_info("peername") == ("127.0.0.1", raw_server.port)

    async def test_that_fails_where_the_opening_does(self, raw_server: RawServer, reports: Reports) -> None:
        stream = create_websocket_stream(WebSocket(raw_server.url), writable_high_water_mark=0)
        stream.write(b"1")
        tasks = [
            asyncio.ensure_future(wait) for wait in (stream.drain(), stream.read(), stream.wait_closed())
        ]
        peer = await raw_server.peer()
        await peer.head()
        peer.hang_up(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        for task in tasks:
            with pytest.raises(wsrs.HandshakeError, match="403"):
                await within(task)
        assert stream.is_closing()
        stream.write(b"2")
        with pytest.raises(wsrs.HandshakeError, match="403"):
            await within(stream.drain())

    async def test_to_an_ended_connection_only_drain_raises(self, pair: Pair) -> None:
        stream, peer = pair
        peer.hang_up(close_frame(1000, b"bye"))
        await within(stream.websocket.wait_closed())
        assert stream.is_closing()
        stream.write(b"1")
        for _ in range(2):
            with pytest.raises(ConnectionResetError, match=r"1000.*bye") as caught:
                await within(stream.drain())
        assert isinstance(caught.value, wsrs.ConnectionClosed)
        await within(stream.wait_closed())

    async def test_so_it_does_for_an_unwritten_rest(self, pair: Pair) -> None:
        stream, peer = pair
        stream.write(b"x" * 50_000_000)
        draining = asyncio.ensure_future(stream.drain())
        await asyncio.sleep(0)
        peer.reset()
        with pytest.raises(ConnectionResetError, match="1006"):
            await within(draining)
        with pytest.raises(ConnectionResetError, match="1006"):
            await within(stream.read())
        with pytest.raises(wsrs.ConnectionClosed, match="1006"):
            await within(stream.wait_closed())
