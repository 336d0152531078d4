"""`WebSocket.stats` and `WebSocketServer.stats`, against peers that count bytes themselves."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

import wsrs
from wsrs import Traffic, WebSocket

from .conftest import Reports, Serve
from .peers import (
    CLOSE,
    MASK,
    PING,
    PONG,
    TEXT,
    Peer,
    close_frame,
    connect,
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
    """Makes a server, one WebSocket of it and the peer, which speaks bytes.

    "engine": on the core's own sockets; "loop": on a transport of the event loop.
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
    """A connection that asyncio's streams have accepted, and handed over."""

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

    async def test_what_came_with_the_request_counts(self, pair: Pair) -> None:
        first = frame(TEXT, b"early")
        _, ws, peer = await pair(then=first)
        assert await within(ws.recv()) == "early"
        assert ws.stats().received == Traffic(1, 5, len(first))
        await peer.close()
        await within(ws.wait_closed())

    async def test_a_message_in_fragments_is_one(self, pair: Pair) -> None:
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

    async def test_before_and_after_compression(self, pair: Pair) -> None:
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

    async def test_a_client_counts_as_well(self, echo: Any) -> None:
        async with WebSocket(echo.url) as ws:
            await ws.send("abc")
            await ws.recv()
            masked, plain = 2 + 4 + 3, 2 + 3
            assert (ws.stats().sent, ws.stats().received) == (Traffic(1, 3, masked), Traffic(1, 3, plain))

    async def test_before_it_is_open_and_after_it_is_closed(self, echo: Any) -> None:
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

    async def test_what_was_never_written_is_not_counted_as_written(self, pair: Pair) -> None:
        """The peer reads nothing: what the kernel takes no more is queued, and lost with the connection."""
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
    async def test_the_round_trip(self, pair: Pair) -> None:
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

    async def test_pongs_that_answer_no_ping_measure_nothing(self, pair: Pair) -> None:
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

    async def test_those_of_the_heartbeat_count(self, serve: Serve) -> None:
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
    async def test_messages_that_slow_peer_drops(self, serve: Serve, reports: Reports) -> None:
        server, ws, peer = await _stuffed(serve, slow_peer="drop")
        error = ws.send("too much")
        with pytest.raises(wsrs.SlowPeer):
            await error
        assert ws.stats().dropped == server.stats().dropped == 1
        assert ws.stats().sent.messages == ws.sent_before
        peer.reset()
        await within(ws.wait_closed())
        assert server.stats().dropped == 1

    async def test_broadcasts_that_leave_a_slow_peer_out(self, serve: Serve) -> None:
        server, ws, peer = await _stuffed(serve)
        assert server.broadcast("news").slow == 1
        assert (ws.stats().skipped, ws.stats().dropped) == (1, 0)
        assert server.stats().skipped == 1
        peer.reset()
        await within(ws.wait_closed())
        assert server.stats().skipped == 1

    async def test_broadcasts_amid_a_message_in_fragments(self, serve: Serve) -> None:
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
    """A connection to a peer that reads nothing, with more than the mark queued."""
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
    """A WebSocket with a note of the test's."""

    sent_before = 0


class TestOfAServer:
    async def test_connections(self, serve: Serve) -> None:
        server = await serve()
        assert server.stats() == wsrs.ServerStats(
            open=0,
            total=0,
            refused={},
            sent=NOTHING,
            received=NOTHING,
            dropped=0,
            skipped=0,
            closes={},
            errors={},
            ping=None,
        )
        peers = [await raw_client(server) for _ in range(3)]
        assert (server.stats().open, server.stats().total) == (3, 3)
        gone = listen(next(iter(server.clients)), "close")
        for peer in peers:
            await peer.close()
        await within(gone)
        await within(_until(lambda: server.stats().open == 0, server))
        assert (server.stats().total, server.stats().closes) == (3, {1006: 3})

    async def test_what_was_sent_stays_when_the_connection_ends(self, serve: Serve) -> None:
        def greet(ws: WebSocket, request: Any) -> None:
            ws.send("hello")

        server = await serve(greet)
        for _ in range(2):
            peer = await raw_client(server, then=frame(TEXT, b"hi") + close_frame(1000))
            assert (await peer.frame()).payload == b"hello"
            assert (await peer.frame()).opcode == CLOSE
            assert await peer.at_end()
            await peer.close()
        await within(_until(lambda: server.stats().open == 0, server))
        stats = server.stats()
        assert stats.sent == Traffic(2, 10, 2 * (2 + 5 + 2 + 2))
        assert stats.received == Traffic(2, 4, 2 * (2 + 4 + 2 + 2 + 4 + 2))
        assert (stats.open, stats.closes, stats.errors) == (0, {1000: 2}, {})

    async def test_without_client_tracking(self, serve: Serve) -> None:
        server = await serve(client_tracking=False)
        came = listen(server, "connection")
        peer = await raw_client(server)
        ws, _ = await within(came)
        await ws.send("hello")
        assert (server.stats().open, server.stats().sent.messages) == (1, 1)
        ws.terminate()
        await within(ws.wait_closed())
        assert (server.stats().open, server.stats().sent.messages) == (0, 1)
        await peer.close()

    async def test_errors_and_closes_by_code(self, serve: Serve) -> None:
        server = await serve(lambda ws, request: ws.on("error", lambda error: None))
        for sent in (frame(TEXT, b"\xff"), frame(TEXT, b"\xff"), frame(3)):
            peer = await raw_client(server, then=sent)
            await peer.rest()
            await peer.close()
        await within(_until(lambda: server.stats().open == 0, server))
        assert server.stats().errors == {"WS_ERR_INVALID_UTF8": 2, "WS_ERR_INVALID_OPCODE": 1}
        assert server.stats().closes == {1006: 3}

    async def test_as_json(self, serve: Serve) -> None:
        server = await serve()
        assert json.loads(json.dumps(dataclasses.asdict(server.stats())))["sent"]["wire"] == 0
        with pytest.raises(dataclasses.FrozenInstanceError):
            server.stats().open = 5


async def _until(holds: Callable[[], bool], server: Any) -> None:
    """Wait for the ends of a server's connections, until something holds."""
    while not holds():
        ends = [ws.wait_closed() for ws in server.clients]
        await asyncio.gather(*ends)
        await asyncio.sleep(0)


class TestRefusals:
    async def _refused(self, server: Any, **request: Any) -> str:
        peer = await connect(server)
        peer.write(upgrade_request(**request))
        first, _ = await peer.head()
        await peer.close()
        return first.split()[1]

    async def test_by_reason(self, serve: Serve, reports: Reports) -> None:
        def verify(info: Any) -> bool:
            if info.origin == "bad":
                raise KeyError(info.origin)
            return info.origin is None

        server = await serve(path="/here", verify_client=verify, max_connections=1)
        assert await self._refused(server, path="/here", without=("sec-websocket-key",)) == "400"
        assert await self._refused(server, path="/there") == "400"
        assert await self._refused(server, path="/here", origin="x") == "401"
        assert await self._refused(server, path="/here", origin="bad") == "500"
        reports.take()
        peer = await raw_client(server, "/here")
        assert await self._refused(server, path="/here") == "503"
        wanted = {"request": 1, "path": 1, "verify_client": 2, "max_connections": 1}
        assert server.stats().refused == wanted
        assert (server.stats().open, server.stats().total) == (1, 1)
        await peer.close()

    async def test_that_a_listener_answers(self, serve: Serve) -> None:
        server = await serve()
        server.on("wsClientError", lambda error, transport, request: transport.abort())
        peer = await connect(server)
        peer.write(upgrade_request(without=("sec-websocket-key",)))
        assert await peer.rest_or_reset() == b""
        assert server.stats().refused == {"request": 1}
        await peer.close()

    async def test_while_closing_and_by_an_error_of_ours(self, serve: Serve, reports: Reports) -> None:
        verdicts: list[Any] = []
        asked = asyncio.Event()

        def verify(info: Any, verdict: Any) -> None:
            verdicts.append(verdict)
            asked.set()

        server = await serve(verify_client=verify)
        peer = await connect(server)
        peer.write(upgrade_request())
        await within(asked.wait())
        server.close()
        verdicts[0](True)
        assert (await peer.head())[0].split()[1] == "503"
        await peer.close()
        assert server.stats().refused == {"closing": 1}

        def choose(protocols: Any, request: Any) -> str:
            raise KeyError("x")

        server = await serve(handle_protocols=choose)
        assert await self._refused(server, sec_websocket_protocol="a") == "500"
        reports.take()
        assert server.stats().refused == {"error": 1}
