"""A program that echoes some MiB over two streams, to a slow reader, and prints how much memory grew.

`python -m tests.stream.streaming MIB LOOP [objects]` prints by how many KiB the process, which has both ends,
has grown. It is a process of its own, because only the peak of a whole process can be read.
"""

from __future__ import annotations

import asyncio
import sys
import zlib
from pathlib import Path
from typing import Any

import wsrs

CHUNK = 64 * 1024
PATIENCE = 600.0


def peak() -> int:
    """The peak memory of this process, in KiB."""
    if sys.platform.startswith("linux"):
        # ru_maxrss would begin with the parent's value.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0])
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # bytes on macOS


async def write(stream: Any, chunks: int) -> int:
    """Write `chunks` different chunks, then end; return their checksum."""
    body = bytes(range(256)) * (CHUNK // 256 - 1)
    check = 0
    for number in range(chunks):
        chunk = number.to_bytes(256, "big") + body
        check = zlib.crc32(chunk, check)
        stream.write(chunk)
        await stream.drain()
    return check


async def read(stream: Any, chunks: int, objects: bool) -> int:
    """Read as much, pausing for a millisecond after each MiB; return the checksum."""
    check = got = 0
    while got < chunks * CHUNK:
        data = await stream.read() if objects else await stream.read(CHUNK)
        check = zlib.crc32(data, check)
        got += len(data)
        if got % (16 * CHUNK) < len(data):
            await asyncio.sleep(0.001)
    return check


async def echo(stream: Any, objects: bool) -> None:
    while data := await (stream.read() if objects else stream.read(CHUNK)):
        stream.write(data)
        await stream.drain()
    stream.close()


async def run(mib: int, objects: bool) -> int:
    """Echo `mib` MiB; return the growth in KiB."""
    ends: list[asyncio.Task[None]] = []

    def connected(ws: wsrs.WebSocket, request: Any) -> None:
        ends.append(asyncio.create_task(echo(wsrs.create_websocket_stream(ws, object_mode=objects), objects)))

    async with wsrs.WebSocketServer(port=0, host="127.0.0.1") as server:
        server.on("connection", connected)
        address: Any = server.address()
        ws = wsrs.WebSocket(f"ws://127.0.0.1:{address['port']}")
        stream = wsrs.create_websocket_stream(ws, object_mode=objects)
        warm = 64
        assert await asyncio.gather(write(stream, warm), read(stream, warm, objects))
        before = peak()
        chunks = mib * 1024 * 1024 // CHUNK
        sent, received = await asyncio.gather(write(stream, chunks), read(stream, chunks, objects))
        assert sent == received
        after = peak()
        stream.write_eof()
        assert not await stream.read()
        await stream.wait_closed()
        await ends[0]
        await server.shutdown()
    return after - before


def main() -> None:
    mib, loop, *rest = sys.argv[1:]
    if loop == "uvloop":
        import uvloop

        new_loop: Any = uvloop.new_event_loop
    else:
        new_loop = asyncio.new_event_loop
    running = new_loop()
    try:
        print(running.run_until_complete(asyncio.wait_for(run(int(mib), rest == ["objects"]), PATIENCE)))
    finally:
        running.close()


if __name__ == "__main__":
    main()
