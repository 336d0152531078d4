"""Cancellation at every await: nothing is lost, nothing is left behind, and nothing hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

import wsrs

from ..conftest import Reports, Serve
from ..peers import BINARY, CLOSE, TEXT, RawServer, listen, within
from .conftest import Attack, Attacked

MOMENTS = range(9)
"""Ticks between the beginning of a call and its cancellation, up to more than it needs on loopback."""


@pytest_asyncio.fixture(autouse=True)
async def nothing_left(reports: Reports) -> AsyncIterator[None]:
    """True once every task that the test's calls began has ended by itself."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        _, pending = await asyncio.wait(left, timeout=5)
        assert not pending, f"tasks are left: {pending}"


async def ticks(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def cancelled(call: Callable[[], Awaitable[Any]], moment: int) -> tuple[bool, Any]:
    """Begin `call` and cancel it `moment` ticks later; return whether it was cancelled, and else its
    result."""

    async def run() -> Any:
        return await call()

    task = asyncio.ensure_future(run())
    await ticks(moment)
    task.cancel()
    try:
        return False, await within(task)
    except asyncio.CancelledError:
        return True, None


@pytest.mark.parametrize("how", ["recv", "__anext__", "async for"])
async def test_cancelling_a_receiver_loses_no_message(attack: Attack, how: str) -> None:
    ws, peer, _ = attacked = await attack()
    received: list[str] = []

    async def iterate() -> None:
        async for message in ws:
            received.append(message)

    sent = 0
    for gap in range(3):
        for moment in MOMENTS:
            # One message is sent before the call, and one while it waits.
            for _ in range(2):
                peer.write(attacked.frame(TEXT, str(sent).encode()))
                sent += 1
                await ticks(gap)
            was_cancelled, message = await cancelled(
                iterate if how == "async for" else getattr(ws, how), moment
            )
            if not was_cancelled:
                received.append(message)
    while len(received) < sent:
        received.append(await within(ws.recv()))
    assert received == [str(number) for number in range(sent)]


async def test_cancelling_a_sender_neither_cuts_nor_loses_a_frame(attack: Attack) -> None:
    """`send` does its work when it is called: a cancelled task has only stopped waiting."""
    ws, peer, _ = attacked = await attack(high_water_mark=1)
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    sent: list[bytes] = []
    outcomes = []

    def send(call: Callable[[bytes], Awaitable[None]], size: int) -> Awaitable[None]:
        # This does not run if the task is cancelled before it has begun.
        sent.append(len(sent).to_bytes(2, "big") + bytes(size))
        return call(sent[-1])

    for moment in MOMENTS:
        for call, size in ((ws.send, 500_000), (ws.ping, 100), (ws.send, 300)):
            outcomes.append((await cancelled(partial(send, call, size), moment))[0])
    assert True in outcomes
    peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
    received = [(await peer.frame()).payload for _ in sent]
    assert received == sent
    await within(ws.send(b"and on"))
    assert (await peer.frame())[:2] == (BINARY, b"and on")
    peer.write(attacked.frame(TEXT, b"both ways"))
    assert await within(ws.recv()) == "both ways"


@pytest.mark.parametrize("enter", [True, False], ids=["async with", "wait_open"])
async def test_a_client_may_be_cancelled_while_it_connects(
    transports: str, serve: Serve, reports: Reports, enter: bool
) -> None:
    server = await serve()
    # A task that is cancelled before it has begun has not entered.
    for moment in range(1, 16):
        ws = wsrs.WebSocket(server.url)
        was_cancelled, _ = await cancelled(ws.__aenter__ if enter else ws.wait_open, moment)
        if not enter:
            # The waiting task does not do the connecting: that goes on.
            await within(ws.wait_open())
            assert ws.ready_state == wsrs.OPEN
        elif was_cancelled:
            await within(ws.wait_closed())
            assert ws.ready_state == wsrs.CLOSED
            continue
        ws.close()
        await within(ws.wait_closed())
    while server.clients:
        await within(next(iter(server.clients)).wait_closed())
    # For a cancelled `async with`, the CancelledError is the only report.
    assert reports == []


async def test_a_handshake_given_up_leaves_no_socket(
    transports: str, raw_server: RawServer, reports: Reports
) -> None:
    for moment in range(8):
        ws = wsrs.WebSocket(raw_server.url)
        entering = asyncio.ensure_future(ws.__aenter__())
        peer = await raw_server.peer()
        await ticks(moment)
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(entering)
        await peer.rest_or_reset()
        await within(ws.wait_closed())


async def answer_close(attacked: Attacked) -> None:
    """Do the peer's part of an orderly end."""
    while (frame := await attacked.peer.frame()).opcode != CLOSE:
        pass
    attacked.peer.hang_up(attacked.frame(CLOSE, frame.payload))


@pytest.mark.parametrize("how", ["leave", "wait_closed", "recv", "drain"])
async def test_an_end_goes_on_if_the_task_that_waits_is_cancelled(attack: Attack, how: str) -> None:
    for moment in MOMENTS:
        attacked = await attack()
        ws = attacked.ws
        closed = listen(ws, "close")
        calls: dict[str, Callable[[], Awaitable[Any]]] = {
            "leave": partial(ws.__aexit__, None, None, None),
            "wait_closed": ws.wait_closed,
            "recv": ws.recv,
            "drain": partial(ws.send, bytes(100_000)),
        }
        if how == "wait_closed":
            ws.close(1000)
        was_cancelled, _ = await cancelled(calls[how], moment)
        assert was_cancelled or how == "drain"
        if how != "leave" or moment == 0:
            ws.close(1000)
        await within(asyncio.gather(answer_close(attacked), closed))
        assert closed.result() == (1000, b"")
        # Other waiting tasks are still woken, and a later wait returns at once.
        await within(ws.wait_closed())
        with pytest.raises(wsrs.ConnectionClosed):
            await within(ws.recv())


@pytest.mark.parametrize("how", ["shutdown", "leave", "wait_closed", "serve_forever"])
async def test_a_servers_end_goes_on_if_the_task_that_waits_is_cancelled(
    transports: str, reports: Reports, how: str
) -> None:
    for moment in MOMENTS:
        server = wsrs.WebSocketServer(port=0, host="127.0.0.1")
        await within(server.wait_listening())
        address = server.address()
        assert isinstance(address, dict)
        client = wsrs.WebSocket(f"ws://127.0.0.1:{address['port']}")
        connection = listen(server, "connection")
        await within(asyncio.gather(client.wait_open(), connection))
        closed = listen(client, "close")
        call: Callable[[], Awaitable[Any]] = server.__aexit__ if how == "leave" else getattr(server, how)
        was_cancelled, _ = await cancelled(call, moment)
        if how == "wait_closed" or moment == 0:
            await within(server.shutdown())
        await within(server.wait_closed())
        assert await within(closed) == (1001, b"")
        assert server.clients == set()
        assert was_cancelled or how != "serve_forever"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_server_may_be_cancelled_while_it_begins_to_listen(
    transports: str, reports: Reports, host: str
) -> None:
    for moment in MOMENTS:
        server = wsrs.WebSocketServer(port=0, host=host)
        await cancelled(server.__aenter__, moment)
        await within(server.shutdown())
        assert server.address() is None


async def test_a_stream_reads_and_writes_on_after_a_cancellation(attack: Attack) -> None:
    ws, peer, _ = attacked = await attack(high_water_mark=1)
    stream = wsrs.create_websocket_stream(ws)
    expected = b""
    received = b""
    for moment in MOMENTS:
        for size in (0, 1, 4):
            data = b"%04d" % len(expected)
            expected += data
            peer.write(attacked.frame(BINARY, data[:size]))
            was_cancelled, chunk = await cancelled(lambda: stream.readexactly(4), moment)
            assert was_cancelled or len(chunk) == 4
            received += chunk or b""
            peer.write(attacked.frame(BINARY, data[size:]))
    while len(received) < len(expected):
        received += await within(stream.readexactly(4))
    assert received == expected
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    for moment in MOMENTS:
        stream.write(moment.to_bytes(1, "big") * 400_000)
        await cancelled(stream.drain, moment)
    peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
    written = b""
    while len(written) < len(MOMENTS) * 400_000:
        written += (await peer.frame()).payload
    assert written == b"".join(moment.to_bytes(1, "big") * 400_000 for moment in MOMENTS)
    stream.close()
    await within(answer_close(attacked))
    await cancelled(stream.wait_closed, 1)
    await within(ws.wait_closed())
