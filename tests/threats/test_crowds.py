"""Crowds whose receive buffers are full, as after a moment in which the process was stopped.

The slices of these tests are over at each look at the clock, so that counts show what time shows otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

import wsrs

from ..conftest import Serve
from ..peers import BINARY, Peer, frame, raw_client, within

PEERS, MESSAGES = 12, 3000
AT_ONCE = 400
"""Messages between two iterations of the loop: those between two looks at the clock, a few times."""


@pytest.fixture
def short_slices() -> Iterator[None]:
    wsrs.set_time_slice(1e-9)
    yield
    wsrs.set_time_slice(0.005)


class Ticks:
    """Counts messages from one iteration of the loop to the next."""

    def __init__(self) -> None:
        self.counts: dict[Any, int] = {}
        self.most = 0
        self._before = 0
        self._wanted = 0
        self._reached: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._next()

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def _next(self) -> None:
        self.most = max(self.most, self.total - self._before)
        self._before = self.total
        if self._reached is not None and not self._reached.done() and self.total >= self._wanted:
            self._reached.set_result(None)
        self._handle = self._loop.call_soon(self._next)

    async def until(self, total: int) -> None:
        """Wait for so many messages."""
        self._reached = self._loop.create_future()
        self._wanted = total
        await within(self._reached, 15)

    def stop(self) -> None:
        self._handle.cancel()


def fill(peers: list[Peer], data: bytes, *, rest: bool = True) -> None:
    """Put data into the receive buffers of the other side, while its loop does nothing."""
    for peer in peers:
        with socket.socket(fileno=os.dup(peer.writer.get_extra_info("socket").fileno())) as raw:
            raw.setblocking(False)
            sent = raw.send(data)
        if rest:
            peer.write(data[sent:])  # where the system's buffers are small


def messages(compressed: bool) -> list[bytes]:
    payloads = [b"%06d" % number * 5 for number in range(MESSAGES)]
    if not compressed:
        return [frame(BINARY, one) for one in payloads]
    frames = []
    for one in payloads:
        engine = zlib.compressobj(wbits=-15)
        frames.append(frame(BINARY, (engine.compress(one) + engine.flush(zlib.Z_SYNC_FLUSH))[:-4], rsv=0x40))
    return frames


def check(counts: dict[Any, int], ws: Any, data: bytes) -> None:
    number = counts.get(ws, 0)
    assert data == b"%06d" % number * 5, "lost, doubled or overtaken"
    counts[ws] = number + 1


@pytest.mark.parametrize("how", ["listener", "iteration"])
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
async def test_a_crowd_with_full_buffers_leaves_the_loop_to_others(
    short_slices: None, transports: str, serve: Serve, compressed: bool, how: str
) -> None:
    ticks = Ticks()
    least: list[int] = []
    tasks = []

    def count(ws: Any, data: bytes) -> None:
        check(ticks.counts, ws, data)
        if ticks.counts[ws] == MESSAGES and not least:
            least.append(min(ticks.counts.get(one, 0) for one in crowd))

    def on_connection(ws: Any, request: Any) -> None:
        if how == "listener":
            ws.on("message", lambda data, is_binary: count(ws, data))
            return

        async def iterate() -> None:
            with contextlib.suppress(wsrs.ConnectionClosed):  # the peers leave without a close frame
                async for data in ws:
                    count(ws, data)

        tasks.append(asyncio.ensure_future(iterate()))

    server = await serve(on_connection, per_message_deflate=compressed)
    offer: dict[str, Any] = {"sec_websocket_extensions": "permessage-deflate"} if compressed else {}
    peers = [await raw_client(server, **offer) for _ in range(PEERS)]
    crowd = list(server.clients)
    fill(peers, b"".join(messages(compressed)))
    newcomer = await raw_client(server)
    assert ticks.total < PEERS * MESSAGES / 3, "the newcomer waited for the crowd"
    await ticks.until(PEERS * MESSAGES)
    assert ticks.most <= AT_ONCE
    assert least[0] > MESSAGES / 4, "some waited until others had got everything"
    ticks.stop()
    for peer in [*peers, newcomer]:
        await peer.close()
    await within(asyncio.gather(*tasks))


async def test_answers_that_nobody_reads_leave_the_loop_to_others(
    short_slices: None, transports: str, serve: Serve
) -> None:
    ticks = Ticks()
    answer = bytes(100_000)

    def on_connection(ws: Any, request: Any) -> None:
        async def iterate() -> None:
            with contextlib.suppress(wsrs.ConnectionClosed):
                async for data in ws:
                    check(ticks.counts, ws, data)
                    sent = ws.send(answer)
                    if ws.buffered_amount > 10 * len(answer):
                        await sent

        tasks.append(asyncio.ensure_future(iterate()))

    tasks: list[Any] = []
    server = await serve(on_connection)
    peers = [await raw_client(server) for _ in range(PEERS)]
    for peer in peers:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    fill(peers, b"".join(messages(False)))
    newcomer = await raw_client(server)
    await ticks.until(PEERS * 5)
    assert 0 < ticks.most <= AT_ONCE
    ticks.stop()
    for task in tasks:
        task.cancel()
    for peer in [*peers, newcomer]:
        peer.reset()
        await peer.close()
