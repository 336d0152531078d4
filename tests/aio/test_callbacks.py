"""Callbacks: they may be coroutine functions, and they run in the context of the call that gave them."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest

import wsrs
from wsrs.http import HttpServer

from ..conftest import Reports, Serve
from ..peers import listen, raw_client, within


@pytest.mark.parametrize("how", ["send", "ping", "pong"])
async def test_a_callback_that_is_a_coroutine_function(serve: Serve, reports: Reports, how: str) -> None:
    server = await serve()
    connection = listen(server, "connection")
    peer = await raw_client(server)
    ws, _ = await within(connection)
    told: asyncio.Queue[Any] = asyncio.Queue()

    async def callback(error: BaseException | None) -> None:
        await asyncio.sleep(0)
        await told.put(error)

    async def failing(error: BaseException | None) -> None:
        raise KeyError(how)

    getattr(ws, how)("x", callback=failing)
    getattr(ws, how)("x", callback=callback)
    assert await within(told.get()) is None
    context = reports.take()
    assert isinstance(context["exception"], KeyError)
    assert "callback" in context["message"]
    closed = listen(ws, "close")
    ws.send(bytes(20_000_000))  # more than the socket takes
    getattr(ws, how)("x", callback=callback)
    ws.terminate()
    assert isinstance(await within(told.get()), wsrs.ConnectionClosed)
    await within(closed)
    getattr(ws, how)("x", callback=callback)
    assert isinstance(await within(told.get()), wsrs.WebSocketError)
    await peer.close()


async def test_callbacks_run_in_the_context_of_their_senders(serve: Serve) -> None:
    who: contextvars.ContextVar[int] = contextvars.ContextVar("who", default=-1)
    told: asyncio.Queue[tuple[int, int]] = asyncio.Queue()

    async def send(ws: Any, number: int) -> None:
        async def later(error: BaseException | None) -> None:
            await told.put((number, who.get()))

        who.set(number)
        ws.send("x", callback=lambda error: told.put_nowait((number, who.get())))
        ws.ping(callback=later)

    server = await serve()
    pairs = []
    for _ in range(3):
        connection = listen(server, "connection")
        peer = await raw_client(server)
        pairs.append((peer, (await within(connection))[0]))
    await asyncio.gather(*(send(ws, number) for number, (_, ws) in enumerate(pairs)))
    heard = [await within(told.get()) for _ in range(6)]
    assert sorted(heard) == [(0, 0), (0, 0), (1, 1), (1, 1), (2, 2), (2, 2)]
    for peer, _ in pairs:
        await peer.close()


@pytest.mark.parametrize("make", [HttpServer, lambda: wsrs.WebSocketServer(no_server=True)])
async def test_a_callback_of_a_second_close_may_be_a_coroutine_function(make: Any) -> None:
    told: asyncio.Queue[Any] = asyncio.Queue()

    async def closed(error: BaseException | None = None) -> None:
        await told.put(error)

    server = make()
    server.close(closed)
    assert await within(told.get()) is None
    server.close(closed)
    assert "not running" in str(await within(told.get()))
