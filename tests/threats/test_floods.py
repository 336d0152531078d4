"""Peers that send more than they let us answer, or nothing but fragments: memory stays flat."""

from __future__ import annotations

import asyncio
import gc
import zlib
from typing import Any

import pytest

import wsrs

from ..conftest import Reports, Serve
from ..peers import BINARY, CLOSE, CONTINUATION, PING, Peer, listen, raw_client, within
from .conftest import Attack, resident

MIB = 1024 * 1024


async def push(peer: Peer, data: bytes, times: int = 1) -> None:
    """Write as fast as the other side reads, until it stops reading."""
    try:
        for _ in range(times):
            peer.write(data)
            await within(peer.writer.drain(), 20)
    except ConnectionError:
        pass


@pytest.mark.parametrize("payload", [b"x", b""], ids=["one byte", "empty"])
@pytest.mark.measures
async def test_200_000_fragments_without_an_end_are_refused(attack: Attack, payload: bytes) -> None:
    ws, peer, _ = attacked = await attack()
    error = listen(ws, "error")
    before = resident()
    peer.write(attacked.frame(BINARY, payload, fin=False))
    await push(peer, attacked.frame(CONTINUATION, payload, fin=False) * 2000, 100)
    assert (await within(error))[0].code == "WS_ERR_TOO_MANY_BUFFERED_PARTS"
    assert resident() - before < 16 * MIB
    closing = (await peer.frame())[:2] if not peer.reader.at_eof() else None
    assert closing == (CLOSE, b"\x03\xf0")
    await peer.close()
    await within(ws.wait_closed())


@pytest.mark.measures
async def test_24_mib_of_pings_with_unread_pongs_keep_memory_flat(attack: Attack) -> None:
    ws, peer, _ = attacked = await attack()
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    heard = asyncio.Event()
    ws.on("pong", lambda data: heard.set())
    pings = attacked.frame(PING, b"p" * 119) * 2000
    before = resident()
    await push(peer, pings, 24 * MIB // len(pings))
    peer.write(attacked.frame(10, b"last"))
    await within(heard.wait(), 30)
    assert resident() - before < 12 * MIB
    assert ws.buffered_amount < MIB
    assert ws.ready_state == wsrs.OPEN
    ws.terminate()
    await within(ws.wait_closed())


@pytest.mark.measures
async def test_requests_faster_than_the_peer_reads_answers_stop_the_reading(attack: Attack) -> None:
    """A program that awaits its sends stops reading while its answers wait."""
    ws, peer, _ = attacked = await attack(high_water_mark=64 * 1024)
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    most = 0

    async def answer() -> None:
        nonlocal most
        async for message in ws:
            done = ws.send(message)
            most = max(most, ws.buffered_amount)
            await done

    task = asyncio.ensure_future(answer())
    requests = attacked.frame(BINARY, bytes(16 * 1024)) * 64
    sending = asyncio.ensure_future(push(peer, requests, 64))
    before = resident()
    with pytest.raises(asyncio.TimeoutError):
        await within(asyncio.shield(sending), 0.4)
    assert most < 256 * 1024
    assert resident() - before < 24 * MIB
    sending.cancel()
    ws.terminate()
    await within(ws.wait_closed())
    with pytest.raises(wsrs.ConnectionClosed):
        await within(task)


async def test_buffered_amount_counts_what_a_program_queued_without_awaiting(attack: Attack) -> None:
    ws, peer, _ = await attack()
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(100):
        ws.send(bytes(128 * 1024))
    # The kernel and asyncio's reader take some of it.
    assert 4 * MIB < ws.buffered_amount <= 100 * (128 * 1024 + 14)
    ws.terminate()
    await within(ws.wait_closed())


@pytest.mark.measures
async def test_a_decompression_bomb_is_refused_with_1009(attack: Attack) -> None:
    squeeze = zlib.compressobj(wbits=-15)
    bomb = (squeeze.compress(bytes(32 * MIB)) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]
    ws, peer, _ = attacked = await attack(per_message_deflate=True, max_payload=MIB)
    error = listen(ws, "error")
    before = resident()
    await push(peer, attacked.frame(BINARY, bomb, rsv=0x40))
    assert (await within(error))[0].close_code == 1009
    assert (await peer.frame())[:2] == (CLOSE, b"\x03\xf1")
    assert resident() - before < 12 * MIB
    await peer.close()
    await within(ws.wait_closed())


@pytest.mark.measures
async def test_idle_connections_keep_no_buffer_of_past_messages(
    transports: str, serve: Serve, reports: Reports
) -> None:
    size = 512 * 1024
    sockets: list[Any] = []
    done = asyncio.Event()

    def on_connection(ws: Any, request: Any) -> None:
        sockets.append(ws)
        ws.on("message", lambda data, is_binary: done.set())

    server = await serve(on_connection)
    peers = [await raw_client(server) for _ in range(40)]
    frame = b"\x82\xff" + size.to_bytes(8, "big") + bytes(4) + bytes(size)
    peers[0].write(frame)
    await within(done.wait())
    gc.collect()
    before = resident()
    for peer in peers:
        done.clear()
        peer.write(frame)
        await within(done.wait())
    gc.collect()
    # It would be 20 MiB if each connection kept its message.
    assert resident() - before < 8 * MIB
    for peer in peers:
        await peer.close()
