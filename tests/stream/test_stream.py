"""`create_websocket_stream`: the states of its WebSocket, its ends, and its errors."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import wsrs
from wsrs import WebSocket, create_websocket_stream
from wsrs.stream import StreamClosed

from ..conftest import Reports, Serve
from ..peers import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    RawServer,
    close_frame,
    frame,
    listen,
    opening,
    raw_client,
    within,
)
from .conftest import Pair, streams


class TestEnding:
    async def test_write_eof_is_a_close_frame_without_a_code(self, pair: Pair) -> None:
        stream, peer = pair
        assert stream.can_write_eof()
        stream.write(b"last")
        stream.write_eof()
        stream.write_eof()
        assert not stream.is_closing()
        with pytest.raises(RuntimeError, match=r"write\(\) called after write_eof\(\)"):
            stream.write(b"more")
        with pytest.raises(RuntimeError, match=r"writelines\(\) called after write_eof\(\)"):
            stream.writelines([b"more"])
        assert [(await peer.frame())[:2] for _ in range(2)] == [(BINARY, b"last"), (CLOSE, b"")]
        await within(stream.drain())
        # The peer may still send until it has answered.
        peer.write(frame(BINARY, b"still"))
        assert await within(stream.read(100)) == b"still"
        peer.hang_up(frame(BINARY, b" here") + close_frame(None))
        assert await within(stream.read()) == b" here"
        await within(stream.wait_closed())
        assert stream.is_closing()
        await within(stream.drain())

    async def test_write_eof_between_two_streams(self, serve: Serve) -> None:
        client, server = await streams(serve)
        client.write(b"request")
        server.write(b"greeting")
        client.write_eof()
        assert await within(server.read()) == b"request"
        assert await within(client.read()) == b"greeting"
        await within(asyncio.gather(client.wait_closed(), server.wait_closed()))

    async def test_close_sends_written_data_and_drops_what_arrives(self, pair: Pair) -> None:
        stream, peer = pair
        peer.write(frame(BINARY, b"x" * 200_000) + frame(PING))
        stream.websocket.pause()
        stream.write(b"last")
        stream.close()
        stream.close()
        assert stream.is_closing()
        frames = [await peer.frame() for _ in range(2)]
        assert [each[:2] for each in frames] == [(BINARY, b"last"), (CLOSE, b"")]
        peer.hang_up(close_frame(None))
        await within(stream.wait_closed())
        assert await within(stream.read()) == b""
        stream.write(b"too late")
        with pytest.raises(ConnectionResetError):
            await within(stream.drain())

    async def test_close_while_connecting_waits_for_the_opening(self, raw_server: RawServer) -> None:
        stream = create_websocket_stream(WebSocket(raw_server.url))
        stream.write(b"all")
        stream.close()
        peer = await raw_server.accept()
        assert [(await peer.frame())[:2] for _ in range(2)] == [(BINARY, b"all"), (CLOSE, b"")]
        peer.hang_up(close_frame(None, mask=None))
        await within(stream.wait_closed())
        assert await within(stream.read()) == b""

    async def test_destroy_terminates(self, pair: Pair) -> None:
        stream, peer = pair
        reading = asyncio.ensure_future(stream.read())
        await asyncio.sleep(0)
        stream.destroy()
        stream.destroy()
        with pytest.raises(wsrs.ConnectionClosed):
            await within(reading)
        with pytest.raises(ConnectionResetError):
            await within(stream.drain())
        await within(stream.wait_closed())
        assert await peer.at_end()

    async def test_destroy_with_an_error_tells_both_ends(self, pair: Pair) -> None:
        stream, peer = pair
        wrong: Any = "text"
        with pytest.raises(TypeError, match="error must be an exception, not str"):
            stream.destroy(wrong)
        error = KeyError("mine")
        stream.destroy(error)
        for wait in (stream.read(), stream.drain(), stream.wait_closed()):
            with pytest.raises(KeyError) as caught:
                await within(wait)
            assert caught.value is error
        assert stream.exception() is error
        assert await peer.at_end()

    async def test_destroy_while_connecting(self, raw_server: RawServer, reports: Reports) -> None:
        stream = create_websocket_stream(WebSocket(raw_server.url))
        stream.write(b"never")
        stream.transport.abort()
        await within(stream.wait_closed())
        with pytest.raises(wsrs.ConnectionClosed):
            await within(stream.read())

    async def test_a_stream_over_a_closed_websocket(self, pair: Pair, serve: Serve) -> None:
        stream, peer = pair
        peer.hang_up(close_frame(4000, b"why"))
        await within(stream.websocket.wait_closed())
        late = create_websocket_stream(stream.websocket)
        for wait in (late.wait_closed(), late.read(), late.drain()):
            with pytest.raises(wsrs.ConnectionClosed, match=r"4000.*why"):
                await within(wait)

    async def test_a_stream_gets_messages_that_wait_in_the_websocket(self, serve: Serve) -> None:
        server = await serve()
        connection = listen(server, "connection")
        peer = await raw_client(server)
        ws, _ = await within(connection)
        peer.hang_up(frame(BINARY, b"1") + frame(BINARY, b"2") + close_frame(1000))
        await within(ws.wait_closed())
        assert await within(create_websocket_stream(ws).read()) == b"12"
        await peer.close()


class TestErrors:
    @pytest.mark.parametrize("code", [1002, 1011, 4000])
    async def test_a_disorderly_close_is_no_end_of_file(self, pair: Pair, code: int) -> None:
        stream, peer = pair
        peer.hang_up(frame(BINARY, b"all") + frame(BINARY, b"that came") + close_frame(code, b"why"))
        await within(stream.websocket.wait_closed())
        assert await within(stream.readexactly(12)) == b"allthat came"
        for _ in range(2):
            with pytest.raises(wsrs.ConnectionClosed, match=f"{code}.*'why'") as caught:
                await within(stream.read(1))
        assert isinstance(caught.value, ConnectionResetError)
        assert (caught.value.close_code, caught.value.reason) == (code, "why")
        with pytest.raises(wsrs.ConnectionClosed):
            await within(stream.drain())

    async def test_a_fault_of_the_peer_reaches_both_ends_and_the_peer(self, pair: Pair) -> None:
        stream, peer = pair
        waits = [asyncio.ensure_future(wait) for wait in (stream.read(), stream.wait_closed())]
        peer.write(frame(5))
        answer = await peer.frame()
        assert (answer.opcode, answer.payload) == (CLOSE, b"\x03\xea")
        peer.hang_up()
        for wait in (*waits, stream.drain()):
            with pytest.raises(wsrs.ConnectionClosed) as caught:
                await within(wait)
            assert caught.value.code == "WS_ERR_INVALID_OPCODE"
            assert isinstance(caught.value.__cause__, wsrs.WebSocketError)

    async def test_an_error_of_the_program_reaches_both_ends_and_the_peer(self, pair: Pair) -> None:
        stream, peer = pair

        async def fail(data: bytes) -> None:
            raise KeyError(data)

        stream.websocket.on("ping", fail)
        peer.write(frame(PING, b"x"))
        with pytest.raises(KeyError):
            await within(stream.read())
        with pytest.raises(KeyError):
            await within(stream.drain())
        assert (await peer.frame()).opcode == PONG
        assert await peer.at_end()

    async def test_an_error_that_a_read_can_still_raise_is_not_reported(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        ws = WebSocket(raw_server.url)
        waiting = opening(ws)
        stream = create_websocket_stream(ws)
        (await raw_server.peer()).reset()
        with pytest.raises((wsrs.HandshakeError, OSError)):
            await within(waiting)
        with pytest.raises((wsrs.HandshakeError, OSError)):
            await within(stream.read())


async def test_a_stream_whose_first_mask_cannot_be_made_ends_with_its_error(
    serve: Serve, reports: Reports
) -> None:
    def generate_mask(mask: bytearray) -> None:
        raise LookupError("no mask")

    ws = wsrs.WebSocket((await serve()).url, generate_mask=generate_mask)
    stream = wsrs.create_websocket_stream(ws)
    stream.write(b"early")
    stream.transport.set_write_buffer_limits(high=3)
    assert stream.transport.get_write_buffer_size() == 5
    with pytest.raises(LookupError, match="no mask"):
        await within(stream.wait_closed())


async def test_a_stream_over_a_handshake_that_failed(reports: Reports) -> None:
    ws = wsrs.WebSocket("ws://127.0.0.1:1")
    ws.on("error", lambda error: None)
    await within(ws.wait_closed())
    stream = wsrs.create_websocket_stream(ws)
    with pytest.raises(StreamClosed):
        await within(stream.wait_closed())
    assert stream.get_extra_info("peername", "none") == "none"


async def test_a_stream_of_objects_that_become_bytes_before_the_opening(echo: Any) -> None:
    ws = wsrs.WebSocket(echo.url)
    stream = wsrs.create_websocket_stream(ws, object_mode=True)
    for data in (wsrs.Blob([b"blob"]), [1, 2]):
        stream.write(data)
        await within(ws.wait_open())
        assert await within(stream.read()) in (b"blob", b"\x01\x02")
    assert stream.get_extra_info("socket") is not None
    assert stream.get_extra_info("socket").fileno() == stream.get_extra_info("socket").fileno()
    stream.transport.set_write_buffer_limits(high=100)
    assert stream.transport.get_write_buffer_limits() == (25, 100)
    stream.close()
    await within(stream.wait_closed())
