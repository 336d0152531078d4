"""Backpressure of a stream in both directions: a slow end stops a fast one, and memory stays flat."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from wsrs import WebSocket, create_websocket_stream

from ..conftest import Serve
from ..peers import BINARY, frame, listen, raw_client, within

ROOT = Path(__file__).parents[2]
CHUNK = b"x" * 65_536
MIB = 1024 * 1024
GROWTH = 32 * 1024
"""By how many KiB a process may grow while it streams."""


async def grown(mib: int, *how: str, patience: float = 60) -> int:
    """By how many KiB a process grows that streams `mib` MiB."""
    command = (sys.executable, "-m", "tests.stream.streaming", str(mib), *how)
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        out, _ = await within(process.communicate(), patience)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    return int(out)


def loop_name() -> str:
    module = type(asyncio.get_running_loop()).__module__
    return "uvloop" if module.startswith("uvloop") else "asyncio"


@pytest.mark.skipif(sys.platform == "win32", reason="the peak of a process's memory is read on Unix alone")
class TestMemory:
    @pytest.mark.parametrize("mode", [[], ["objects"]], ids=["bytes", "objects"])
    async def test_memory_stays_flat_under_64_mib_each_way(self, mode: list[str]) -> None:
        assert await grown(64, loop_name(), *mode) < GROWTH

    @pytest.mark.slow
    async def test_memory_stays_flat_under_1_gib_each_way(self, record_property: Any) -> None:
        growth = await grown(1024, loop_name(), patience=600)
        record_property("growth_kib", growth)
        print(f"1 GiB each way: {growth} KiB of growth")
        assert growth < GROWTH


class TestReading:
    async def test_reading_stops_at_the_mark_and_resumes_with_the_reader(self, serve: Serve) -> None:
        server = await serve()
        connection = listen(server, "connection")
        peer = await raw_client(server)
        ws, _ = await within(connection)
        stream = create_websocket_stream(ws)
        message = frame(BINARY, CHUNK, mask=b"\0\0\0\0")
        peer.writer.transport.set_write_buffer_limits(0)

        async def flood() -> None:
            for _ in range(640):
                peer.write(message)
                await peer.writer.drain()

        flooding = asyncio.create_task(flood())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(flooding), 0.3)
        assert ws.is_paused
        assert stream._held() <= 2 * len(CHUNK)
        assert await within(stream.readexactly(640 * len(CHUNK))) == CHUNK * 640
        await within(flooding)
        await peer.close()

    async def test_many_small_messages_that_came_at_once_are_read_in_order(self, serve: Serve) -> None:
        server = await serve()
        connection = listen(server, "connection")
        peer = await raw_client(server)
        ws, _ = await within(connection)
        stream = create_websocket_stream(ws, object_mode=True, high_water_mark=3)
        for number in range(5000):
            peer.write(frame(BINARY, str(number).encode()))
        for number in range(5000):
            assert await within(stream.read()) == str(number).encode()
            assert stream._held() <= 3
        await peer.close()


class TestWriting:
    async def test_drain_waits_for_a_slow_reader(self, serve: Serve) -> None:
        server = await serve()
        connection = listen(server, "connection")
        client = create_websocket_stream(WebSocket(server.url), {"highWaterMark": 4 * len(CHUNK)})
        ws, _ = await within(connection)
        reader = create_websocket_stream(ws)
        written = 0

        async def write() -> None:
            nonlocal written
            for _ in range(640):
                client.write(CHUNK)
                await client.drain()
                written += 1
            client.write_eof()

        writing = asyncio.create_task(write())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(writing), 0.3)
        assert written < 640
        assert client.transport.get_write_buffer_size() <= 5 * len(CHUNK)
        assert len(await within(reader.read())) == 640 * len(CHUNK)
        await within(writing)
        await within(client.wait_closed())

    async def test_drain_does_not_wait_below_the_mark(self, serve: Serve) -> None:
        server = await serve()
        connection = listen(server, "connection")
        peer = await raw_client(server)  # it reads nothing
        ws, _ = await within(connection)
        stream = create_websocket_stream(ws, writable_high_water_mark=64 * 1024 * 1024)
        stream.write(bytes(32 * 1024 * 1024))
        await within(stream.drain())
        assert ws.buffered_amount > 0
        ws.terminate()
        await peer.close()

    async def test_the_mark_of_messages_counts_messages(self, serve: Serve) -> None:
        server = await serve()
        connection = listen(server, "connection")
        client = create_websocket_stream(WebSocket(server.url), writable_object_mode=True)
        client.writelines([b""] * 17)
        draining = asyncio.ensure_future(client.drain())
        assert client.transport.get_write_buffer_size() == 17
        assert client.transport.get_write_buffer_limits() == (4, 16)
        await asyncio.sleep(0)
        assert not draining.done()
        await within(connection)
        await within(draining)
        assert client.transport.get_write_buffer_size() <= 4

    async def test_several_tasks_may_drain(self, serve: Serve) -> None:
        server = await serve()
        connection = listen(server, "connection")
        client = create_websocket_stream(WebSocket(server.url), high_water_mark=1)
        client.write(b"12")
        drains = [asyncio.ensure_future(client.drain()) for _ in range(3)]
        await asyncio.sleep(0)
        drains[0].cancel()
        client.transport.set_write_buffer_limits(high=100)
        await within(asyncio.gather(*drains[1:]))
        ws, _ = await within(connection)
        assert await within(create_websocket_stream(ws).readexactly(2)) == b"12"


async def test_two_streams_that_only_write_do_not_hang_once_one_reads(serve: Serve) -> None:
    server = await serve()
    connection = listen(server, "connection")
    client = create_websocket_stream(WebSocket(server.url))
    ws, _ = await within(connection)
    ends = [client, create_websocket_stream(ws)]

    async def write(stream: Any) -> None:
        for _ in range(20 * MIB // len(CHUNK)):
            stream.write(CHUNK)
            await stream.drain()

    writing = asyncio.gather(*map(write, ends))
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.shield(writing), 0.2)
    assert all(stream.transport.get_write_buffer_size() < MIB for stream in ends)
    for stream in ends:
        assert len(await within(stream.readexactly(20 * MIB))) == 20 * MIB
    await within(writing)
