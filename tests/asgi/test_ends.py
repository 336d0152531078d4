"""Closes, losses, slow clients and shutdown, as an application sees them under a real uvicorn server."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from uvicorn.protocols.utils import ClientDisconnected

import wsrs
from tests.conftest import Reports
from tests.peers import CLOSE, TEXT, close_frame, frame, listen, upgrade_request, within
from wsrs._net.adopt import was_moved
from wsrs.uvicorn import WSProtocol, protocol

from .apps import ACCEPT, Recorded
from .conftest import Message, Receive, Send, Serve, until

# The end --------------------------------------------------------------------------------------


async def test_the_applications_close_is_told_to_both(serve_asgi: Serve) -> None:
    app = Recorded(ACCEPT, {"type": "websocket.close", "code": 4002, "reason": "enough"})
    running = await serve_asgi(app)
    async with wsrs.WebSocket(running.url) as ws:
        assert await within(listen(ws, "close")) == (4002, b"enough")
    assert app.received[-1] == {"type": "websocket.disconnect", "code": 4002, "reason": "enough"}


async def test_the_applications_close_does_not_wait_for_the_client(serve_asgi: Serve) -> None:
    app = Recorded(ACCEPT, {"type": "websocket.close"})
    running = await serve_asgi(app)
    peer = await running.peer()
    peer.write(upgrade_request())
    await peer.head()
    assert (await peer.frame()).opcode == CLOSE
    await within(app.ended.wait())  # the client has not answered yet
    assert app.received[-1] == {"type": "websocket.disconnect", "code": 1000, "reason": ""}
    peer.write(close_frame(1000))
    assert await peer.at_end()
    await peer.close()


async def test_an_application_that_returns_has_its_messages_written(serve_asgi: Serve) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        await send({"type": "websocket.send", "bytes": b"x" * 60_000})

    running = await serve_asgi(app)
    async with wsrs.WebSocket(running.url) as ws:
        closed = listen(ws, "close")
        assert await within(ws.recv()) == b"x" * 60_000
        assert await within(closed) == (1006, b"")


async def test_an_application_that_raises(serve_asgi: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        raise ZeroDivisionError("a mistake")

    running = await serve_asgi(app)
    async with wsrs.WebSocket(running.url) as ws:
        assert await within(listen(ws, "close")) == (1006, b"")
    assert "ZeroDivisionError: a mistake" in caplog.text


async def test_a_send_to_a_client_that_has_left(serve_asgi: Serve) -> None:
    raised = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        for kind in ("websocket.send", "websocket.close"):
            with pytest.raises(ClientDisconnected):
                await send({"type": kind, "text": "late"})
        raised.set()

    running = await serve_asgi(app)
    async with wsrs.WebSocket(running.url) as ws:
        ws.terminate()
    await within(raised.wait())


async def test_a_send_waits_while_the_client_does_not_read(serve_asgi: Serve) -> None:
    sent: list[int] = []
    left = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        try:
            for number in itertools.count():
                await send({"type": "websocket.send", "bytes": b"x" * 1_000_000})
                sent.append(number)
        except ClientDisconnected:
            left.set()

    running = await serve_asgi(app)
    peer = await running.peer()
    peer.write(upgrade_request())
    await peer.head()
    ours = running.protocol()
    await until(lambda: ours._ws is not None and ours._ws.buffered_amount > 64 * 1024)
    stuck = len(sent)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(sent) == stuck < 100
    peer.reset()
    await within(left.wait())


async def test_messages_for_a_slow_client_may_be_dropped(serve_asgi: Serve) -> None:
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        for _ in range(100):
            await send({"type": "websocket.send", "bytes": b"x" * 1_000_000})
        done.set_result(None)
        await receive()

    running = await serve_asgi(app, ws=protocol(slow_peer="drop"))
    peer = await running.peer()
    peer.write(upgrade_request())
    await peer.head()
    await within(done)
    ours = running.protocol()
    assert ours._ws is not None
    assert ours._ws.dropped_messages > 50
    peer.reset()


# Shutdown -------------------------------------------------------------------------------------


async def test_a_shutdown_closes_with_1012(serve_asgi: Serve) -> None:
    app = Recorded(ACCEPT)
    running = await serve_asgi(app)
    async with wsrs.WebSocket(running.url) as ws:
        await within(app.accepted.wait())
        closed = listen(ws, "close")
        await running.stop()
        assert await within(closed) == (1012, b"")
    assert app.received[-1] == {"type": "websocket.disconnect", "code": 1012}


async def test_a_shutdown_answers_500_to_what_is_undecided(serve_asgi: Serve) -> None:
    started = asyncio.Event()
    seen: list[Message] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        started.set()
        seen.extend([await receive(), await receive()])

    running = await serve_asgi(app)
    peer = await running.peer()
    peer.write(upgrade_request())
    await within(started.wait())
    await running.stop()
    first, _ = await peer.head()
    assert first == "HTTP/1.1 500 Internal Server Error"
    assert seen[-1] == {"type": "websocket.disconnect", "code": 1006}
    await peer.close()


async def test_a_shutdown_while_the_close_frame_is_awaited(serve_asgi: Serve) -> None:
    app = Recorded(ACCEPT, {"type": "websocket.close"})
    running = await serve_asgi(app)
    peer = await running.peer()
    peer.write(upgrade_request())
    await peer.head()
    assert (await peer.frame()).opcode == CLOSE
    stopping = asyncio.create_task(running.stop())
    assert await peer.at_end()
    await peer.close()
    await within(stopping)


async def test_a_plain_connection_moves_to_the_engine_between_any_two_bytes(
    serve_asgi: Serve, reports: Reports
) -> None:
    data = frame(TEXT, b"whole")
    transports: list[asyncio.Transport] = []
    started, go_on = asyncio.Event(), asyncio.Event()
    texts: list[str] = []

    class Seen(WSProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transports.append(transport)  # type: ignore[arg-type]
            super().connection_made(transport)

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        started.set()
        await go_on.wait()
        await send(ACCEPT)
        await receive()
        texts.append((await receive())["text"])
        await receive()

    running = await serve_asgi(app, ws=Seen)
    peers = []
    for cut in range(len(data) + 1):
        started.clear()
        go_on.clear()
        peers.append(peer := await running.peer())
        peer.write(upgrade_request())
        await within(started.wait())
        peer.write(data[:cut])
        go_on.set()
        peer.write(data[cut:])
        await peer.head()
        await until(lambda count=cut + 1: len(texts) == count)  # type: ignore[misc]
    assert texts == ["whole"] * len(peers)
    has_engine = wsrs.backend == "core"
    assert [(was_moved(each), each.is_closing()) for each in transports] == [(has_engine, has_engine)] * len(
        peers
    )
    assert len(running.server.server_state.connections) == len(peers)
    for peer in peers:
        peer.hang_up()
    await running.stop()
    assert not reports
    for peer in peers:
        await peer.close()
