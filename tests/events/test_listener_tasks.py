"""Coroutine functions as listeners: how their tasks end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import wsrs

from ..conftest import Reports, Serve
from ..peers import TEXT, frame, raw_client, within


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


async def test_another_exception_than_the_loss_is_reported(serve: Serve, reports: Reports) -> None:
    async def fail(ws: wsrs.WebSocket, request: Any) -> None:
        ws.close()
        raise LookupError("mine")

    server = await serve(fail)
    ws = wsrs.WebSocket(server.url)
    await within(ws.wait_closed())
    context = reports.take()
    assert str(context["exception"]) == "mine"
    assert "connection" in context["message"]


async def test_an_exception_in_a_connection_listeners_task_leaves_the_connection_open(
    serve: Serve, reports: Reports
) -> None:
    async def fail(ws: wsrs.WebSocket, request: Any) -> None:
        ws.on("message", lambda data, is_binary: ws.send(data, binary=is_binary))
        raise LookupError("mine")

    server = await serve(fail)
    ws = wsrs.WebSocket(server.url)
    await within(ws.wait_open())
    await ws.send("still there")
    assert await within(ws.recv()) == "still there"
    assert str(reports.take()["exception"]) == "mine"
    heard: list[Any] = []
    server.on("error", heard.append)
    another = wsrs.WebSocket(server.url)
    await within(another.wait_open())
    await another.send("too")
    assert await within(another.recv()) == "too"
    assert [str(error) for error in heard] == ["mine"]


async def test_an_exception_within_async_with_closes_the_connection_with_1011(
    serve: Serve, reports: Reports
) -> None:
    async def fail(ws: wsrs.WebSocket, request: Any) -> None:
        async with ws:
            if await ws.recv() == "fail":
                raise LookupError("mine")

    server = await serve(fail)
    for message, code in (("fail", 1011), ("end", 1000)):
        ws = wsrs.WebSocket(server.url)
        await within(ws.wait_open())
        await ws.send(message)
        with pytest.raises(wsrs.ConnectionClosed) as raised:
            await within(ws.recv())
        assert raised.value.close_code == code
    assert str(reports.take()["exception"]) == "mine"


async def test_a_task_that_a_listener_runs_at_once_may_wake_others(serve: Serve, reports: Reports) -> None:
    """Eager tasks do so (Python 3.12): the task is current then, and no other can be stepped within it."""
    loop = asyncio.get_running_loop()
    held: list[wsrs.WebSocket] = []
    ended: asyncio.Future[None] = loop.create_future()

    async def iterate(ws: wsrs.WebSocket) -> None:
        async for _ in ws:
            pass
        ended.set_result(None)

    def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
        held.append(ws)

        def on_message(data: bytes, is_binary: bool) -> None:
            task = loop.create_task(asyncio.sleep(0))
            asyncio.tasks._enter_task(loop, task)
            try:
                held[0]._conn.finish(wsrs.ConnectionClosed(1000), True)  # type: ignore[union-attr]
                assert not ended.done()
            finally:
                asyncio.tasks._leave_task(loop, task)

        if len(held) > 1:
            ws.on("message", on_message)

    server = await serve(on_connection)
    first = await raw_client(server)
    task = asyncio.ensure_future(iterate(held[0]))
    second = await raw_client(server)
    second.writer.write(frame(TEXT, b"now"))
    await within(ended)
    await task
    await first.close()
    await second.close()
