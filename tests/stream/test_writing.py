"""The writing end of a stream, which behaves like asyncio's `StreamWriter`."""

from __future__ import annotations

import asyncio

import pytest

import wsrs
from wsrs import WebSocket, create_websocket_stream

from ..conftest import Reports
from ..peers import (
    BINARY,
    RawServer,
    close_frame,
    within,
)
from .conftest import Pair


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

    async def test_writes_while_connecting_wait_for_the_opening(self, raw_server: RawServer) -> None:
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

    async def test_writes_fail_if_the_opening_fails(self, raw_server: RawServer, reports: Reports) -> None:
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

    async def test_of_writes_to_an_ended_connection_only_drain_raises(self, pair: Pair) -> None:
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

    async def test_drain_raises_if_data_was_not_written(self, pair: Pair) -> None:
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
