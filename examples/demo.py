"""A server process and a process of 200 clients exchange every kind of message, then print a short table.

`make demo` runs it; `make demo SERVE=1` (`--serve`) only runs the server.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from wsrs import WebSocket, WebSocketServer, backend

CLIENTS = 200
ROUNDS = 50
JSON = '{"kind": "message", "text": "the quick brown fox jumps over the lazy dog", "number": 12345}'


def echo(ws: WebSocket, request: Any) -> None:
    ws.on("message", lambda data, is_binary: ws.send(data, binary=is_binary))


def resident() -> int:
    """Bytes of memory that this process holds; 0 if the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


async def serve(pipe: Connection | None, port: int) -> None:
    async with WebSocketServer(port=port, host="127.0.0.1", per_message_deflate=True) as wss:
        wss.on("connection", echo)
        address = wss.address()
        assert isinstance(address, dict)
        if pipe is None:
            url = f"ws://127.0.0.1:{address['port']}"
            print(f"An echo server listens on {url} (core: {backend}). Connect to it with one of these:\n")
            print(f"  .venv/bin/python -m websockets {url}\n  npx wscat -c {url}")
            print(f'  new WebSocket("{url}")      in a browser\n\nPress Ctrl-C to stop it.', flush=True)
            await wss.serve_forever()
            return
        loop = asyncio.get_running_loop()
        before = resident()
        pipe.send(address["port"])
        while True:
            question = await loop.run_in_executor(None, pipe.recv)
            if question == "end":
                return
            pipe.send((len(wss.clients), resident() - before))


def server_process(pipe: Connection) -> None:
    asyncio.run(serve(pipe, 0))


def messages(number: int, turn: int) -> Iterator[tuple[str, str | bytes]]:
    """The kinds of messages that a client sends in one turn."""
    yield "text", f"client {number}, turn {turn}: grüße, 世界 🌍"
    yield "binary", os.urandom(64 + turn * 16)
    yield "fragmented", f"a message in three fragments, {number}/{turn} " * 20
    yield "compressed", JSON * 40


async def client(url: str, number: int, ready: Gate, took: list[float]) -> int:
    wrong = 0
    async with WebSocket(url, per_message_deflate={"threshold": 512}) as ws:
        await ready.wait()
        await ready.wait()
        for turn in range(ROUNDS):
            for kind, message in messages(number, turn):
                begun = time.perf_counter()
                if kind == "fragmented":
                    third = len(message) // 3
                    ws.send(message[:third], fin=False)
                    ws.send(message[third : 2 * third], fin=False)
                    await ws.send(message[2 * third :])
                else:
                    await ws.send(message, compress=kind == "compressed")
                answer = await ws.recv()
                took.append(time.perf_counter() - begun)
                wrong += answer != message
    return wrong


class Gate:
    """A barrier that can be used repeatedly (asyncio.Barrier exists from Python 3.11 on)."""

    def __init__(self, parties: int) -> None:
        self._parties, self._waiting, self._event = parties, 0, asyncio.Event()

    async def wait(self) -> None:
        event = self._event
        self._waiting += 1
        if self._waiting == self._parties:
            self._waiting, self._event = 0, asyncio.Event()
            event.set()
        await event.wait()


async def clients(pipe: Connection) -> int:
    url = f"ws://127.0.0.1:{pipe.recv()}"
    took: list[float] = []
    gate = Gate(CLIENTS + 1)
    print(f"{CLIENTS} clients connect to {url} …", flush=True)
    tasks = [asyncio.create_task(client(url, number, gate, took)) for number in range(CLIENTS)]
    await gate.wait()
    pipe.send("memory")
    connected, memory = pipe.recv()
    print(f"{connected} connected; each sends {ROUNDS * 4} messages and compares the answers …", flush=True)
    begun = time.perf_counter()
    await gate.wait()
    wrong = sum(await asyncio.gather(*tasks))
    seconds = time.perf_counter() - begun
    pipe.send("end")
    took.sort()
    rows = [
        ("core", backend),
        ("messages answered", f"{len(took):,} ({wrong} of them wrong)"),
        ("round trips per second", f"{len(took) / seconds:,.0f}"),
        ("latency p50", f"{statistics.median(took) * 1e3:.2f} ms"),
        ("latency p99", f"{took[len(took) * 99 // 100] * 1e3:.2f} ms"),
        ("server memory per connection", f"{memory / CLIENTS / 1024:.1f} KiB" if memory else "unknown"),
    ]
    print()
    for name, value in rows:
        print(f"  {name:30} {value}")
    print()
    return 0 if not wrong and len(took) == CLIENTS * ROUNDS * 4 else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help="only run an echo server")
    parser.add_argument("--port", type=int, default=8080, help="its port (default: 8080)")
    options = parser.parse_args()
    if options.serve:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(None, options.port))
        return 0
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=server_process, args=(there,))
    server.start()
    try:
        return asyncio.run(clients(here))
    finally:
        server.join(10)
        if server.is_alive():
            server.terminate()


if __name__ == "__main__":
    sys.exit(main())
