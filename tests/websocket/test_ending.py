"""The ways to end a WebSocket that integrations need, on a server's end of a real connection."""

from __future__ import annotations

import asyncio

import pytest

import wsrs
from wsrs._websocket.ending import close_timer, hang_up, stop_receiving

from ..conftest import Serve
from ..peers import CLOSE, TEXT, close_frame, frame, listen, raw_client, within


async def test_hanging_up_writes_what_is_queued_and_no_close_frame(serve: Serve) -> None:
    server = await serve()
    connection = listen(server, "connection")
    peer = await raw_client(server)
    ws, _ = await within(connection)
    ws.send(b"x" * 500)
    hang_up(ws)
    assert ws.ready_state == wsrs.CLOSING
    assert (await peer.frame()).payload == b"x" * 500
    assert await peer.at_end()
    closed = listen(ws, "close")
    await peer.close()
    assert await within(closed) == (1006, b"")
    hang_up(ws)  # it is over: nothing is left to do
    assert ws.ready_state == wsrs.CLOSED


async def test_a_peer_that_does_not_hang_up_too_is_cut(serve: Serve) -> None:
    server = await serve(close_timeout=0.05)
    connection = listen(server, "connection")
    peer = await raw_client(server)
    ws, _ = await within(connection)
    closed = listen(ws, "close")
    hang_up(ws)
    assert await within(closed) == (1006, b"")
    await peer.close()


async def test_hanging_up_while_the_close_frame_is_awaited(serve: Serve) -> None:
    server = await serve()
    connection = listen(server, "connection")
    peer = await raw_client(server)
    ws, _ = await within(connection)
    assert close_timer(ws) is None
    ws.close(4000)
    timer = close_timer(ws)
    assert timer is not None
    assert not timer.cancelled()
    hang_up(ws)
    assert (await peer.frame()).opcode == CLOSE
    assert await peer.at_end()
    closed = listen(ws, "close")
    await peer.close()
    await within(closed)
    assert timer.cancelled()


async def test_the_timer_is_none_once_both_close_frames_are_there(serve: Serve) -> None:
    server = await serve()
    connection = listen(server, "connection")
    peer = await raw_client(server)
    ws, _ = await within(connection)
    closed = listen(ws, "close")
    peer.write(close_frame(1000))
    assert (await peer.frame()).opcode == CLOSE
    assert await peer.at_end()
    assert close_timer(ws) is None
    await peer.close()
    assert await within(closed) == (1000, b"")


async def test_a_task_that_waits_hears_of_the_closing_at_once(serve: Serve) -> None:
    server = await serve()
    connection = listen(server, "connection")
    peer = await raw_client(server)
    ws, _ = await within(connection)
    waiting = asyncio.ensure_future(ws.recv())
    await asyncio.sleep(0)
    ws.close(4000)
    stop_receiving(ws)
    with pytest.raises(wsrs.ConnectionClosed):
        await within(waiting)
    # Nobody takes what still comes, and it keeps nobody from reading the close frame behind it.
    peer.write(frame(TEXT, b"x" * 10_000) * 100 + close_frame(4000))
    closed = listen(ws, "close")
    assert (await peer.frame()).opcode == CLOSE
    assert await peer.at_end()
    await peer.close()
    assert await within(closed) == (4000, b"")
