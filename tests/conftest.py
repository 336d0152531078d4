"""Fixtures for all tests. The suite runs on the core that the environment selects, and live tests on both
loops."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio

import wsrs
from wsrs._active_core import core
from wsrs._websocket.lifecycle import Lifecycle

from .peers import RawServer, within
from .rooms import KINDS, MakeRoom, Room


def pytest_asyncio_loop_factories(
    config: Any, item: Any
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if sys.platform != "win32":
        import uvloop

        factories["uvloop"] = uvloop.new_event_loop
    return factories


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"wsrs {wsrs.__version__}, backend {wsrs.backend}")


class Reports(list[dict[str, Any]]):
    """The calls of the loop's exception handler. A test takes those that it expects; any other fails it."""

    def take(self) -> dict[str, Any]:
        assert self, "nothing was reported to the loop's exception handler"
        return self.pop(0)


@pytest_asyncio.fixture
async def tidy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """End every connection that the test has left open: a loop must not be closed while it has transports."""
    made: weakref.WeakSet[Lifecycle] = weakref.WeakSet()
    plain = Lifecycle.__init__

    def init(self: Lifecycle, *args: Any) -> None:
        plain(self, *args)
        made.add(self)

    monkeypatch.setattr(Lifecycle, "__init__", init)
    yield
    for ws in list(made):
        if isinstance(ws, wsrs.WebSocket) and ws.ready_state != wsrs.CLOSED:
            ws.on("error", lambda error: None)
            ws.terminate()
            await within(ws.wait_closed())


@pytest_asyncio.fixture
async def reports(tidy: None) -> AsyncIterator[Reports]:
    reports = Reports()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reports.append(context))
    yield reports
    loop.set_exception_handler(None)
    assert not reports, reports


@pytest.fixture
def collect() -> Iterator[Callable[[], int]]:
    """`gc.collect` for what was made since the test began.

    An earlier test may have left a transport that was still closing when its loop was closed, as happens on
    a busy machine. To collect that is a ResourceWarning, which would fail the wrong test.
    """
    gc.freeze()
    yield gc.collect
    gc.unfreeze()


Serve = Callable[..., Awaitable[Any]]


@pytest_asyncio.fixture
async def serve(reports: Reports) -> AsyncIterator[Serve]:
    """Makes listening servers: `await serve(on_connection, **options)`; `.url` is their address."""
    servers: list[wsrs.WebSocketServer] = []

    async def make(on_connection: Callable[..., object] | None = None, **keywords: Any) -> Any:
        options: Any = keywords
        if "unix" not in options and "sock" not in options and "server" not in options:
            options = {"port": 0, "host": "127.0.0.1", **options}
        server: Any = wsrs.WebSocketServer(options)
        servers.append(server)
        if on_connection is not None:
            server.on("connection", on_connection)
        await within(server.wait_listening())
        address = server.address()
        if isinstance(address, str):
            server.url = f"ws+unix:{address}:/"
        else:
            server.url = f"ws://127.0.0.1:{address['port']}/"
        return server

    yield make
    for server in servers:
        for client in server.clients if server.options["client_tracking"] else ():
            client.terminate()
        server.close()
        await within(server.wait_closed())


@pytest_asyncio.fixture
async def echo(serve: Serve) -> Any:
    """A server that sends every message back."""

    def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
        ws.on("message", lambda data, is_binary: ws.send(data, binary=is_binary))

    return await serve(on_connection)


@pytest_asyncio.fixture
async def raw_server() -> AsyncIterator[RawServer]:
    server = await RawServer.start()
    yield server
    await server.stop()


@pytest.fixture(params=KINDS)
def transports(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The transports that all connections of a test run on: the engine's, or the loop's as under TLS."""
    if request.param == "loop":
        monkeypatch.setattr(core, "reactor", lambda loop: None)
    return str(request.param)


@pytest_asyncio.fixture
async def make_room(serve: Serve) -> AsyncIterator[MakeRoom]:
    """Makes a server with clients: `await make_room(how_many, **options_of_the_server)`."""
    rooms: list[Room] = []

    async def make(clients: int = 3, **options: Any) -> Room:
        rooms.append(Room(await serve(**options)))
        for _ in range(clients):
            await rooms[-1].join()
        return rooms[-1]

    yield make
    for room in rooms:
        for peer in room.peers:
            peer.reset()
