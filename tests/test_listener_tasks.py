"""Coroutine functions as listeners: how their tasks end."""

from __future__ import annotations

import asyncio
from typing import Any

import wsrs

from .conftest import Reports, Serve
from .peers import raw_client, within


async def test_a_peer_that_vanishes_ends_the_task_without_noise(serve: Serve, reports: Reports) -> None:
    ended: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def greet(ws: wsrs.WebSocket, request: Any) -> None:
        try:
            async for message in ws:
                await ws.send(message)
        except BaseException as error:
            ended.set_result(error)
            raise

    server = await serve(greet)
    peer = await raw_client(server)
    peer.writer.transport.abort()
    error = await within(ended)
    assert isinstance(error, wsrs.ConnectionClosed)
    assert error.close_code == 1006
    await asyncio.sleep(0)
    assert reports == []


async def test_another_exception_is_reported(serve: Serve, reports: Reports) -> None:
    async def fail(ws: wsrs.WebSocket, request: Any) -> None:
        ws.close()
        raise LookupError("mine")

    server = await serve(fail)
    ws = wsrs.WebSocket(server.url)
    await within(ws.wait_closed())
    context = reports.take()
    assert str(context["exception"]) == "mine"
    assert "connection" in context["message"]
