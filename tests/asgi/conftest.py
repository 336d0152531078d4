"""A real uvicorn server in the test's own loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
import uvicorn

from tests.conftest import Reports
from tests.peers import Peer, within
from wsrs.uvicorn import WSProtocol

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[object]]


class Running:
    """A uvicorn server that serves one application."""

    def __init__(self, server: uvicorn.Server, task: asyncio.Task[None], port: int) -> None:
        self.server = server
        self.task = task
        self.port = port
        self.url = f"ws://127.0.0.1:{port}"

    async def peer(self) -> Peer:
        """A TCP connection, without a handshake yet."""
        return Peer(*await within(asyncio.open_connection("127.0.0.1", self.port)))

    def protocol(self) -> WSProtocol:
        """The protocol of the only connection."""
        (protocol,) = self.server.server_state.connections
        assert isinstance(protocol, WSProtocol)
        return protocol

    async def stop(self) -> None:
        """Shut down, as a signal does."""
        self.server.should_exit = True
        await within(self.task)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until `condition` holds, which no event tells."""

    async def wait() -> None:
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)

    await within(wait())


Serve = Callable[..., Awaitable[Running]]


@pytest.fixture(params=["httptools", "h11", "zttp"])
def http(request: pytest.FixtureRequest) -> str:
    """uvicorn's HTTP implementations."""
    return str(request.param)


@pytest_asyncio.fixture
async def serve_asgi(reports: Reports) -> AsyncIterator[Serve]:
    """Serves applications: `await serve_asgi(app, **options of uvicorn)`."""
    running: list[Running] = []

    async def start(app: App, **options: Any) -> Running:
        listener = socket.create_server(("127.0.0.1", 0))
        settings = {"ws": WSProtocol, "lifespan": "off", "log_config": None, **options}
        server = uvicorn.Server(uvicorn.Config(app, **settings))
        task = asyncio.create_task(server.serve([listener]))
        running.append(Running(server, task, listener.getsockname()[1]))
        while not server.started:
            await asyncio.sleep(0)
            assert not task.done(), "uvicorn has not started"
        return running[-1]

    yield start
    for each in running:
        await each.stop()
