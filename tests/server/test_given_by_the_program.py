"""`verify_client` and `handle_upgrade` in unusual company, and faults of what the program gave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import wsrs
from wsrs.http import Headers, Request
from wsrs.stream import StreamClosed

from ..conftest import Reports, Serve
from ..peers import Peer, connect, listen, raw_client, upgrade_request, within


async def test_names_that_it_is_not_given(serve: Serve) -> None:
    infos: list[Any] = []
    server = await serve(verify_client=lambda info: not infos.append(info))  # type: ignore[func-returns-value]
    await (await raw_client(server)).close()
    assert infos[0].get("origin", 1) is None
    with pytest.raises(KeyError):
        infos[0]["__slots__"]


async def test_one_whose_parameters_python_does_not_know_gets_one(serve: Serve) -> None:
    class Gate:
        __signature__ = 1

        def __call__(self, *arguments: Any) -> bool:
            return len(arguments) == 1

    await (await raw_client(await serve(verify_client=Gate()))).close()


async def test_a_coroutine_function_with_two_parameters_decides_by_the_callback(serve: Serve) -> None:
    async def verify(info: Any, decided: Any) -> str:
        await asyncio.sleep(0)
        decided(info.origin is None)
        return "means nothing"

    server = await serve(verify_client=verify)
    await (await raw_client(server)).close()
    peer = await connect(server)
    peer.write(upgrade_request(origin="x"))
    assert (await peer.head())[0] == "HTTP/1.1 401 Unauthorized"
    await peer.close()


async def test_handle_protocols_that_returns_another_type(serve: Serve, reports: Reports) -> None:
    peer = await connect(await serve(handle_protocols=lambda protocols, request: 1))
    peer.write(upgrade_request(sec_websocket_protocol="a"))
    assert (await peer.head())[0] == "HTTP/1.1 500 Internal Server Error"
    error = reports.take()["exception"]
    assert str(error) == "handle_protocols must return a str or False, not int"
    await peer.close()


async def test_handle_protocols_that_is_a_coroutine_function(serve: Serve, reports: Reports) -> None:
    async def choose(protocols: Any, request: Any) -> str:
        return "a"

    peer = await connect(await serve(handle_protocols=choose))
    peer.write(upgrade_request(sec_websocket_protocol="a"))
    assert (await peer.head())[0] == "HTTP/1.1 500 Internal Server Error"
    assert "handle_protocols must decide at once" in str(reports.take()["exception"])
    await peer.close()


class Unwilling:
    """A transport of another's, which does not answer questions about its peer."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "peername":
            raise OSError("nobody is there")
        return self._transport.get_extra_info(name, default)


class HandedOver:
    """Connections that asyncio's streams accept: the reader and writer of the next one."""

    def __init__(self) -> None:
        self.came: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.peer: Peer

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.came.set_result(writer)

    async def request(self) -> tuple[Any, asyncio.StreamWriter]:
        writer = await within(self.came)
        fields = [
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


async def test_without_a_callback_it_is_a_client_all_the_same(handed_over: HandedOver) -> None:
    server = wsrs.WebSocketServer(no_server=True)
    request, writer = await handed_over.request()
    server.handle_upgrade(request, writer)
    assert (await handed_over.peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
    (ws,) = server.clients
    ws.terminate()
    await within(ws.wait_closed())


async def test_a_transport_that_cannot_say_who_its_peer_is(handed_over: HandedOver) -> None:
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


async def test_the_callback_may_be_a_coroutine_function(handed_over: HandedOver) -> None:
    async def came(ws: wsrs.WebSocket, request: Any) -> None:
        await ws.send(f"welcome to {request.url}")

    server = wsrs.WebSocketServer(no_server=True)
    request, writer = await handed_over.request()
    server.handle_upgrade(request, writer, b"", came)
    await handed_over.peer.head()
    assert (await handed_over.peer.frame()).payload == b"welcome to /"


async def test_what_is_no_transport_or_callback_is_named(handed_over: HandedOver) -> None:
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


async def test_a_verdict_on_a_connection_that_is_gone_is_written_nowhere(handed_over: HandedOver) -> None:
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


async def test_a_pong_whose_mask_cannot_be_made_is_reported_and_ends_nothing(
    serve: Serve, reports: Reports
) -> None:
    def generate_mask(mask: bytearray) -> None:
        if fails:
            raise LookupError("no mask")

    fails = True
    server = await serve()
    came = listen(server, "connection")
    ws = wsrs.WebSocket(server.url, generate_mask=generate_mask)
    await within(ws.wait_open())
    other, _ = await within(came)
    pinged = listen(ws, "ping")
    other.ping(b"x")
    await within(pinged)
    assert isinstance(reports.take()["exception"], LookupError)
    fails = False
    ponged = listen(other, "pong")
    other.ping(b"y")
    assert await within(ponged) == (b"y",)


async def test_a_stream_whose_first_mask_cannot_be_made_ends_with_its_error(
    serve: Serve, reports: Reports
) -> None:
    def generate_mask(mask: bytearray) -> None:
        raise LookupError("no mask")

    ws = wsrs.WebSocket((await serve()).url, generate_mask=generate_mask)
    stream = wsrs.create_websocket_stream(ws)
    stream.write(b"early")
    stream.transport.set_write_buffer_limits(high=3)
    assert stream.transport.get_write_buffer_size() == 5
    with pytest.raises(LookupError, match="no mask"):
        await within(stream.wait_closed())


async def test_a_stream_over_a_handshake_that_failed(reports: Reports) -> None:
    ws = wsrs.WebSocket("ws://127.0.0.1:1")
    ws.on("error", lambda error: None)
    await within(ws.wait_closed())
    stream = wsrs.create_websocket_stream(ws)
    with pytest.raises(StreamClosed):
        await within(stream.wait_closed())
    assert stream.get_extra_info("peername", "none") == "none"


async def test_a_stream_of_objects_that_become_bytes_before_the_opening(echo: Any) -> None:
    ws = wsrs.WebSocket(echo.url)
    stream = wsrs.create_websocket_stream(ws, object_mode=True)
    for data in (wsrs.Blob([b"blob"]), [1, 2]):
        stream.write(data)
        await within(ws.wait_open())
        assert await within(stream.read()) in (b"blob", b"\x01\x02")
    assert stream.get_extra_info("socket") is not None
    assert stream.get_extra_info("socket").fileno() == stream.get_extra_info("socket").fileno()
    stream.transport.set_write_buffer_limits(high=100)
    assert stream.transport.get_write_buffer_limits() == (25, 100)
    stream.close()
    await within(stream.wait_closed())
