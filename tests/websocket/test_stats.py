"""`WebSocket.stats`, compared with peers that count bytes themselves; messages dropped for slow peers."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

import wsrs
from wsrs import Traffic, WebSocket

from ..conftest import Reports, Serve
from ..peers import (
    MASK,
    PING,
    PONG,
    TEXT,
    Peer,
    frame,
    gather_into,
    listen,
    raw_client,
    upgrade_request,
    within,
)

NOTHING = Traffic(0, 0, 0)
Pair = Callable[..., Any]


@pytest_asyncio.fixture(params=["engine", "loop"])
async def pair(request: pytest.FixtureRequest, serve: Serve, tmp_path: Path) -> AsyncIterator[Pair]:
    """Makes a server, one of its WebSockets, and the peer, which speaks bytes.

    The connection is on the core's own sockets ("engine") or on a transport of the event loop ("loop").
    """
    closers: list[Any] = []

    async def make(fields: dict[str, Any] | None = None, then: bytes = b"", **options: Any) -> Any:
        fields = fields or {}
        if request.param == "engine":
            server = await serve(**options)
            came = listen(server, "connection")
            peer = await raw_client(server, then=then, **fields)
        else:
            server = cast(Any, wsrs.WebSocketServer)(no_server=True, **options)
            came = listen(server, "connection")
            peer = await _by_hand(server, closers, upgrade_request(**fields), then)
        ws, _ = await within(came)
        return server, ws, peer

    yield make
    for listening in closers:
        listening.close()


async def _by_hand(server: Any, closers: list[Any], asked: bytes, then: bytes) -> Peer:
    """Hand over a connection that asyncio's streams have accepted."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        lines = [line.partition(b": ") for line in asked[:-4].split(b"\r\n")[1:]]
        head = {name.decode(): value.decode() for name, _, value in lines}
        request = wsrs.http.Request(
            "GET", "/", wsrs.http.Headers(list(head.items())), "1.1", cast(Any, writer.transport)
        )
        rest = bytes(reader._buffer)  # type: ignore[attr-defined]
        server.handle_upgrade(request, writer, rest, lambda ws, req: server.emit("connection", ws, req))

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    closers.append(listening)
    peer = Peer(*await asyncio.open_connection("127.0.0.1", listening.sockets[0].getsockname()[1]))
    peer.write(asked + then)
    assert (await peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
    return peer


class TestOfAWebSocket:
    async def test_messages_and_bytes_each_way(self, pair: Pair) -> None:
        server, ws, peer = await pair()
        full = asyncio.Event()
        ws.on("message", gather_into([], 3, full))
        sent = frame(TEXT, "äh".encode()) + frame(2, b"x" * 70_000) + frame(TEXT, b"", mask=MASK)
        peer.write(sent)
        await within(full.wait())
        assert ws.stats().received == Traffic(3, 3 + 70_000, len(sent))
        assert ws.stats().sent == NOTHING
        ws.send("ä")
        await ws.send(bytes(70_000))
        await peer.frame()
        await peer.frame()
        assert ws.stats().sent == Traffic(2, 2 + 70_000, 2 + 2 + 10 + 70_000)
        assert server.stats().sent == ws.stats().sent
        assert server.stats().received == ws.stats().received
        await peer.close()
        await within(ws.wait_closed())

    async def test_a_message_that_came_with_the_request_counts(self, pair: Pair) -> None:
        first = frame(TEXT, b"early")
        _, ws, peer = await pair(then=first)
        assert await within(ws.recv()) == "early"
        assert ws.stats().received == Traffic(1, 5, len(first))
        await peer.close()
        await within(ws.wait_closed())

    async def test_a_message_in_fragments_counts_once(self, pair: Pair) -> None:
        _, ws, peer = await pair()
        heard = listen(ws, "message")
        sent = frame(TEXT, b"ab", fin=False) + frame(0, b"cde")
        peer.write(sent)
        await within(heard)
        assert ws.stats().received == Traffic(1, 5, len(sent))
        ws.send("ab", fin=False)
        assert ws.stats().sent.messages == 0
        await ws.send("c")
        await peer.frame()
        await peer.frame()
        assert ws.stats().sent == Traffic(1, 3, 2 + 2 + 2 + 1)
        await peer.close()
        await within(ws.wait_closed())

    async def test_stats_count_bytes_before_and_after_compression(self, pair: Pair) -> None:
        _, ws, peer = await pair({"sec_websocket_extensions": "permessage-deflate"}, per_message_deflate=True)
        text = b"again and " * 1000
        packer = zlib.compressobj(wbits=-15)
        packed = (packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
        came = frame(TEXT, packed, rsv=0x40)
        heard = listen(ws, "message")
        peer.write(came)
        await within(heard)
        assert ws.stats().received == Traffic(1, len(text), len(came))
        await ws.send(text)
        back = await peer.frame()
        assert ws.stats().sent == Traffic(1, len(text), 2 + len(back.payload))
        assert len(back.payload) < 125
        await peer.close()
        await within(ws.wait_closed())

    async def test_a_clients_stats_count_its_traffic(self, echo: Any) -> None:
        async with WebSocket(echo.url) as ws:
            await ws.send("abc")
            await ws.recv()
            masked, plain = 2 + 4 + 3, 2 + 3
            assert (ws.stats().sent, ws.stats().received) == (Traffic(1, 3, masked), Traffic(1, 3, plain))

    async def test_stats_can_be_read_before_the_opening_and_after_the_close(self, echo: Any) -> None:
        ws = WebSocket(echo.url)
        assert ws.stats() == wsrs.WebSocketStats(NOTHING, NOTHING, 0, 0, None, None, None)
        async with ws:
            await ws.send("abc")
            await ws.recv()
            ws.close(4001)
        stats = ws.stats()
        assert (stats.sent.messages, stats.received.bytes, stats.code, stats.error) == (1, 3, 4001, None)
        close = 2 + 4 + 2
        assert (stats.sent.wire, stats.received.wire) == (9 + close, 5 + 4)

    async def test_data_that_was_never_written_is_not_counted_as_written(self, pair: Pair) -> None:
        """The peer reads nothing: data that the kernel does not take is queued, and lost with the
        connection."""
        _, ws, peer = await pair()
        peer.reader._transport.pause_reading()
        block = bytes(1 << 20)
        while ws.buffered_amount < 1 << 20:
            ws.send(block)
        queued = ws.stats().sent.messages * (len(block) + 10)
        written = ws.stats().sent.wire
        assert written <= queued
        ws.terminate()
        await within(ws.wait_closed())
        assert ws.stats().sent.wire <= queued
        peer.reset()


class TestPings:
    async def test_a_ping_measures_the_round_trip(self, pair: Pair) -> None:
        server, ws, peer = await pair()
        assert (ws.stats().ping, server.stats().ping) == (None, None)
        ws.ping(b"1")
        assert (await peer.frame()).opcode == PING
        assert ws.stats().ping is None
        ponged = listen(ws, "pong")
        peer.write(frame(PONG, b"1"))
        await within(ponged)
        ping = ws.stats().ping
        assert 0 < ping < 10
        assert server.stats().ping == ping
        assert ws.stats().sent == Traffic(0, 0, 3)
        await peer.close()
        await within(ws.wait_closed())
        assert ws.stats().ping == ping
        assert server.stats().ping is None, "the mean is that of the open ones"

    async def test_unsolicited_pongs_measure_nothing(self, pair: Pair) -> None:
        _, ws, peer = await pair()
        ponged = listen(ws, "pong")
        peer.write(frame(PONG, b"unasked"))
        await within(ponged)
        assert ws.stats().ping is None
        ws.ping(b"a")
        await peer.frame()
        ponged = listen(ws, "pong")
        peer.write(frame(PONG, b"b"))
        await within(ponged)
        assert ws.stats().ping is None
        await peer.close()
        await within(ws.wait_closed())

    async def test_a_pong_for_the_last_of_many_answers_those_before(self, pair: Pair) -> None:
        _, ws, peer = await pair()
        for number in range(40):
            ws.ping(b"%d" % number)
            await peer.frame()
        for answer, measures in ((b"39", True), (b"38", False)):
            before = ws.stats().ping
            ponged = listen(ws, "pong")
            peer.write(frame(PONG, answer))
            await within(ponged)
            assert (ws.stats().ping != before) is measures
        await peer.close()
        await within(ws.wait_closed())

    async def test_pings_of_the_heartbeat_count(self, serve: Serve) -> None:
        server = await serve(heartbeat=(0.05, 5.0))
        came = listen(server, "connection")
        peer = await raw_client(server)
        ws, _ = await within(came)
        assert (await peer.frame()).opcode == PING
        ponged = listen(ws, "pong")
        peer.write(frame(PONG))
        await within(ponged)
        assert ws.stats().ping is not None
        await peer.close()
        await within(ws.wait_closed())


class TestDrops:
    async def test_messages_dropped_by_slow_peer_are_counted(self, serve: Serve, reports: Reports) -> None:
        server, ws, peer = await _stuffed(serve, slow_peer="drop")
        told = asyncio.get_running_loop().create_future()

        async def callback(error: BaseException | None) -> None:
            told.set_result(error)

        error = ws.send("too much", callback=callback)
        with pytest.raises(wsrs.SlowPeer):
            await error
        assert isinstance(await within(told), wsrs.SlowPeer)
        assert ws.stats().dropped == server.stats().dropped == 1
        assert ws.stats().sent.messages == ws.sent_before
        peer.reset()
        await within(ws.wait_closed())
        assert server.stats().dropped == 1

    async def test_broadcasts_that_skip_a_slow_peer_are_counted(self, serve: Serve) -> None:
        server, ws, peer = await _stuffed(serve)
        assert server.broadcast("news").slow == 1
        assert (ws.stats().skipped, ws.stats().dropped) == (1, 0)
        assert server.stats().skipped == 1
        peer.reset()
        await within(ws.wait_closed())
        assert server.stats().skipped == 1

    async def test_broadcasts_within_a_message_in_fragments_are_counted_as_skipped(
        self, serve: Serve
    ) -> None:
        server = await serve()
        came = listen(server, "connection")
        peer = await raw_client(server)
        ws, _ = await within(came)
        assert server.broadcast("1").sent == 1
        ws.send("a", fin=False)
        assert server.broadcast("2").busy == 1
        assert (ws.stats().skipped, ws.stats().sent.messages, ws.stats().sent.bytes) == (1, 1, 2)
        await peer.close()
        await within(ws.wait_closed())

    async def test_the_end_by_slow_peer_is_an_error_with_its_code(self, serve: Serve) -> None:
        server, ws, peer = await _stuffed(serve, slow_peer="close", close_timeout=0.1)
        with pytest.raises(wsrs.SlowPeer):
            await ws.send("too much")
        await within(ws.wait_closed())
        assert server.stats().errors == {"WS_ERR_SLOW_PEER": 1}
        assert ws.stats().error == "WS_ERR_SLOW_PEER"
        peer.reset()


async def _stuffed(serve: Serve, **options: Any) -> Any:
    """A connection to a peer that reads nothing, with more queued than the mark."""
    server = await serve(high_water_mark=1000, web_socket=_Remembering, **options)
    came = listen(server, "connection")
    peer = await raw_client(server)
    ws, _ = await within(came)
    peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
    block = bytes(1 << 20)
    while ws.buffered_amount <= 1000:
        ws.send(block)
        ws.sent_before += 1
    return server, ws, peer


class _Remembering(WebSocket):
    """A WebSocket with an attribute for the test."""

    sent_before = 0
