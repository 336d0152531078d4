"""Memory that outlives its use: what a peer has sent keeps nothing alive once it is delivered or refused."""

from __future__ import annotations

import gc
import os
import zlib
from collections.abc import Iterator

import pytest

import wsrs

from .conftest import Bytes, resident

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
