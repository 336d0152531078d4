"""Clients that a fault does not concern, whose answers must keep coming; and a proxy that can fall silent."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest_asyncio

import wsrs

from ..conftest import Reports, Serve
from ..peers import within
from ..threats.conftest import transports

if sys.platform == "win32":
    # These tests need forks, signals and limits on descriptors.
    collect_ignore = ["test_system.py", "test_processes.py"]

__all__ = ["Others", "Proxy", "ServeOthers", "echo", "transports"]

ANSWERS = 10
"""How many answers each of the others must get after a fault, to count as going on."""
BOUND = 2.0
"""Seconds that an answer may take: many, because the machine that runs the tests may be busy."""


class Others:
    """Clients in lockstep with an echo server. Each compares the answers that it gets."""

    def __init__(self, url: str, count: int = 4) -> None:
        self.url = url
        self.count = count
        self.worst = 0.0
        self.answers = [0] * count
        self._tasks: list[asyncio.Task[None]] = []
        self._progress = asyncio.Event()
        self._ending = False

    async def __aenter__(self) -> Others:
        self._tasks = [asyncio.ensure_future(self._talk(number)) for number in range(self.count)]
        await self.go_on()
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._ending = True
        await within(asyncio.gather(*self._tasks))
        assert self.worst < BOUND

    async def _talk(self, number: int) -> None:
        async with wsrs.WebSocket(self.url) as ws:
            while not self._ending:
                text = f"{number}: {self.answers[number]}"
                begun = time.monotonic()
                await ws.send(text)
                assert await ws.recv() == text
                self.worst = max(self.worst, time.monotonic() - begun)
                self.answers[number] += 1
                self._progress.set()
        assert ws.ready_state == wsrs.CLOSED

    async def go_on(self, answers: int = ANSWERS) -> None:
        """Wait until each client has got some more answers; fail if one has ended or waits too long."""
        goal = [already + answers for already in self.answers]
        deadline = time.monotonic() + 5 * BOUND
        while any(have < want for have, want in zip(self.answers, goal, strict=True)):
            self._progress.clear()
            for task in self._tasks:
                if task.done():
                    await task
                    raise AssertionError("one of the others has ended")
            assert time.monotonic() < deadline, "the others wait for their answers"
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._progress.wait(), BOUND)


def echo(ws: wsrs.WebSocket, request: Any) -> None:
    ws.on("message", lambda data, is_binary: ws.send(data, binary=is_binary))


ServeOthers = Callable[..., Awaitable[tuple[Any, Others]]]


@pytest_asyncio.fixture
async def serve_others(transports: str, serve: Serve, reports: Reports) -> AsyncIterator[ServeOthers]:
    """`await serve_others(on_connection, **options)`: a server, and clients that talk to it from now on.

    Connections with the path `/fault` go to `on_connection`; those of the others are echoed.
    """
    everybody: list[Others] = []

    async def make(on_connection: Callable[..., object] = echo, **options: Any) -> tuple[Any, Others]:
        def chosen(ws: wsrs.WebSocket, request: Any) -> object:
            return (on_connection if request.url == "/fault" else echo)(ws, request)

        server = await serve(chosen, **options)
        others = Others(server.url)
        everybody.append(others)
        await others.__aenter__()
        return server, others

    yield make
    for others in everybody:
        await others.go_on()
        await others.__aexit__()


class Proxy:
    """Carries bytes between clients and a server until it falls silent: both ends stay open, and nothing
    arrives."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._tasks: set[asyncio.Task[Any]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._came, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers += [writer, back]
        for source, target in ((reader, back), (there, writer)):
            self._tasks.add(asyncio.ensure_future(self._carry(source, target)))

    @staticmethod
    async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
            target.write_eof()

    async def silence(self) -> None:
        """From now on, read nothing, write nothing, and close nothing."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.pause_reading()  # type: ignore[attr-defined]

    async def __aexit__(self, *exception: object) -> None:
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
        self._server.close()
