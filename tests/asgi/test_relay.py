"""A connection over a transport that cannot change its protocol: its host hands everything on."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.server import ServerState

import wsrs
from tests.conftest import Reports
from tests.peers import Peer, close_frame, listen, upgrade_request, within
from wsrs._asgi.relay import Relay
from wsrs.uvicorn import WSProtocol

from .apps import ACCEPT, Recorded, echo
from .conftest import App, Message, Receive, Send, until


class Narrow:
    """A transport that has only what uvicorn's own WebSocket protocols use."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.write = transport.write
        self.close = transport.close
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading


class Host(asyncio.Protocol):
    """Keeps the transport, and hands on what it is told."""

    def __init__(self, config: uvicorn.Config, state: ServerState) -> None:
        self.ours = WSProtocol(config, state, {})
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.ours.connection_made(Narrow(self.transport))  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        self.ours.data_received(data)

    def eof_received(self) -> bool | None:
        return self.ours.eof_received()

    def pause_writing(self) -> None:
        self.ours.pause_writing()

    def resume_writing(self) -> None:
        self.ours.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ours.connection_lost(exc)


class Hosted:
    def __init__(self, port: int, state: ServerState, hosts: list[Host]) -> None:
        self.port = port
        self.url = f"ws://127.0.0.1:{port}"
        self.state = state
        self.hosts = hosts


Serving = Callable[..., Awaitable[Hosted]]


@pytest_asyncio.fixture
async def hosted(reports: Reports) -> AsyncIterator[Serving]:
    """Serves applications over narrow transports: `await hosted(app)`."""
    servers: list[asyncio.Server] = []

    async def start(app: App) -> Hosted:
        state, hosts = ServerState(), list[Host]()

        def made() -> Host:
            hosts.append(Host(uvicorn.Config(app, log_config=None), state))
            return hosts[-1]

        servers.append(await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0))
        return Hosted(servers[-1].sockets[0].getsockname()[1], state, hosts)

    yield start
    for server in servers:
        server.close()


async def test_messages_go_both_ways(hosted: Serving) -> None:
    server = await hosted(echo)
    async with wsrs.WebSocket(server.url, max_payload=0) as ws:
        for data in ("text", b"x" * 1_000_000, ""):
            ws.send(data)
            assert await within(ws.recv()) == data
    await until(lambda: not server.state.connections)


@pytest.mark.parametrize("end", ["client", "application", "lost", "half"])
async def test_the_end_is_told(hosted: Serving, end: str) -> None:
    app = Recorded(ACCEPT, *([{"type": "websocket.close", "code": 4000}] if end == "application" else []))
    server = await hosted(app)
    peer = Peer(*await asyncio.open_connection("127.0.0.1", server.port))
    peer.write(upgrade_request())
    await peer.head()
    if end == "client":
        peer.write(close_frame(4001, b"bye"))
    elif end == "lost":
        peer.reset()
    elif end == "half":
        peer.hang_up()
    else:
        await peer.frame()
        peer.write(close_frame(4000))
    await within(app.ended.wait())
    expected = {"client": (4001, "bye"), "application": (4000, "")}.get(end, (1006, ""))
    assert (app.received[-1]["code"], app.received[-1]["reason"]) == expected
    await until(lambda: not server.state.connections)
    await peer.close()


async def test_a_send_waits_for_a_client_that_does_not_read(hosted: Serving) -> None:
    sent: list[int] = []
    left = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        try:
            for number in itertools.count():
                await send({"type": "websocket.send", "bytes": b"x" * 1_000_000})
                sent.append(number)
        except ClientDisconnected:
            left.set()

    server = await hosted(app)
    async with wsrs.WebSocket(server.url, per_message_deflate=False) as ws:
        ws.pause()
        (ours,) = [host.ours for host in server.hosts]
        await until(lambda: not ours._session._is_writable)
        count = len(sent)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(sent) == count < 100
        received = asyncio.Event()
        ws.on("message", lambda data, is_binary: received.set())
        ws.resume()
        await within(received.wait())
        await until(lambda: len(sent) > count)
        ws.terminate()
    await within(left.wait())


async def test_an_application_that_reads_slowly_pauses_the_transport(hosted: Serving) -> None:
    go_on = asyncio.Event()
    app = Recorded(ACCEPT)

    async def slow(scope: Message, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        await go_on.wait()
        await app(scope, receive, send)

    app.prelude = ()
    server = await hosted(slow)
    async with wsrs.WebSocket(server.url, per_message_deflate=False) as ws:
        for _ in range(100):
            ws.send(b"x" * 100_000)
        await until(lambda: bool(server.hosts) and not server.hosts[0].transport.is_reading())
        go_on.set()
        ws.close(1000)
        await within(listen(ws, "close"))
    await within(app.ended.wait())
    assert len([each for each in app.received if each["type"] == "websocket.receive"]) == 100


async def test_before_a_connection_takes_it_nothing_is_handed_on() -> None:
    class Transport:
        def __init__(self) -> None:
            self.calls: list[Any] = []

        def close(self) -> None:
            self.calls.append("close")

        def is_closing(self) -> bool:
            return bool(self.calls)

    under = Transport()
    relay = Relay(under)  # type: ignore[arg-type]
    relay.data_received(b"dropped")
    relay.pause_writing()
    relay.resume_writing()
    assert relay.eof_received() is None
    relay.connection_lost(None)
    assert relay.is_reading()
    assert not relay.can_write_eof()
    assert relay.get_write_buffer_size() == 0
    relay.set_write_buffer_limits(1, 0)
    relay.abort()
    assert under.calls == ["close"]
    assert not relay.is_reading()
    protocol = asyncio.BufferedProtocol()
    relay.set_protocol(protocol)
    assert relay.get_protocol() is protocol
