"""`handle_upgrade` with unusual transports and callbacks, and faults in what the program passes to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import wsrs
from wsrs.http import Headers, Request

from ..conftest import Reports
from ..peers import Peer, upgrade_request, within


class Unwilling:
    """A transport of another program, which does not say who its peer is."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "peername":
            raise OSError("nobody is there")
        return self._transport.get_extra_info(name, default)


class HandedOver:
    """A server on asyncio's streams, which hands over the connections that it accepts."""

    def __init__(self) -> None:
        self.came: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.peer: Peer

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.came.set_result(writer)

    async def request(self) -> tuple[Any, asyncio.StreamWriter]:
        writer = await within(self.came)
        fields = [
            ("Host", "localhost"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
        ]
        return Request("GET", "/", Headers(fields), "1.1", writer.transport), writer


@pytest_asyncio.fixture
async def handed_over(reports: Reports) -> AsyncIterator[HandedOver]:
    one = HandedOver()
    listening = await asyncio.start_server(one.accept, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    one.peer = Peer(*await asyncio.open_connection("127.0.0.1", port))
    one.peer.write(upgrade_request())
    yield one
    listening.close()
    await one.peer.close()


async def test_a_websocket_upgraded_without_a_callback_is_among_the_clients(handed_over: HandedOver) -> None:
    server = wsrs.WebSocketServer(no_server=True)
    request, writer = await handed_over.request()
    server.handle_upgrade(request, writer)
    assert (await handed_over.peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
    (ws,) = server.clients
    ws.terminate()
    await within(ws.wait_closed())


async def test_a_transport_that_cannot_name_its_peer_is_accepted(handed_over: HandedOver) -> None:
    server = wsrs.WebSocketServer(no_server=True)
    request, writer = await handed_over.request()
    transport: Any = Unwilling(writer.transport)
    request = Request("GET", "/", request.headers, "1.1", transport)
    server.handle_upgrade(request, transport)
    assert (await handed_over.peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
    (ws,) = server.clients
    assert repr(ws) == "<WebSocket OPEN>"
    ws.terminate()
    await within(ws.wait_closed())


async def test_the_callback_of_handle_upgrade_may_be_a_coroutine_function(handed_over: HandedOver) -> None:
    async def came(ws: wsrs.WebSocket, request: Any) -> None:
        await ws.send(f"welcome to {request.url}")

    server = wsrs.WebSocketServer(no_server=True)
    request, writer = await handed_over.request()
    server.handle_upgrade(request, writer, b"", came)
    await handed_over.peer.head()
    assert (await handed_over.peer.frame()).payload == b"welcome to /"


async def test_a_bad_transport_or_callback_is_named(handed_over: HandedOver) -> None:
    server: Any = wsrs.WebSocketServer(no_server=True)
    request, writer = await handed_over.request()
    with pytest.raises(
        TypeError, match=r"transport must be an asyncio\.Transport or a StreamWriter, not tuple"
    ):
        server.handle_upgrade(request, (None, writer))
    with pytest.raises(TypeError, match="callback must be callable, not str"):
        server.handle_upgrade(request, writer, b"", "connection")
    server.handle_upgrade(request, writer)
    assert (await handed_over.peer.head())[0] == "HTTP/1.1 101 Switching Protocols"


async def test_a_verdict_on_a_lost_connection_is_written_nowhere(handed_over: HandedOver) -> None:
    verdicts: list[Any] = []
    server = wsrs.WebSocketServer(
        no_server=True, verify_client=lambda info, decided: verdicts.append(decided)
    )
    request, writer = await handed_over.request()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    server.handle_upgrade(request, writer)
    writer.transport.abort()
    verdicts[0](False, 403)
    assert await handed_over.peer.rest_or_reset() == b""
    assert server.stats().refused == {"verify_client": 1}
    assert server.clients == set()
