"""`heartbeat`: peers that fall silent, peers that do not, and programs that pause."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import wsrs
from wsrs._websocket import heartbeat

from ..peers import CLOSE, PING, PONG, TEXT, Peer, listen, within
from .conftest import Attack, Attacked

pytestmark = pytest.mark.asyncio

SHORT = 0.05


async def until_pong(peer: Peer, payload: bytes) -> int:
    """Read up to the pong with `payload`; return how many other pongs there were."""
    others = 0
    while (frame := await peer.frame())[:2] != (PONG, payload):
        others += frame.opcode == PONG
    return others


async def test_a_silent_peer_is_pinged_and_given_up(attack: Attack) -> None:
    ws, peer, _ = await attack(heartbeat=SHORT)
    receiving = asyncio.ensure_future(ws.recv())
    closed = listen(ws, "close")
    assert (await peer.frame())[:2] == (PING, b"")
    # A peer that reads, but does not answer, sees why its connection ends.
    assert (await peer.frame())[:2] == (CLOSE, (1011).to_bytes(2, "big") + b"keepalive ping timeout")
    assert await peer.at_end()
    assert await within(closed) == (1006, b"")
    with pytest.raises(wsrs.ConnectionClosed) as raised:
        await within(receiving)
    assert isinstance(raised.value.__cause__, TimeoutError)
    assert str(raised.value.__cause__) == f"the peer did not answer a ping within {SHORT} seconds"


async def test_interval_and_timeout_may_differ(attack: Attack) -> None:
    ws, peer, _ = await attack(heartbeat=(SHORT, 60.0))
    assert (await peer.frame()).opcode == PING
    # The second ping shows that the peer was not given up in between.
    peer.write(attack_pong(ws, peer))
    assert (await peer.frame()).opcode == PING
    assert ws.ready_state == wsrs.OPEN


def attack_pong(ws: Any, peer: Peer) -> bytes:
    """An unsolicited pong as the peer's role sends it."""
    attacked = Attacked(ws, peer, None if ws.url else b"\x00\x00\x00\x00")
    return attacked.frame(PONG)


async def test_any_byte_proves_that_the_peer_is_there(attack: Attack) -> None:
    ws, peer, _ = attacked = await attack(heartbeat=(SHORT, 10 * SHORT))
    message = listen(ws, "message")
    data = attacked.frame(TEXT, b"dribbled")
    for place in range(4):
        assert (await peer.frame()).opcode == PING
        peer.write(data[place : place + 1])
    peer.write(data[4:])
    assert await within(message) == (b"dribbled", False)
    assert ws.ready_state == wsrs.OPEN


async def test_the_heartbeat_is_off_by_default_and_leaves_no_timer(attack: Attack) -> None:
    await attack()
    assert not heartbeat._wheels
    ws, *_ = await attack(heartbeat=60)
    assert len(heartbeat._wheels) == 1
    ws.terminate()
    await within(ws.wait_closed())
    assert not heartbeat._wheels


async def test_pings_are_answered_while_the_program_has_paused(attack: Attack) -> None:
    ws, peer, _ = attacked = await attack(heartbeat=60)
    seen: list[Any] = []
    ws.on("message", lambda data, is_binary: seen.append(data))
    ws.on("ping", seen.append)
    ws.pause()
    peer.write(attacked.frame(TEXT, b"held back") + attacked.frame(PING, b"A"))
    assert await until_pong(peer, b"A") == 0
    assert seen == []
    ws.resume()
    peer.write(attacked.frame(PING, b"B"))
    assert await until_pong(peer, b"B") == 0
    assert seen == [b"held back", b"A", b"B"]


async def test_pings_are_answered_while_nobody_takes_the_messages(attack: Attack) -> None:
    ws, peer, _ = attacked = await attack(heartbeat=60)
    first = asyncio.ensure_future(ws.recv())
    peer.write(attacked.frame(TEXT, b"0"))
    assert await within(first) == "0"
    count = 1500
    peer.write(b"".join(attacked.frame(TEXT, b"%d" % number) for number in range(1, count)))
    peer.write(attacked.frame(PING, b"A"))
    assert await until_pong(peer, b"A") == 0
    assert [await within(ws.recv()) for _ in range(1, count)] == [str(number) for number in range(1, count)]
    peer.write(attacked.frame(PING, b"B"))
    assert await until_pong(peer, b"B") == 0


async def test_a_pause_is_not_taken_for_silence(attack: Attack) -> None:
    held = await attack(heartbeat=SHORT)
    other = await attack(heartbeat=SHORT)
    messages: list[bytes] = []
    all_there = asyncio.Event()

    def came(data: bytes, is_binary: bool) -> None:
        messages.append(data)
        if len(messages) == 40:
            all_there.set()

    held.ws.on("message", came)
    held.ws.pause()
    # The peer sends more than is read ahead, and then nothing.
    held.peer.write(held.frame(TEXT, b"x" * 5000) * 40)
    for _ in range(6):
        while (await other.peer.frame()).opcode != PING:
            pass
        other.peer.write(other.frame(PONG))
    assert held.ws.ready_state == wsrs.OPEN
    held.ws.resume()
    await within(all_there.wait())
    while (await held.peer.frame()).opcode != PING:
        pass


async def test_a_long_timeout_spans_intervals_and_any_byte_ends_it(attack: Attack) -> None:
    attacked = await attack(heartbeat=(0.03, 0.2))
    ws, peer, _ = attacked
    closed = listen(ws, "close")
    begun = asyncio.get_running_loop().time()
    assert (await peer.frame()).opcode == PING
    assert await within(closed) == (1006, b"")
    assert asyncio.get_running_loop().time() - begun > 0.2
    assert (await peer.frame()).opcode == CLOSE
    assert await peer.rest_or_reset() == b""


async def test_no_ping_is_sent_while_closing(attack: Attack) -> None:
    ws, peer, _ = await attack(heartbeat=0.02, close_timeout=0.15)
    closed = listen(ws, "close")
    ws.close()
    assert await within(closed) == (1006, b"")
    assert (await peer.frame()).opcode == CLOSE
    assert await peer.rest_or_reset() == b""
