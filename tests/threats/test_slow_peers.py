"""`slow_peer`: what happens to messages for a peer that does not read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import wsrs

from ..peers import CLOSE, TEXT, Peer, listen, within
from .conftest import Attack

pytestmark = pytest.mark.asyncio

MARK = 64 * 1024
SIZE = 50_000
HEADER = 14


def flood(ws: Any) -> tuple[int, list[Any]]:
    """In one tick, send until eight messages were refused; return the number sent and the results of
    `send`."""
    outcomes = []
    refused = 0
    # For a peer that does not read, every system takes far less than 400 MB.
    for number in range(8000):
        outcomes.append(ws.send(b"%06d" % number + b"x" * (SIZE - 6)))
        assert ws.buffered_amount <= MARK + SIZE + HEADER
        refused = max(refused, ws.dropped_messages)
        if refused == 8 or ws.ready_state != wsrs.OPEN:
            return number + 1, outcomes
    raise AssertionError("nothing was refused")


async def numbers(peer: Peer, count: int) -> list[int]:
    return [int((await peer.frame()).payload[:6]) for _ in range(count)]


async def test_drop_keeps_the_queue_under_the_mark_and_one_message(attack: Attack) -> None:
    ws, peer, _ = await attack(slow_peer="drop", high_water_mark=MARK)
    sent, outcomes = flood(ws)
    with pytest.raises(wsrs.SlowPeer, match="high_water_mark") as raised:
        await outcomes[-1]
    assert raised.value.code == "WS_ERR_SLOW_PEER"
    told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    ws.send(b"one more", callback=told.set_result)
    assert isinstance(await within(told), wsrs.SlowPeer)
    assert ws.dropped_messages == ws.droppedMessages == 9
    # The peer reads again: it gets the messages that were not refused, whole and in order, and new ones.
    assert await numbers(peer, sent - 8) == list(range(sent - 8))
    await within(ws.send("and on"))
    assert (await peer.frame())[:2] == (TEXT, b"and on")
    assert ws.dropped_messages == 9


async def test_close_ends_the_connection_with_1013(attack: Attack) -> None:
    attacked = await attack(slow_peer="close", high_water_mark=MARK)
    ws, peer, _ = attacked
    errors: list[BaseException] = []
    ws.on("error", errors.append)
    closed = listen(ws, "close")
    sent, outcomes = flood(ws)
    assert ws.ready_state == wsrs.CLOSING
    with pytest.raises(wsrs.SlowPeer):
        await outcomes[-1]
    assert await numbers(peer, sent - 1) == list(range(sent - 1))
    close = await peer.frame()
    assert close[:2] == (CLOSE, b"\x03\xf5the peer reads too slowly")
    peer.hang_up(attacked.frame(CLOSE, close.payload))
    assert await within(closed) == (1013, b"the peer reads too slowly")
    assert errors == []


async def test_a_peer_that_never_reads_is_cut_off_after_close_timeout(attack: Attack) -> None:
    ws, *_ = await attack(slow_peer="close", high_water_mark=MARK, close_timeout=0.05)
    receiving = asyncio.ensure_future(ws.recv())
    closed = listen(ws, "close")
    flood(ws)
    assert await within(closed) == (1006, b"")
    with pytest.raises(wsrs.ConnectionClosed) as raised:
        await within(receiving)
    assert isinstance(raised.value.__cause__, wsrs.SlowPeer)


async def test_many_messages_at_once_do_not_make_a_peer_slow(attack: Attack) -> None:
    for policy in ("drop", "close"):
        ws, peer, _ = await attack(slowPeer=policy, high_water_mark=1)
        for _ in range(200):
            ws.send("x")
        for _ in range(200):
            assert (await peer.frame())[:2] == (TEXT, b"x")
        assert ws.dropped_messages == 0
        assert ws.ready_state == wsrs.OPEN


async def test_pause_is_the_default_and_refuses_nothing(attack: Attack) -> None:
    ws, peer, _ = await attack(high_water_mark=1)
    for number in range(100):
        ws.send(b"%06d" % number)
    assert await numbers(peer, 100) == list(range(100))
    assert ws.dropped_messages == 0


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        ("wait", ValueError, "one of pause, drop, close, not 'wait'"),
        (1, TypeError, "must be a str, not int"),
    ],
)
async def test_a_bad_slow_peer_policy_is_an_error(value: Any, error: type[Exception], text: str) -> None:
    for name in ("slow_peer", "slowPeer"):
        options: Any = {"no_server": True, name: value}
        with pytest.raises(error, match=f"{name} must be {text.removeprefix('must be ')}"):
            wsrs.WebSocketServer(options)
