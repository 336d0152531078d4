"""The wheel of `heartbeat`, one timer for all connections; `threats/test_silence` tests what peers see."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import wsrs
from wsrs._websocket import heartbeat

from ..conftest import Reports, Serve
from ..peers import PING, RawServer, listen, raw_client, within

SHORT = 0.05


async def test_one_timer_serves_all_connections(serve: Serve) -> None:
    server = await serve(heartbeat=60)
    peers = [await raw_client(server) for _ in range(40)]
    (wheel,) = heartbeat._wheels.values()
    assert wheel.count == 40
    # An interval has sixteen slots: forty connections that were made within one slot are checked in a few.
    assert len(wheel._times) <= 3
    for peer in peers:
        await peer.close()


async def test_the_program_s_own_fault_is_reported_and_ends_nothing(serve: Serve, reports: Reports) -> None:
    server = await serve()
    failing = True

    def generate_mask(key: bytearray) -> None:
        if failing:
            raise LookupError("no key")

    ping: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    server.on("connection", lambda ws, request: ws.once("ping", ping.set_result))
    ws = wsrs.WebSocket(server.url, heartbeat=SHORT, generate_mask=generate_mask)
    await within(ws.wait_open())
    reported = asyncio.Event()

    def handler(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal failing
        failing = False
        reports.append(context)
        reported.set()

    asyncio.get_running_loop().set_exception_handler(handler)
    await within(reported.wait())
    assert isinstance(reports.take()["exception"], LookupError)
    assert await within(ping) == b""
    assert ws.ready_state == wsrs.OPEN


async def test_a_mask_that_fails_at_the_end_is_reported_and_the_peer_is_given_up(
    raw_server: RawServer, reports: Reports
) -> None:
    def generate_mask(key: bytearray) -> None:
        if pinged:
            raise LookupError("no key")
        pinged.append(True)

    pinged: list[bool] = []
    ws = wsrs.WebSocket(raw_server.url, heartbeat=SHORT, generate_mask=generate_mask)
    closed = listen(ws, "close")
    peer = await raw_server.accept()
    assert (await peer.frame()).opcode == PING
    assert await peer.at_end()
    assert await within(closed) == (1006, b"")
    assert isinstance(reports.take()["exception"], LookupError)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (-1, ValueError, "not negative, not -1"),
        (float("nan"), ValueError, "finite"),
        ("30", TypeError, "must be a number, not str"),
        (True, TypeError, "must be a number, not bool"),
        ((1, 2, 3), ValueError, r"a number or \(interval, timeout\)"),
        ((30, 0), ValueError, "at least 0.001 seconds"),
        (1e-9, ValueError, "at least 0.001 seconds"),
    ],
)
async def test_a_bad_heartbeat_is_an_error(value: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        wsrs.WebSocketServer(no_server=True, heartbeat=value)
    assert wsrs.WebSocketServer(no_server=True, heartbeat=0).options["heartbeat"] is None


async def test_many_connections_due_at_once_are_pinged_in_turns(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "_PER_TICK", 2)
    server = await serve(heartbeat=(SHORT, 10.0))
    peers = [await raw_client(server) for _ in range(7)]
    for peer in peers:
        assert (await peer.frame()).opcode == PING
        await peer.close()


async def test_a_loop_that_was_closed_with_connections_is_forgotten(serve: Serve) -> None:
    closed = asyncio.new_event_loop()
    closed.close()
    heartbeat._wheels[closed] = heartbeat.Wheel(closed)
    peer = await raw_client(await serve(heartbeat=60))
    assert closed not in heartbeat._wheels
    await peer.close()
