"""`async for`, `recv` and `async with`: messages as values, ends as exceptions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import wsrs

from ..conftest import Reports, Serve
from ..peers import (
    BINARY,
    PING,
    PONG,
    TEXT,
    Peer,
    close_frame,
    frame,
    gather_into,
    listen,
    raw_client,
    within,
)

Pair = tuple[Any, Peer]


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


class TestIteration:
    def test_an_object_that_only_claims_to_be_a_websocket_is_refused(self) -> None:
        """`isinstance` trusts `__class__`, but the memory of such an object is not that of a WebSocket."""

        class Pretender:
            __class__ = wsrs.WebSocket  # type: ignore[assignment]

            def _begin_pulling(self) -> None:
                """The first thing that `__aiter__` calls."""

        pretender: Any = Pretender()
        with pytest.raises(AttributeError):
            wsrs.WebSocket.__aiter__(pretender).__anext__()

    @pytest.mark.parametrize("code", [1000, 1001, None])
    async def test_iteration_ends_at_an_orderly_close(self, pair: Pair, code: int | None) -> None:
        ws, peer = pair
        peer.hang_up(frame(TEXT, "ü".encode()) + frame(BINARY, b"\xff") + close_frame(code))
        assert await within(collect(ws)) == ["ü", b"\xff"]
        # A second iteration is over at once.
        assert await within(collect(ws)) == []

    @pytest.mark.parametrize("code", [1002, 1011, 4000])
    async def test_iteration_raises_at_another_close(self, pair: Pair, code: int) -> None:
        ws, peer = pair
        collected: list[Any] = []

        async def collect_into() -> None:
            async for message in ws:
                collected.append(message)

        peer.hang_up(frame(TEXT, b"first") + close_frame(code, b"why"))
        with pytest.raises(wsrs.ConnectionClosed, match=f"{code}.*'why'") as caught:
            await within(collect_into())
        assert (caught.value.close_code, caught.value.reason) == (code, "why")
        assert collected == ["first"]

    async def test_iteration_raises_with_the_fault_as_its_cause(self, pair: Pair, reports: Reports) -> None:
        ws, peer = pair
        collecting = asyncio.ensure_future(collect(ws))
        await asyncio.sleep(0)
        peer.hang_up(frame(TEXT, b"\xff"))
        with pytest.raises(wsrs.ConnectionClosed) as caught:
            await within(collecting)
        assert caught.value.close_code == 1006
        assert isinstance(caught.value.__cause__, wsrs.WebSocketError)
        assert caught.value.__cause__.code == "WS_ERR_INVALID_UTF8"
        assert list(reports) == []

    async def test_iteration_in_a_coroutine_listener_gets_what_came_with_the_request(
        self, serve: Serve
    ) -> None:
        done = asyncio.get_running_loop().create_future()

        async def handler(ws: wsrs.WebSocket, request: Any) -> None:
            done.set_result(await collect(ws))

        server = await serve(handler)
        peer = await raw_client(server, then=frame(TEXT, b"1") + frame(TEXT, b"2") + close_frame(1000))
        peer.hang_up()
        assert await within(done) == ["1", "2"]
        await peer.close()

    async def test_an_exception_in_a_coroutine_listener_goes_to_error(self, serve: Serve) -> None:
        async def handler(ws: wsrs.WebSocket, request: Any) -> None:
            async for message in ws:
                raise KeyError(message)

        server = await serve(handler)
        error = listen(server, "error")
        peer = await raw_client(server)
        peer.write(frame(TEXT, b"x"))
        (raised,) = await within(error)
        assert isinstance(raised, KeyError)
        assert raised.args == ("x",)
        await peer.close()

    async def test_a_coroutine_listener_ended_by_the_close_is_no_error(
        self, serve: Serve, reports: Reports
    ) -> None:
        ended = asyncio.Event()

        async def handler(ws: wsrs.WebSocket, request: Any) -> None:
            try:
                await collect(ws)
            finally:
                asyncio.get_running_loop().call_soon(ended.set)

        server = await serve(handler)
        server.on("error", reports.append)
        peer = await raw_client(server)
        peer.hang_up(close_frame(4000))
        await within(ended.wait())
        await peer.close()

    async def test_a_client_may_be_iterated_before_it_is_open(self, serve: Serve) -> None:
        def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
            ws.send("1")
            ws.send(b"2")
            ws.close(1000)

        server = await serve(on_connection)
        assert await within(collect(wsrs.WebSocket(server.url))) == ["1", b"2"]


class TestRecv:
    async def test_recv_may_be_awaited_in_every_way_that_asyncio_knows(self, pair: Pair) -> None:
        ws, peer = pair
        loop = asyncio.get_running_loop()
        waits = [
            lambda: asyncio.wait_for(ws.recv(), 10),
            lambda: asyncio.create_task(ws.recv()),
            lambda: asyncio.gather(ws.recv()),
            lambda: asyncio.ensure_future(ws.recv()),
            lambda: asyncio.wait_for(ws.__anext__(), 10),
            lambda: asyncio.ensure_future(ws.__anext__()),
            ws.recv,
            ws.__anext__,
        ]
        for number, wait in enumerate(waits):
            # First it waits for a message, then there is one already.
            loop.call_soon(loop.call_soon, peer.write, frame(TEXT, str(number).encode()))
            (received,) = await within(asyncio.gather(wait()))
            assert received in (str(number), [str(number)])

    async def test_recv_is_for_one_task_at_a_time(self, pair: Pair) -> None:
        ws, peer = pair
        first = asyncio.create_task(ws.recv())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another task is already waiting"):
            await within(ws.recv())
        peer.write(frame(TEXT, b"1"))
        assert await within(first) == "1"

    async def test_cancelling_recv_loses_nothing(self, pair: Pair) -> None:
        ws, peer = pair
        for _ in range(2):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(ws.recv(), 0.01)
        peer.write(frame(TEXT, b"kept"))
        assert await within(ws.recv()) == "kept"

    async def test_waiting_messages_come_before_the_end(self, pair: Pair) -> None:
        ws, peer = pair
        peer.hang_up(frame(TEXT, b"1") + frame(TEXT, b"2") + close_frame(1000))
        await within(ws.wait_closed())
        assert [await within(ws.recv()), await within(ws.recv())] == ["1", "2"]
        for _ in range(2):
            with pytest.raises(wsrs.ConnectionClosed, match="1000"):
                await within(ws.recv())

    async def test_the_first_listener_gets_waiting_messages(self, pair: Pair) -> None:
        ws, peer = pair
        peer.write(frame(TEXT, b"1") + frame(TEXT, b"2") + frame(PING))
        # The pong shows that both messages have arrived.
        assert (await peer.frame()).opcode == PONG
        seen: list[Any] = []
        both = asyncio.Event()
        ws.on("message", gather_into(seen, 2, both))
        await within(both.wait())
        assert [data for data, _ in seen] == [b"1", b"2"]

    async def test_a_listener_after_the_first_recv_takes_over(self, pair: Pair) -> None:
        ws, peer = pair
        peer.write(frame(TEXT, b"login") + frame(TEXT, b"x") * 20)
        assert await within(ws.recv()) == "login"
        seen: list[Any] = []
        last = asyncio.Event()
        ws.on("message", gather_into(seen, 3020, last))
        peer.write(frame(TEXT, b"x") * 3000)
        await within(last.wait())
        peer.write(frame(PING))
        assert (await peer.frame()).opcode == PONG


class TestContext:
    async def test_the_context_closes_with_1000(self, serve: Serve) -> None:
        server = await serve()
        connection = listen(server, "connection")
        async with wsrs.WebSocket(server.url) as ws:
            assert ws.ready_state == wsrs.OPEN
            other, _ = await within(connection)
            closed = listen(other, "close")
        assert ws.ready_state == wsrs.CLOSED
        assert await within(closed) == (1000, b"")

    async def test_the_context_closes_with_1011_after_an_exception(self, serve: Serve) -> None:
        server = await serve()
        connection = listen(server, "connection")
        closed: list[Any] = []

        async def fail() -> None:
            async with wsrs.WebSocket(server.url):
                other, _ = await within(connection)
                closed.append(listen(other, "close"))
                raise KeyError

        with pytest.raises(KeyError):
            await fail()
        assert (await within(closed[0]))[0] == 1011

    async def test_the_context_ends_although_messages_wait(self, serve: Serve) -> None:
        def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
            for _ in range(200):
                ws.send(b"x" * 10_000)

        server = await serve(on_connection)
        async with wsrs.WebSocket(server.url) as ws:
            assert await within(ws.recv()) == b"x" * 10_000
        assert ws.ready_state == wsrs.CLOSED

    async def test_awaiting_a_send_waits_for_a_slow_reader(self, pair: Pair) -> None:
        ws, peer = pair
        data = b"x" * 1_000_000
        sends = 0

        async def send() -> None:
            nonlocal sends
            for _ in range(60):
                await ws.send(data)
                sends += 1

        sending = asyncio.create_task(send())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(sending), 0.3)
        assert sends < 40
        assert ws.buffered_amount < 3_000_000
        for _ in range(60):
            assert (await peer.frame()).payload == data
        await within(sending)
