"""Measures how long one long compressed message holds up the event loop, incoming and outgoing.

    .venv/bin/python benches/latency.py [--size MiB] [--loop uvloop]

A server gets a message of 100 MiB, and then sends one back, while a task of the same loop asks for a turn
every millisecond. The program prints how late these turns came (median, 99th percentile, maximum), and how
long zlib alone takes to inflate or compress the message at once: without threads, the loop would be held up
for that long.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
import time
import zlib
from typing import Any

import wsrs

MIB = 1024 * 1024


def record(number: int) -> bytes:
    """One line of JSON, which differs from the others only in its numbers."""
    value = {"id": number, "user": f"user{number * 7919 % 100_003}", "score": number * 31 % 997, "ok": True}
    return json.dumps(value).encode() + b"\n"


def documents(size: int) -> bytes:
    """JSON lines; zlib at level 2 makes 100 MiB of them 5.7 times shorter."""
    lines = b"".join(record(number) for number in range(100_000))
    return (lines * (size // len(lines) + 1))[:size]


class Turns:
    """A task that asks for a turn every millisecond, and records how late each turn came."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.task = asyncio.ensure_future(self.run())

    async def run(self) -> None:
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(0.001)
            self.pauses.append(time.perf_counter() - asked - 0.001)

    def stop(self) -> str:
        self.task.cancel()
        pauses = sorted(self.pauses)
        of = [pauses[len(pauses) // 2], pauses[len(pauses) * 99 // 100], pauses[-1]]
        p50, p99, most = (f"{1000 * max(one, 0):.2f} ms" for one in of)
        return f"{len(pauses)} turns, later by: median {p50}, p99 {p99}, most {most}"


def peer(url: str, data: bytes, answered: Any) -> None:
    """The other end, in a thread with a loop of its own: it sends the message and reads the answer."""

    async def talk() -> None:
        async with wsrs.WebSocket(url, per_message_deflate=True, max_payload=0) as ws:
            await ws.send(data)
            answered(await ws.recv() == data)

    asyncio.run(talk())


def alone(data: bytes) -> tuple[float, float]:
    """Seconds to compress and to inflate `data`, by zlib."""
    began = time.perf_counter()
    engine = zlib.compressobj(2, zlib.DEFLATED, -15)
    squeezed = engine.compress(data) + engine.flush()
    middle = time.perf_counter()
    zlib.decompress(squeezed, -15)
    return middle - began, time.perf_counter() - middle


async def measure(size: int) -> None:
    loop = asyncio.get_running_loop()
    data = documents(size)
    compressing, inflating = alone(data)
    arrived: asyncio.Future[Any] = loop.create_future()
    answered: asyncio.Future[bool] = loop.create_future()

    def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
        ws.on("message", lambda message, is_binary: arrived.set_result((ws, message)))

    options: Any = {"per_message_deflate": True, "max_payload": 0}
    server = wsrs.WebSocketServer(port=0, host="127.0.0.1", **options)
    server.on("connection", on_connection)
    await server.wait_listening()
    url = f"ws://127.0.0.1:{server.address()['port']}/"  # type: ignore[index]

    def tell(same: bool) -> None:
        loop.call_soon_threadsafe(answered.set_result, same)

    thread = threading.Thread(target=peer, args=(url, data, tell))
    turns = Turns()
    thread.start()
    ws, message = await arrived
    print(f"in:  {turns.stop()}; inflating alone {1000 * inflating:.0f} ms")
    assert message == data
    turns = Turns()
    await asyncio.gather(ws.send(message), answered)
    print(f"out: {turns.stop()}; compressing alone {1000 * compressing:.0f} ms")
    await asyncio.get_running_loop().run_in_executor(None, thread.join)
    await server.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=100, help="MiB")
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    given = parser.parse_args()
    # The peer runs in this process: it must not hold the GIL for longer than the pauses that are measured.
    sys.setswitchinterval(0.0005)
    print(f"wsrs {wsrs.backend}, {given.loop}, {given.size} MiB, {os.cpu_count()} cores")
    if given.loop == "uvloop":
        import uvloop

        uvloop.run(measure(given.size * MIB))
    else:
        asyncio.run(measure(given.size * MIB))


if __name__ == "__main__":
    main()
