"""Messages that no task and no listener takes: which of them wait, and for how long."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

import wsrs
from wsrs._websocket import lifecycle

from ..conftest import Serve
from ..peers import BINARY, PING, PONG, TEXT, Peer, close_frame, frame, listen, raw_client, within

Pair = tuple[Any, Peer]


def nothing(*args: object) -> None:
    """A listener."""


def fired(ws: Any) -> None:
    ws.once("mine", nothing)
    ws.emit("mine")


def removed(ws: Any) -> None:
    ws.on("error", nothing)
    ws.off("error", nothing)


def stall_of(ws: Any) -> asyncio.Event:
    """Set once the core says that the inbox of `ws` is full."""
    stalled = asyncio.Event()
    told = ws._on_stalled

    def on_stalled() -> None:
        told()
        stalled.set()

    ws._on_stalled = on_stalled
    return stalled


LISTENERS: dict[str, Callable[[Any], None]] = {
    "close": lambda ws: ws.on("close", nothing),
    "error": lambda ws: ws.on("error", nothing),
    "ping": lambda ws: ws.on("ping", nothing),
    "pong": lambda ws: ws.on("pong", nothing),
    "a once that has fired": fired,
    "a removed listener": removed,
}


@pytest_asyncio.fixture
async def pair(serve: Serve) -> AsyncIterator[Pair]:
    """A server's WebSocket and its client, which speaks bytes."""
    server = await serve()
    connection = listen(server, "connection")
    peer = await raw_client(server)
    ws, _ = await within(connection)
    yield ws, peer
    await peer.close()


async def collect(ws: Any) -> list[Any]:
    return [message async for message in ws]


class TestUntakenMessages:
    SIZE = 64 * 1024

    async def test_reading_stops_while_nobody_takes_messages(self, pair: Pair) -> None:
        ws, peer = pair
        message = frame(BINARY, b"x" * self.SIZE, mask=b"\0\0\0\0")
        peer.writer.transport.set_write_buffer_limits(0)
        sent = 0

        async def flood() -> None:
            nonlocal sent
            while True:
                peer.write(message)
                await peer.writer.drain()
                sent += 1

        flooding = asyncio.create_task(flood())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(flooding), 0.5)
        # Only the kernel's buffers and a few messages were taken, not everything that the peer has.
        stalled = sent
        assert stalled * self.SIZE < 32 * 1024 * 1024
        async for _ in ws:
            if sent > stalled + 50:
                break
        flooding.cancel()
        peer.reset()

    @pytest.mark.parametrize("add", LISTENERS.values(), ids=LISTENERS)
    @pytest.mark.parametrize(("count", "size"), [(20, 1000), (20, 60_000), (16, 10), (15, 10)])
    async def test_a_listener_for_another_event_loses_no_message(
        self, serve: Serve, add: Callable[[Any], None], count: int, size: int
    ) -> None:
        got = asyncio.get_running_loop().create_future()

        async def handler(ws: Any, request: Any) -> None:
            add(ws)
            await asyncio.sleep(0.05)
            got.set_result(await collect(ws))

        server = await serve(handler)
        sent = [bytes([number]) * size for number in range(count)]
        # Made before the connection, because masking so much takes longer than the listener waits.
        frames = b"".join(frame(BINARY, message) for message in sent) + close_frame(1000)
        peer = await raw_client(server)
        peer.hang_up(frames)
        assert await within(got) == sent
        await peer.close()

    @pytest.mark.parametrize("size", [10, SIZE])
    async def test_with_other_listeners_messages_wait_and_are_then_dropped(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        """The events behind them come as well: a ping is answered, and the close frame is seen."""
        monkeypatch.setattr(lifecycle, "_PATIENCE", 0.1)
        connection: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        server = await serve(lambda ws, request: connection.set_result(ws))
        peer = await raw_client(server)
        ws = await within(connection)
        closed, pong = listen(ws, "close"), listen(ws, "pong")
        peer.write(frame(BINARY, b"x" * size) * 200 + frame(PONG, b"pong") + frame(PING, b"ping"))
        assert await within(pong) == (b"pong",)
        assert (await peer.frame()).payload == b"ping"
        peer.hang_up(frame(BINARY, b"x" * size) * 200 + close_frame(1000))
        assert await within(closed) == (1000, b"")
        await peer.close()

    async def test_a_listener_set_after_the_stall_gets_the_close_event(
        self, pair: Pair, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lifecycle, "_PATIENCE", 0.1)
        ws, peer = pair
        peer.hang_up(frame(TEXT, b"x") * 20 + close_frame(1000))
        await asyncio.sleep(0.3)  # without a listener nothing is dropped
        assert ws.ready_state == wsrs.OPEN
        assert await within(listen(ws, "close")) == (1000, b"")

    async def test_a_program_that_asks_in_time_gets_everything(
        self, pair: Pair, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lifecycle, "_PATIENCE", 0.3)
        ws, peer = pair
        closed = listen(ws, "close")
        peer.write(frame(TEXT, b"x") * 3000)
        await asyncio.sleep(0.1)
        assert await within(ws.recv()) == "x"
        await asyncio.sleep(0.4)  # the deadline passes without effect
        peer.hang_up(close_frame(1000))
        assert await within(collect(ws)) == ["x"] * 2999
        assert await within(closed) == (1000, b"")

    async def test_messages_that_wait_at_the_end_are_not_dropped(
        self, pair: Pair, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lifecycle, "_PATIENCE", 0.2)
        ws, peer = pair
        closed = listen(ws, "close")
        peer.write(frame(TEXT, b"x") * 16)
        await asyncio.sleep(0.1)
        ws.terminate()
        await within(closed)
        await asyncio.sleep(0.3)
        for _ in range(16):
            assert await within(ws.recv()) == "x"

    @pytest.mark.parametrize("listens", ["before the stall", "after it"])
    async def test_a_connection_that_has_ended_is_kept_by_no_timer(self, serve: Serve, listens: str) -> None:
        connections: asyncio.Queue[Any] = asyncio.Queue()
        server = await serve(lambda ws, request: connections.put_nowait(ws))
        peer = await raw_client(server)
        ws = await within(connections.get())
        stalled = stall_of(ws)
        if listens == "before the stall":
            ws.on("ping", nothing)
        peer.write(frame(TEXT, b"x") * 16)
        await within(stalled.wait())
        ws.on("pong", nothing)
        ws.terminate()
        await within(ws.wait_closed())
        gone = weakref.ref(ws)
        del ws
        await peer.close()
        await asyncio.sleep(0)  # the last callbacks of the connection
        gc.collect()
        assert gone() is None

    async def test_close_does_not_wait_for_messages_to_be_taken(self, pair: Pair) -> None:
        ws, peer = pair
        closed = listen(ws, "close")
        peer.write(frame(TEXT, b"x") * 20)
        await asyncio.sleep(0.1)
        ws.close(1000)
        assert (await peer.frame()).payload[:2] == (1000).to_bytes(2, "big")
        peer.hang_up(close_frame(1000))
        assert await within(closed, 3) == (1000, b"")

    async def test_after_a_message_listener_messages_are_dropped_at_once(self, pair: Pair) -> None:
        ws, peer = pair
        first, closed = listen(ws, "message"), listen(ws, "close")
        peer.write(frame(TEXT, b"first"))
        assert await within(first) == (b"first", False)
        assert ws.listener_count("message") == 0
        peer.hang_up(frame(TEXT, b"x") * 200 + close_frame(1000))
        assert await within(closed, 3) == (1000, b"")
