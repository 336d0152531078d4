"""Memory that outlives its use: what a peer has sent keeps nothing alive once it is delivered or refused."""

from __future__ import annotations

import asyncio
import gc
import os
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

import wsrs

from ..conftest import Serve
from ..peers import BINARY, Peer, frame, raw_client
from .conftest import Bytes, resident
from .test_crowds import fill

CROWD = 400
KIB, MIB = 1024, 1024 * 1024


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What reference counts free is free; a cycle would stay."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def squeezed(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-15)
    return (engine.compress(data) + engine.flush(zlib.Z_SYNC_FLUSH))[:-4]


@pytest.mark.measures
def test_connections_keep_nothing_of_their_last_compressed_message(role: Bytes, no_collector: None) -> None:
    data = squeezed(os.urandom(60 * KIB // 8) * 8)
    one = role.side(deflate=True)
    one.feed(role.frame(2, data, rsv=0x40))
    assert len(one.events.pop()[1]) == 60 * KIB // 8 * 8
    before = resident()
    crowd = [role.side(deflate=True) for _ in range(CROWD)]
    for each in crowd:
        each.feed(role.frame(2, data, rsv=0x40))
        each.events.clear()
    # A decompressor takes about 44 KiB. The Rust core keeps some for the loop, the pure core one for each.
    decompressors = CROWD * 76 * KIB if wsrs.backend == "pure" else 256 * 44 * KIB
    # There would be 24 MiB more if each kept its 60 KiB.
    assert resident() - before < CROWD * 15 * KIB + decompressors


@pytest.mark.measures
def test_connections_that_are_offered_a_buffer_keep_none(role: Bytes, no_collector: None) -> None:
    """A TLS transport asks for a buffer, and has nothing to put into it until its record is complete."""
    before = resident()
    crowd = [role.side() for _ in range(CROWD)]
    for each in crowd:
        buffer = memoryview(each.transport.protocol.get_buffer(-1))
        buffer[:] = bytes(len(buffer))
        buffer.release()
    # It would be 25 MiB if each kept 64 KiB.
    assert resident() - before < CROWD * 15 * KIB


@pytest.mark.measures
def test_a_refused_bomb_keeps_nothing(role: Bytes, no_collector: None) -> None:
    crowd = []
    bomb = role.frame(2, squeezed(bytes(17 * MIB)), rsv=0x40)
    before = 0
    for number in range(8):
        each = role.side(deflate=True, max_payload=16 * MIB)
        crowd.append(each)
        each.feed(bomb)
        each.wait()
        assert each.events[0][:2] == ("fail", "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH")
        if number == 2:
            before = resident()  # the threads and their memory are there now
    # It would be 80 MiB if each kept what was inflated.
    assert resident() - before < 24 * MIB


MOST = 512 * KIB
"""What SECURITY.md promises for a connection, beside one message and what is queued for sending."""


def hostile(kind: str) -> bytes:
    """What a peer sends to take as much memory as it can."""
    unfinished = frame(BINARY, squeezed(bytes(60 * KIB)), rsv=0x40, fin=False)
    return {
        "unfinished": unfinished,
        "long": frame(BINARY, bytes(4000)) * 300 + unfinished,
        "short": frame(BINARY, b"x") * 100_000,
        "empty": frame(BINARY) * 100_000,
        "compressed": frame(BINARY, squeezed(bytes(4000)), rsv=0x40) * 10_000,
    }[kind]


@pytest.mark.measures
@pytest.mark.parametrize("kind", ["unfinished", "long", "short", "empty", "compressed"])
@pytest.mark.parametrize("claimed", [False, True], ids=["untaken", "slowly taken"])
async def test_a_hostile_connection_holds_no_more_than_is_promised(
    transports: str, serve: Serve, kind: str, claimed: bool
) -> None:
    def on_connection(ws: Any, request: Any) -> None:
        ws.on("close", lambda code, reason: None)  # it may yet take messages
        if claimed:
            tasks.append(asyncio.ensure_future(ws.recv()))

    tasks: list[Any] = []
    server = await serve(on_connection, per_message_deflate=True)
    peers: list[Peer] = []
    for _ in range(40):
        peers.append(await raw_client(server, sec_websocket_extensions="permessage-deflate"))
    data = hostile(kind)
    gc.collect()
    before = resident()
    fill(peers, data, rest=False)
    # Each iteration reads what there is, and reading stops once enough of it waits.
    for _ in range(200):
        await asyncio.sleep(0)
    assert resident() - before < len(peers) * MOST
    for peer in peers:
        peer.reset()
        await peer.close()
    await asyncio.gather(*tasks, return_exceptions=True)
