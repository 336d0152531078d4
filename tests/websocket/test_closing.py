"""The end of a connection: who sends what, in which order, with which codes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import wsrs

from ..conftest import Reports, Serve
from ..peers import (
    BINARY,
    CLOSE,
    TEXT,
    Peer,
    RawServer,
    close_frame,
    frame,
    listen,
    raw_client,
    within,
)

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"

Pair = tuple[Any, Peer]


def serving() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


@pytest_asyncio.fixture
async def pair(serve: Serve) -> AsyncIterator[Pair]:
    """A server's WebSocket and its client, which speaks bytes."""
    server = await serve(close_timeout=30)
    connection = listen(server, "connection")
    peer = await raw_client(server)
    ws, _ = await within(connection)
    yield ws, peer
    await peer.close()


@pytest_asyncio.fixture
async def client_pair(raw_server: RawServer, reports: Reports) -> Pair:
    """A client's WebSocket and its server, which speaks bytes."""
    ws = wsrs.WebSocket(raw_server.url)
    peer = await raw_server.accept()
    await within(ws.wait_open())
    return ws, peer


def record(ws: Any) -> list[Any]:
    """Record the events of the end in order, each with the state at that time."""
    events: list[Any] = []
    ws.on("error", lambda error: events.append(("error", error, ws.ready_state)))
    ws.on("close", lambda code, reason: events.append(("close", code, reason, ws.ready_state)))
    return events


class TestOrderly:
    async def test_the_server_may_begin_the_close(self, pair: Pair) -> None:
        ws, peer = pair
        events = record(ws)
        ws.close(4000, "bye")
        assert ws.ready_state == wsrs.CLOSING
        ws.close(4001)
        assert (await peer.frame())[:2] == (CLOSE, b"\x0f\xa0bye")
        # Messages are delivered until the peer's close frame comes.
        message = listen(ws, "message")
        peer.write(frame(TEXT, b"last") + close_frame(4000, b"bye"))
        assert await within(message) == (b"last", False)
        # Then the server ends TCP, before the client.
        assert await peer.at_end()
        await peer.close()
        await within(ws.wait_closed())
        assert events == [("close", 4000, b"bye", wsrs.CLOSED)]
        ws.close()
        ws.terminate()
        assert ws.ready_state == wsrs.CLOSED
        assert len(events) == 1

    @pytest.mark.parametrize(
        ("sent", "code", "reason", "echo"),
        [
            (close_frame(), 1005, b"", b""),
            (close_frame(1000), 1000, b"", b"\x03\xe8"),
            (close_frame(4999, b"because"), 4999, b"because", b"\x13\x87because"),
        ],
    )
    async def test_the_peer_may_begin_the_close(
        self, pair: Pair, sent: bytes, code: int, reason: bytes, echo: bytes
    ) -> None:
        ws, peer = pair
        events = record(ws)
        peer.write(sent + frame(TEXT, b"ignored"))
        assert (await peer.frame())[:2] == (CLOSE, echo)
        assert await peer.at_end()
        await peer.close()
        await within(ws.wait_closed())
        assert events == [("close", code, reason, wsrs.CLOSED)]

    async def test_the_client_waits_for_the_servers_end(self, client_pair: Pair) -> None:
        ws, peer = client_pair
        events = record(ws)
        ws.close(1000)
        answer = await peer.frame()
        assert (answer.opcode, answer.payload, answer.masked) == (CLOSE, b"\x03\xe8", True)
        closed = listen(ws, "close")
        peer.write(close_frame(1000, mask=None))
        with pytest.raises(asyncio.TimeoutError):
            await within(asyncio.shield(closed), 0.05)
        assert ws.ready_state == wsrs.CLOSING
        assert not peer.reader.at_eof()
        peer.writer.write_eof()
        await within(ws.wait_closed())
        assert events == [("close", 1000, b"", wsrs.CLOSED)]
        assert await peer.at_end()

    @pytest.mark.parametrize("transport", ["plain", "tls"])
    @pytest.mark.parametrize("first", ["client", "server"])
    async def test_the_client_ends_tcp_itself_if_the_server_does_not(
        self, reports: Reports, monkeypatch: pytest.MonkeyPatch, transport: str, first: str
    ) -> None:
        """A server may wait for the client's end, or be gone without a FIN."""
        monkeypatch.setattr("wsrs._websocket.closing._FIN_PATIENCE", 0.1)
        peers: asyncio.Queue[Peer] = asyncio.Queue()

        async def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peers.put_nowait(Peer(reader, writer))

        is_tls = transport == "tls"
        context = serving() if is_tls else None
        server = await asyncio.start_server(came, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        options: Any = {"ca": CERTIFICATE} if is_tls else {}
        # 0 is no limit: it does not make a client wait for ever for what no longer matters.
        close_timeout = 30 if first == "client" else 0
        ws = wsrs.WebSocket(
            f"ws{'s' * is_tls}://localhost:{port}", close_timeout=close_timeout, family=4, **options
        )
        peer = await within(peers.get())
        _, head = await peer.head()
        peer.write(RawServer.answer(head["sec-websocket-key"]))
        await within(ws.wait_open())
        events = record(ws)
        if first == "client":
            ws.close(1000)
            assert (await peer.frame()).opcode == CLOSE
            peer.write(close_frame(1000, mask=None))
        else:
            peer.write(close_frame(1000, mask=None))
            assert (await peer.frame()).opcode == CLOSE
        await within(ws.wait_closed())
        assert events == [("close", 1000, b"", wsrs.CLOSED)]
        assert await peer.at_end()
        peer.reset()
        server.close()

    async def test_the_client_waits_no_longer_than_its_close_timeout(
        self, raw_server: RawServer, reports: Reports, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("wsrs._websocket.closing._FIN_PATIENCE", 3600)
        ws = wsrs.WebSocket(raw_server.url, close_timeout=0.1)
        peer = await raw_server.accept()
        await within(ws.wait_open())
        peer.write(close_frame(1000, mask=None))
        await within(ws.wait_closed())
        assert (await peer.frame()).opcode == CLOSE

    async def test_messages_sent_before_close_go_out_first(self, pair: Pair) -> None:
        ws, peer = pair
        ws.send(b"x" * 1_000_000)
        ws.close(1000)
        assert (await peer.frame())[:2] == (BINARY, b"x" * 1_000_000)
        assert (await peer.frame()).opcode == CLOSE

    @pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
    async def test_codes_that_cannot_be_sent(self, pair: Pair, code: int) -> None:
        ws, _ = pair
        with pytest.raises(ValueError, match=str(code)):
            ws.close(code)
        assert ws.ready_state == wsrs.OPEN

    async def test_reasons_that_cannot_be_sent(self, pair: Pair) -> None:
        ws, peer = pair
        with pytest.raises(ValueError, match="123"):
            ws.close(1000, "ü" * 62)
        with pytest.raises(ValueError, match="'why'"):
            ws.close(reason="why")
        for code, reason in (("1000", ""), (True, ""), (1000, 5)):
            with pytest.raises(TypeError, match="must be"):
                ws.close(code, reason)
        ws.close(1000, b"\xc3\xbc")
        assert (await peer.frame()).payload == b"\x03\xe8\xc3\xbc"


class TestDisorderly:
    async def test_terminate_ends_the_connection_with_1006(self, pair: Pair) -> None:
        ws, peer = pair
        events = record(ws)
        ws.terminate()
        assert ws.ready_state == wsrs.CLOSING
        assert events == []
        await within(ws.wait_closed())
        assert events == [("close", 1006, b"", wsrs.CLOSED)]
        assert await peer.at_end()

    async def test_an_end_without_a_close_frame(self, pair: Pair) -> None:
        ws, peer = pair
        events = record(ws)
        peer.writer.write_eof()
        await within(ws.wait_closed())
        assert events == [("close", 1006, b"", wsrs.CLOSED)]
        assert await peer.at_end()

    async def test_a_reset_in_mid_frame(self, pair: Pair) -> None:
        ws, peer = pair
        events = record(ws)
        peer.write(frame(BINARY, b"x" * 1000)[:500])
        await peer.writer.drain()
        peer.reset()
        await within(ws.wait_closed())
        assert events == [("close", 1006, b"", wsrs.CLOSED)]

    async def test_a_fault_is_an_error_and_then_a_close(self, pair: Pair) -> None:
        ws, peer = pair
        events = record(ws)
        peer.write(frame(TEXT, b"\xff"))
        assert (await peer.frame())[:2] == (CLOSE, b"\x03\xef")
        assert await peer.at_end()
        await peer.close()
        await within(ws.wait_closed())
        (kind, error, state), close = events
        assert (kind, state) == ("error", wsrs.CLOSING)
        assert isinstance(error, wsrs.WebSocketError)
        assert (error.code, error.close_code) == ("WS_ERR_INVALID_UTF8", 1007)
        assert close == ("close", 1006, b"", wsrs.CLOSED)

    async def test_a_fault_without_an_error_listener_is_reported(self, pair: Pair, reports: Reports) -> None:
        ws, peer = pair
        ws.on("close", lambda code, reason: None)
        peer.write(frame(3, b""))
        await peer.rest()
        await peer.close()
        await within(ws.wait_closed())
        assert reports.take()["exception"].code == "WS_ERR_INVALID_OPCODE"

    @pytest.mark.parametrize("side", ["server", "client"])
    async def test_a_peer_that_does_not_answer_a_close_is_cut_off(
        self, serve: Serve, raw_server: RawServer, reports: Reports, side: str
    ) -> None:
        if side == "server":
            server = await serve(closeTimeout=50)
            connection = listen(server, "connection")
            peer = await raw_client(server)
            ws, _ = await within(connection)
        else:
            ws = wsrs.WebSocket(raw_server.url, close_timeout=0.05)
            peer = await raw_server.accept()
            await within(ws.wait_open())
        events = record(ws)
        ws.close(1000)
        assert (await peer.frame()).opcode == CLOSE
        await within(ws.wait_closed())
        assert events == [("close", 1006, b"", wsrs.CLOSED)]
        await peer.close()

    async def test_a_paused_connection_is_ended_too(self, serve: Serve) -> None:
        server = await serve(close_timeout=0.05)
        connection = listen(server, "connection")
        peer = await raw_client(server)
        ws, _ = await within(connection)
        ws.pause()
        ws.close()
        await within(ws.wait_closed())
        await peer.close()


class TestAfterwards:
    async def test_sending_after_close_sends_nothing_and_tells_the_callback(self, pair: Pair) -> None:
        ws, peer = pair
        ws.close(1000)
        before = ws.buffered_amount
        told = [asyncio.get_running_loop().create_future() for _ in range(3)]
        ws.send("äb", told[0].set_result)
        ws.ping(b"cd", callback=told[1].set_result)
        ws.pong([1, 2], False, told[2].set_result)
        assert ws.buffered_amount >= before + 3 + 2 + 2 - 4
        for each in told:
            error = await within(each)
            assert isinstance(error, wsrs.WebSocketError)
            assert str(error) == "WebSocket is not open: readyState 2 (CLOSING)"
        with pytest.raises(wsrs.ConnectionClosed):
            await ws.send("x")
        with pytest.raises(TypeError, match="object"):
            ws.send(object())
        assert (await peer.frame()).opcode == CLOSE
        peer.write(close_frame(1000))
        assert await peer.at_end()
        await peer.close()
        await within(ws.wait_closed())
        amount = ws.buffered_amount
        ws.send(12345)
        assert ws.buffered_amount == amount + 5
        ws.pause()
        ws.resume()
        ws.binary_type = "blob"

    async def test_a_list_whose_items_change_while_it_is_read_is_refused(self, pair: Pair) -> None:
        """The list is refused when it is made into bytes, after its length was counted in buffered_amount."""

        class Fickle:
            looks = 0

            def __index__(self) -> int:
                self.looks += 1
                return 256 if self.looks == 1 else 5

        ws, peer = pair
        ws.close()
        before = ws.buffered_amount
        with pytest.raises(ValueError, match=r"bytes must be in range\(0, 256\)"):
            ws.send([Fickle()])
        assert ws.buffered_amount == before
        await peer.close()

    async def test_awaiting_a_send_while_closing_says_so(self, pair: Pair) -> None:
        ws, peer = pair
        ws.close(4000, "enough")
        for sent in (ws.send("x"), ws.ping(), ws.pong(), ws.wait_open()):
            with pytest.raises(wsrs.ConnectionClosed) as raised:
                await sent
            assert str(raised.value) == "the WebSocket connection is closing"
            assert (raised.value.close_code, raised.value.reason) == (None, "")
        assert (await peer.frame()).opcode == CLOSE
        peer.write(close_frame(4001, b"agreed"))
        await peer.close()
        await within(ws.wait_closed())
        with pytest.raises(wsrs.ConnectionClosed) as raised:
            await ws.send("x")
        assert str(raised.value) == "the WebSocket connection is closed: code 4001, reason 'agreed'"

    async def test_awaiting_a_send_after_the_peers_close_gives_its_code(self, client_pair: Pair) -> None:
        ws, peer = client_pair
        peer.write(close_frame(4002, b"full", mask=None))
        assert (await peer.frame()).opcode == CLOSE
        assert ws.ready_state == wsrs.CLOSING  # until the server ends the connection
        with pytest.raises(wsrs.ConnectionClosed) as raised:
            await ws.send("x")
        assert str(raised.value) == "the WebSocket connection is closing: code 4002, reason 'full'"
        assert (raised.value.close_code, raised.value.reason) == (4002, "full")
        await peer.close()
        await within(ws.wait_closed())

    async def test_awaiting_a_send_after_a_fault_gives_the_fault(self, pair: Pair, reports: Reports) -> None:
        ws, peer = pair
        heard = listen(ws, "error")
        peer.write(b"\x83\x80\0\0\0\0")
        (fault,) = await within(heard)
        with pytest.raises(wsrs.ConnectionClosed, match="is closing") as raised:
            await ws.send("x")
        assert raised.value.__cause__ is fault

    async def test_every_waiting_task_is_woken_at_the_end(self, pair: Pair) -> None:
        ws, _ = pair
        waiting = [asyncio.ensure_future(ws.wait_closed()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        ws.terminate()
        await within(asyncio.gather(*waiting[1:]))
        await within(ws.wait_closed())
        with pytest.raises(wsrs.ConnectionClosed):
            await within(ws.wait_open())


async def test_a_generate_mask_may_end_the_connection_within_close(echo: Any, reports: Reports) -> None:
    def generate_mask(mask: bytearray) -> None:
        ws.terminate()

    ws = wsrs.WebSocket(echo.url, generate_mask=generate_mask)
    await within(ws.wait_open())
    closed = listen(ws, "close")
    ws.close(1000)
    assert ws.ready_state == wsrs.CLOSING
    assert await within(closed) == (1006, b"")
