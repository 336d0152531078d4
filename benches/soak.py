"""`make soak MINUTES=n`: mixed traffic for minutes; memory, descriptors and tasks must stay flat.

One process is the server, in asyncio's debug mode; this one has the clients. Each client draws its behaviour:
it sends tiny and large messages, plain or compressed, reads slowly, closes, is cut off, or is reset. Each
answer is compared. The server is what is measured: its resident memory and its descriptors are read every 10
s, and their slope over the second half of the run is reported. Data in flight adds noise to that slope.
Therefore traffic rests every few minutes: all connections end, and what the server still holds is counted,
its heap to the byte. The exit code is 1 if a message was wrong, if memory, the heap at rest or descriptors
grow, if tasks are left, or if anything was reported or warned of.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import multiprocessing
import random
import resource
import socket
import struct
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import wsrs
from harness.heap import Held, descriptors, held, resident

MEMORY = 0.02
"""The fraction by which memory may grow in a minute, or `LEAST` if that is more."""
LEAST = 512 * 1024
"""Bytes per minute that are noise of the allocator."""
DESCRIPTORS = 0.01
"""By how much descriptors may grow in a minute, as a fraction of the connections."""
LEFT_BEHIND = 1.0
"""Bytes of the heap that a connection may leave behind between two rests: a leak leaves more, noise less."""


def raise_limit() -> int:
    """Raise the limit of descriptors as far as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def slope(points: list[tuple[float, float]]) -> float:
    """By how much a figure grows in a minute, by least squares."""
    if len(points) < 3:
        return 0.0
    middle = sum(at for at, _ in points) / len(points)
    mean = sum(value for _, value in points) / len(points)
    spread = sum((at - middle) ** 2 for at, _ in points)
    return 60 * sum((at - middle) * (value - mean) for at, value in points) / spread


class Complaints(logging.Handler):
    """Everything that asyncio logs except slow callbacks: in debug mode on a busy machine, some are slow."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.getMessage().startswith("Executing "):
            self.texts.append(self.format(record))


async def serve(pipe: Connection, loop_debug: bool) -> None:
    loop = asyncio.get_running_loop()
    loop.set_debug(loop_debug)
    complaints = Complaints()
    logging.getLogger("asyncio").addHandler(complaints)
    warnings.showwarning = lambda message, *rest, **more: complaints.texts.append(str(message))
    async with wsrs.WebSocketServer(
        port=0, host="127.0.0.1", per_message_deflate=True, heartbeat=30, close_timeout=5
    ) as server:

        def listen(ws: wsrs.WebSocket, request: Any) -> None:
            ws.on("error", lambda error: None)
            ws.on("message", lambda data, is_binary: ws.send(data, binary=is_binary))

        async def iterate(ws: wsrs.WebSocket, request: Any) -> None:
            async for message in ws:
                await ws.send(message)

        turns = 0

        def connected(ws: wsrs.WebSocket, request: Any) -> object:
            nonlocal turns
            turns += 1
            return (listen, iterate)[turns % 2](ws, request)

        server.on("connection", connected)
        address = server.address()
        assert isinstance(address, dict)
        pipe.send(address["port"])
        while (asked := await loop.run_in_executor(None, pipe.recv)) != "end":
            if asked == "rest":
                pipe.send(await at_rest(server))
            else:
                stats = server.stats()
                pipe.send((resident(), descriptors(), stats.open, stats.total))
    for _ in range(3):
        await asyncio.sleep(0.1)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    stats = server.stats()
    pipe.send(([repr(task) for task in left], complaints.texts, stats.open, stats.closes, stats.errors))


async def at_rest(server: wsrs.WebSocketServer) -> tuple[Held, int]:
    """What the server holds once the last connection has ended, and how many connections there were."""
    while server.stats().open:  # noqa: ASYNC110 -- a peer or a deadline ends the last one
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.2)
    return held(), server.stats().total


def server_process(pipe: Connection, loop_debug: bool) -> None:
    raise_limit()
    warnings.simplefilter("always")
    asyncio.run(serve(pipe, loop_debug))


class Clients:
    """A given number of clients at a time, each of which is replaced when it ends."""

    def __init__(self, port: int, seed: int) -> None:
        self.port = port
        self.url = f"ws://127.0.0.1:{port}"
        self.chance = random.Random(seed)
        self.messages = 0
        self.wrong = 0
        self.first_wrong = ""
        self.ends: Counter[str] = Counter()
        self.ending = False

    async def live(self) -> None:
        while not self.ending:
            kind = self.chance.choice(["close", "close", "close", "terminate", "reset", "vanish", "slow"])
            try:
                await self._one(kind)
            except (OSError, wsrs.WebSocketError) as error:
                kind = type(error).__name__
            self.ends[kind] += 1

    async def _socket(self) -> socket.socket:
        """A connected socket, which `SO_LINGER` lets us reset."""
        sock = socket.socket()
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        except BaseException:
            sock.close()
            raise
        return sock

    async def _one(self, kind: str) -> None:
        compressed = self.chance.random() < 0.3
        sock = await self._socket()
        if kind == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ws = wsrs.WebSocket(self.url, per_message_deflate=compressed, socket=sock)
        aiter(ws)  # from here on messages wait for `recv`, and none is dropped
        await ws.wait_open()
        with contextlib.suppress(wsrs.ConnectionClosed):
            for _ in range(self.chance.randrange(1, 12)):
                if not self.ending:
                    await self._echo(ws, slow=kind == "slow")
        if kind == "reset":
            ws.send(bytes(20_000), fin=False)
            ws.terminate()
        elif kind == "terminate":
            ws.terminate()
        elif kind == "vanish":
            ws.send(bytes(self.chance.randrange(300_000)))
            ws.terminate()
        else:
            ws.close(1000)
        await ws.wait_closed()

    async def _echo(self, ws: wsrs.WebSocket, *, slow: bool) -> None:
        sizes = [0, 1, 20, 125, 126, 1000, 1000, 20_000] + (
            [1_000_000] if self.chance.random() < 0.02 else []
        )
        count = self.chance.randrange(1, 8)
        sent: list[str | bytes] = []
        for _ in range(count):
            size = self.chance.choice(sizes)
            sent.append("grüße " * (size // 6) if self.chance.random() < 0.5 else self.chance.randbytes(size))
        pause = self.chance.random() * (2.0 if slow else 0.2)

        async def send() -> None:
            for message in sent:
                await ws.send(message)

        # Send while receiving: otherwise client and server could each wait for the other to read.
        sending = asyncio.create_task(send())
        try:
            await asyncio.sleep(pause)
            for message in sent:
                answer = await ws.recv()
                if answer != message:
                    self.wrong += 1
                    self.first_wrong = (
                        self.first_wrong or f"{message!r:.60} ({len(message)}) {answer!r:.60} ({len(answer)})"
                    )
                self.messages += 1
        finally:
            await asyncio.gather(sending, return_exceptions=True)


@dataclass
class Taken:
    """The server's figures, each with the seconds since the beginning."""

    begun: float = field(default_factory=time.monotonic)
    memory: list[tuple[float, float]] = field(default_factory=list)
    descriptors: list[tuple[float, float]] = field(default_factory=list)
    rests: list[tuple[Held, int]] = field(default_factory=list)
    """What the server held at each rest, and how many connections there had been."""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun

    def left_behind(self) -> float:
        """Bytes of the heap per connection, from the middle rest, when all pools are full, to the last
        rest."""
        (first, before), (last, after) = self.rests[len(self.rests) // 2], self.rests[-1]
        if first.heap is None or last.heap is None or after == before:
            return 0.0
        return (last.heap - first.heap) / (after - before)


async def traffic(
    pipe: Connection, clients: Clients, connections: int, until: float, every: float, taken: Taken
) -> None:
    """Run clients until a given time, read figures meanwhile, then let the server rest."""
    loop = asyncio.get_running_loop()
    clients.ending = False
    tasks = [asyncio.create_task(clients.live()) for _ in range(connections)]
    while taken.seconds < until:
        await asyncio.sleep(max(0.0, min(every, until - taken.seconds)))
        pipe.send("figures")
        memory, files, now_open, total = await loop.run_in_executor(None, pipe.recv)
        at = taken.seconds
        taken.memory.append((at, memory))
        taken.descriptors.append((at, files))
        print(
            f"{at:6.0f} s  {now_open:5} open of {total:8}  {clients.messages:9} messages"
            f"  {memory / 2**20:7.1f} MiB  {files:5} descriptors  {clients.wrong} wrong",
            flush=True,
        )
    clients.ending = True
    for task in asyncio.as_completed(tasks):
        await task
    pipe.send("rest")
    at_rest, total = await loop.run_in_executor(None, pipe.recv)
    taken.rests.append((at_rest, total))
    print(
        f"{taken.seconds:6.0f} s  at rest: {at_rest.resident / 2**20:.1f} MiB,"
        f" heap {at_rest.heap or 0:,} bytes, {at_rest.blocks:,} blocks, {at_rest.descriptors} descriptors",
        flush=True,
    )


async def run(pipe: Connection, options: argparse.Namespace) -> dict[str, Any]:
    """Run the traffic, and judge the figures of the server."""
    clients = Clients(pipe.recv(), options.seed)
    taken = Taken()
    periods = max(1, round(options.minutes / options.rest))
    for period in range(1, periods + 1):
        until = options.minutes * 60 * period / periods
        await traffic(pipe, clients, options.connections, until, options.every, taken)
    pipe.send("end")
    ended = await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
    return report(clients, taken, options.connections, *ended)


def report(
    clients: Clients,
    taken: Taken,
    connections: int,
    left: list[str],
    complaints: list[str],
    still_open: int,
    closes: dict[int, int],
    errors: dict[str, int],
) -> dict[str, Any]:
    """Return the findings; those that must not be are its `faults`."""
    half = taken.memory[-1][0] / 2
    growth = slope([point for point in taken.memory if point[0] > half])
    files_growth = slope([point for point in taken.descriptors if point[0] > half])
    bound = max(LEAST, MEMORY * taken.memory[-1][1])
    files_at_rest = [at_rest.descriptors for at_rest, _ in taken.rests]
    heap_growth = taken.left_behind()
    faults = {
        "wrong messages": clients.wrong and f"{clients.wrong}, first: {clients.first_wrong}",
        "tasks left": left,
        "complaints": complaints[:20],
        "still open": still_open,
        "memory grows": growth if growth > bound else 0,
        "heap grows": heap_growth if heap_growth > LEFT_BEHIND else 0,
        "descriptors grow": files_growth if files_growth > max(1, DESCRIPTORS * connections) else 0,
        "descriptors grow at rest": files_at_rest if files_at_rest[-1] > files_at_rest[0] else 0,
    }
    return {
        "core": wsrs.backend,
        "connections": connections,
        "seconds": round(taken.seconds),
        "messages": clients.messages,
        "clients ended": dict(clients.ends),
        "server closes": {str(code): count for code, count in closes.items()},
        "server errors": errors,
        "memory MiB": round(taken.memory[-1][1] / 2**20, 1),
        "memory KiB/minute": round(growth / 1024, 1),
        "descriptors/minute": round(files_growth, 2),
        "memory at rest MiB": [round(at_rest.resident / 2**20, 1) for at_rest, _ in taken.rests],
        "heap at rest": [at_rest.heap for at_rest, _ in taken.rests],
        "blocks at rest": [at_rest.blocks for at_rest, _ in taken.rests],
        "heap by connection": round(heap_growth, 3),
        "descriptors at rest": files_at_rest,
        "faults": {name: value for name, value in faults.items() if value},
    }


def main() -> int:
    """Return 1 if something grew, was wrong, or was reported."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two figures")
    parser.add_argument("--rest", type=float, default=5.0, help="minutes between two rests")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-debug", action="store_true", help="run the server without asyncio's debug mode")
    options = parser.parse_args()
    limit = raise_limit()
    if options.connections + 200 > limit:
        parser.error(f"{options.connections} connections need more descriptors than the {limit} allowed")
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    server = context.Process(target=server_process, args=(there, not options.no_debug))
    server.start()
    try:
        result = asyncio.run(run(here, options))
    finally:
        server.join(10)
        if server.is_alive():
            server.terminate()
    print(json.dumps(result, indent=1))
    return 1 if result["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
