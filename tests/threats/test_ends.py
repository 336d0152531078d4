"""Connections that end at a bad moment, descriptors that run out, masks, and forks."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from asyncio.constants import ACCEPT_RETRY_DELAY
from typing import Any

import pytest

import wsrs

from ..conftest import Reports, Serve
from ..peers import BINARY, Peer, RawServer, connect, listen, opening, raw_client, upgrade_request, within
from .conftest import Attack


def record(ws: Any) -> list[Any]:
    events: list[Any] = []
    ws.on("error", lambda error: events.append("error"))
    ws.on("close", lambda code, reason: events.append(code))
    return events


async def test_a_reset_in_mid_frame(attack: Attack) -> None:
    ws, peer, _ = attacked = await attack()
    events = record(ws)
    peer.write(attacked.frame(BINARY, bytes(1000))[:500])
    await peer.writer.drain()
    peer.reset()
    await within(ws.wait_closed())
    assert [event for event in events if event != "error"] == [1006]
    assert events.count("error") <= 1


async def test_a_reset_in_mid_write(attack: Attack) -> None:
    ws, peer, _ = await attack()
    events = record(ws)
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    waiting = asyncio.ensure_future(ws.send(bytes(16 * 1024 * 1024)))
    await asyncio.sleep(0)
    peer.reset()
    await within(ws.wait_closed())
    # Tasks that wait for unwritten data get the error.
    with pytest.raises(wsrs.ConnectionClosed):
        await within(waiting)
    assert [event for event in events if event != "error"] == [1006]
    assert events.count("error") <= 1


async def test_a_reset_during_the_handshake(
    transports: str, serve: Serve, raw_server: RawServer, reports: Reports
) -> None:
    server = await serve()
    for cut in (0, 1, 50, len(upgrade_request()) - 1):
        peer = await connect(server)
        peer.write(upgrade_request()[:cut])
        peer.reset()
    await (await raw_client(server)).close()
    ws = wsrs.WebSocket(raw_server.url)
    events = record(ws)
    waiting = opening(ws)
    peer = await raw_server.peer()
    await peer.head()
    peer.write(b"HTTP/1.1 101 Swi")
    peer.reset()
    with pytest.raises((OSError, wsrs.HandshakeError)):
        await within(waiting)
    await within(ws.wait_closed())
    assert events == ["error", 1006]


async def test_a_peer_that_never_answers_a_close_is_cut_off(attack: Attack) -> None:
    ws, peer, _ = await attack(close_timeout=0.1)
    events = record(ws)
    ws.close(1000)
    await within(ws.wait_closed(), 5)
    assert events == [1006]
    await peer.close()


async def test_without_descriptors_accepting_pauses_and_recovers(
    transports: str, serve: Serve, reports: Reports
) -> None:
    server = await serve()
    peers: list[Peer] = []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.open(os.devnull, os.O_RDONLY)
    os.close(probe)
    clients = [asyncio.ensure_future(connect(server)) for _ in range(3)]
    # There are descriptors for the clients' ends, and none for the server's.
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe + 3, hard))
    try:
        done, _ = await asyncio.wait(clients, timeout=5)
        peers = [task.result() for task in done if task.exception() is None]
        await asyncio.sleep(0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    # asyncio retries by one timer for each accept that failed, up to the backlog, and reports those that find
    # the server closed. This sleep is longer than all of them.
    retried = asyncio.ensure_future(asyncio.sleep(ACCEPT_RETRY_DELAY))
    await (await raw_client(server)).close()
    await retried
    for peer in peers:
        await peer.close()
    while reports:
        reports.take()


async def test_masks_differ_from_frame_to_frame_and_between_connections(
    transports: str, raw_server: RawServer, reports: Reports
) -> None:
    keys = set()
    for _ in range(3):
        ws = wsrs.WebSocket(raw_server.url)
        peer = await raw_server.accept()
        await within(ws.wait_open())
        for _ in range(100):
            ws.send(b"x")
            keys.add((await within(peer.reader.readexactly(7)))[2:6])
    # These are 300 of 2^32 keys: two are equal once in 100,000 runs.
    assert len(keys) >= 299


FORK = """
import asyncio, os, sys
import wsrs
from tests.core.harness import Side
from wsrs._active_core import core

def masks(side):
    for _ in range(50):
        side.connection.send(b"x")
    output = side.take_output()
    return [output[at + 2 : at + 6].hex() for at in range(0, len(output), 7)]

async def main():
    server = wsrs.WebSocketServer(port=0, host="127.0.0.1")
    server.on("connection", lambda ws, request: ws.on("message", lambda data, binary: ws.send(data)))
    await server.wait_listening()
    client = wsrs.WebSocket(f"ws://127.0.0.1:{server.address()['port']}/")
    await client.wait_open()
    await client.send("before")
    assert await client.recv() == b"before"
    child = os.fork()
    if child == 0:
        # The child drops the objects that it inherited, as a worker of `multiprocessing` does.
        del server, client
        os._exit(0)
    await asyncio.get_running_loop().run_in_executor(None, os.waitpid, child, 0)
    await client.send("after")
    assert await client.recv() == b"after"
    client.terminate()
    server.close()

asyncio.run(main())
loop = asyncio.new_event_loop()
side = Side(core, loop, False)
masks(side)
reads, writes = os.pipe()
child = os.fork()
if child == 0:
    os.write(writes, "".join(masks(side)).encode())
    os._exit(0)
os.waitpid(child, 0)
theirs = os.read(reads, 4096).decode()
ours = "".join(masks(side))
assert len(theirs) == len(ours) == 400
assert theirs != ours
loop.close()
print("good")
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_touches_no_socket_of_its_parent_and_draws_masks_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "good", done.stderr


async def test_a_listener_that_raises_leaves_the_others_alone(
    transports: str, serve: Serve, reports: Reports
) -> None:
    server = await serve(lambda ws, request: ws.on("message", lambda data, is_binary: ws.send(data)))
    other = wsrs.WebSocket(server.url)
    await within(other.wait_open())

    def fails(*args: Any) -> None:
        raise KeyError("listener")

    server.on("connection", fails)
    peer = await raw_client(server)
    await other.send("x")
    assert await within(other.recv()) in ("x", b"x")
    assert isinstance(reports.take()["exception"], KeyError)
    closed = listen(other, "close")
    other.close()
    await within(closed)
    await peer.close()
