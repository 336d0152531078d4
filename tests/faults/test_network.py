"""Peers that reset their connection, fall silent without a word, or take little at a time."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from typing import Any

import pytest

import wsrs

from ..conftest import Serve
from ..peers import BINARY, TEXT, Peer, frame, listen, port_of, raw_client, within
from .conftest import Proxy, ServeOthers


def reset(peer: Peer) -> None:
    """Send RST instead of FIN, as a machine does that no longer knows the connection."""
    sock = peer.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.reset()


@pytest.mark.parametrize("compressed", [False, True])
async def test_resets_at_every_byte_of_a_frame_leave_the_others_alone(
    serve_others: ServeOthers, compressed: bool
) -> None:
    sockets: list[Any] = []
    events: list[Any] = []

    def came(ws: Any, request: Any) -> None:
        sockets.append(ws)
        ws.on("error", lambda error, ws=ws: events.append((ws, "error")))
        ws.on("close", lambda code, reason, ws=ws: events.append((ws, code)))
        ws.send(bytes(4096))

    server, others = await serve_others(came, per_message_deflate=compressed)
    whole = frame(TEXT, b"x" * 200, fin=False) + frame(0, b"y" * 200)
    for cut in (0, 1, 3, 7, 100, 208, 209, 300):
        peer = await raw_client(server, "/fault", then=whole[:cut])
        reset(peer)
        await others.go_on(1)
    await within(asyncio.gather(*(ws.wait_closed() for ws in sockets)))
    for ws in sockets:
        of_it = [event for which, event in events if which is ws]
        assert of_it in ([1006], ["error", 1006])
    assert server.stats().closes == {1006: len(sockets)}
    await others.go_on()


async def test_a_storm_of_resets_leaves_the_others_alone(serve_others: ServeOthers) -> None:
    server, others = await serve_others()
    for _ in range(3):
        peers = await asyncio.gather(*(raw_client(server, "/fault") for _ in range(20)))
        for number, peer in enumerate(peers):
            peer.write(frame(BINARY, bytes(number * 1000))[: number * 700])
            reset(peer)
        await others.go_on(3)
    while len(server.clients) > others.count:
        await others.go_on(1)


async def test_both_ends_of_a_connection_that_has_fallen_silent_notice(serve_others: ServeOthers) -> None:
    server, others = await serve_others(heartbeat=0.2)
    async with Proxy(port_of(server)) as proxy:
        connection = listen(server, "connection")
        ws = wsrs.WebSocket(f"ws://127.0.0.1:{proxy.port}/fault", heartbeat=0.2)
        await within(ws.wait_open())
        ws.send("through the proxy")
        assert await within(ws.recv()) == "through the proxy"
        other_end, _ = await within(connection)
        ends = [listen(ws, "close"), listen(other_end, "close")]
        await proxy.silence()
        assert await within(asyncio.gather(*ends)) == [(1006, b""), (1006, b"")]
    assert server.stats().closes == {1006: 1}
    assert len(server.clients) == others.count


async def test_sending_to_a_silent_peer_holds_up_no_other(serve_others: ServeOthers) -> None:
    server, others = await serve_others()
    async with Proxy(port_of(server)) as proxy:
        connection = listen(server, "connection")
        ws = wsrs.WebSocket(f"ws://127.0.0.1:{proxy.port}/fault", close_timeout=0.2)
        await within(ws.wait_open())
        other_end, _ = await within(connection)
        await proxy.silence()
        waiting = asyncio.ensure_future(other_end.send(bytes(32 * 1024 * 1024)))
        await others.go_on()
        assert not waiting.done()
        ws.close()
        other_end.terminate()
        await within(asyncio.gather(ws.wait_closed(), other_end.wait_closed()))
        with pytest.raises(wsrs.ConnectionClosed):
            await within(waiting)


async def test_short_writes_and_short_reads_change_nothing(transports: str, serve: Serve) -> None:
    """The system's buffers are as small as possible, and the peer takes pieces of odd lengths."""
    chance = random.Random(5)
    messages = [chance.randbytes(chance.choice([0, 1, 125, 126, 5000, 65536, 300_000])) for _ in range(25)]

    def came(ws: wsrs.WebSocket, request: Any) -> None:
        request.socket.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        for message in messages:
            ws.send(message)
        ws.close(1000)

    server = await serve(came)
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await loop.sock_connect(sock, ("127.0.0.1", port_of(server)))
    ws = wsrs.WebSocket(server.url, socket=sock)
    received = []

    async def take() -> None:
        async for message in ws:
            received.append(message)

    await within(take(), 30)
    assert received == messages
