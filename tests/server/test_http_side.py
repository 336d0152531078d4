"""One HTTP server for several WebSocketServers, and connections that other programs have accepted."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import wsrs
from wsrs.http import Headers, HttpServer, Request

from ..conftest import Reports
from ..peers import connect, frame, listen, port_of, raw_client, upgrade_request, within

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"
REQUEST_END = b"\r\n\r\n"


def echo(ws: wsrs.WebSocket, request: Any) -> None:
    ws.on("message", lambda data, is_binary: ws.send(data, binary=is_binary))


async def talks(url: str, **options: Any) -> None:
    """Connect a client, send a short and a long message, and expect both back."""
    async with wsrs.WebSocket(url, **options) as ws:
        for message in ("text", b"x" * 300_000):
            await ws.send(message)
            assert await within(ws.recv()) == message


def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def trusting(secure: bool = True) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=str(CERTIFICATE)) if secure else None


class TestOneHttpServer:
    async def test_two_servers_by_path_with_no_server_over_tls(self, reports: Reports) -> None:
        servers = {name: wsrs.WebSocketServer({"noServer": True}) for name in ("/foo", "/bar")}

        def upgrade(request: Any, socket: Any, head: bytes) -> None:
            chosen = servers.get(request.url)
            if chosen is None:
                socket.abort()
                return
            chosen.handleUpgrade(
                request, socket, head, lambda ws, request: chosen.emit("connection", ws, request)
            )

        for server in servers.values():
            server.on("connection", echo)
        http = HttpServer(ssl=tls())
        async with http.on("upgrade", upgrade).listen(0, "127.0.0.1"):
            url = f"wss://localhost:{port_of(http)}"
            await talks(url + "/foo", ssl=trusting())
            await talks(url + "/bar", ssl=trusting())
            with pytest.raises((wsrs.HandshakeError, ConnectionError)):
                await within(wsrs.WebSocket(url + "/other", ssl=trusting()).wait_open())

    async def test_other_paths_are_refused_with_server_as_in_ws(self, reports: Reports) -> None:
        async with HttpServer() as http:
            first = wsrs.WebSocketServer(server=http, path="/first").on("connection", echo)
            second = wsrs.WebSocketServer(server=http, path="/second").on("connection", echo)
            http.listen(0, "127.0.0.1")
            await within(first.wait_listening())
            assert first.address() == second.address() == http.address()
            # The first server answers every request, so the second never gets those for its path.
            peer = await connect(http)
            peer.write(upgrade_request("/second"))
            assert (await peer.head())[0] == "HTTP/1.1 400 Bad Request"
            assert await peer.rest() == b"Bad Request"
            await peer.close()
            assert reports == []
            # Requests for the first become WebSockets; the second reports the mistake, and does not disturb
            # them.
            await talks(f"ws://127.0.0.1:{port_of(http)}/first")
            assert "possibly due to a misconfiguration" in str(reports.take()["exception"])
            for server in (first, second):
                await within(server.shutdown())

    async def test_events_of_the_http_server_come_through(self, reports: Reports) -> None:
        http = HttpServer()
        servers = [wsrs.WebSocketServer(server=http) for _ in range(2)]
        heard = [listen(server, "listening") for server in servers]
        http.listen(0, "127.0.0.1")
        for each in heard:
            assert await within(each) == ()
        other = HttpServer()
        failing = wsrs.WebSocketServer(server=other)
        error = listen(failing, "error")
        other.listen(port_of(http), "127.0.0.1")
        assert isinstance((await within(error))[0], OSError)
        # A closed WebSocketServer gets no more events, and the HTTP server goes on.
        for server in servers:
            server.close()
            await within(server.wait_closed())
        assert [http.listener_count(event) for event in ("listening", "error", "upgrade")] == [0, 0, 0]
        assert http.listening
        for each_http in (http, other):
            closed = listen(each_http, "close")
            each_http.close()
            await within(closed)

    async def test_clients_of_a_closed_server_stay_until_they_leave(self, reports: Reports) -> None:
        async with HttpServer() as http:
            server = wsrs.WebSocketServer(server=http).on("connection", echo)
            http.listen(0, "127.0.0.1")
            await within(http.wait_listening())
            ws = wsrs.WebSocket(f"ws://127.0.0.1:{port_of(http)}")
            await within(ws.wait_open())
            closed = listen(server, "close")
            server.close()
            await ws.send("still there")
            assert await within(ws.recv()) == "still there"
            assert not closed.done()
            ws.close()
            await within(closed)

    async def test_a_server_without_client_tracking_closes_at_once(self, reports: Reports) -> None:
        async with HttpServer() as http:
            server = wsrs.WebSocketServer(server=http, client_tracking=False)
            http.listen(0, "127.0.0.1")
            await within(http.wait_listening())
            ws = wsrs.WebSocket(f"ws://127.0.0.1:{port_of(http)}")
            await within(ws.wait_open())
            server.close()
            await within(server.wait_closed())
            assert ws.ready_state == wsrs.OPEN

    async def test_an_upgrade_listener_may_decide_later(self, reports: Reports) -> None:
        server = wsrs.WebSocketServer(no_server=True).on("connection", echo)
        decide = asyncio.get_running_loop().create_future()

        async def upgrade(request: Any, socket: Any, head: bytes) -> None:
            asked.set_result(None)
            await decide
            server.handle_upgrade(request, socket, head, echo)

        asked = asyncio.get_running_loop().create_future()
        async with HttpServer().on("upgrade", upgrade).listen(0, "127.0.0.1") as http:
            peer = await connect(http)
            peer.write(upgrade_request())
            await within(asked)
            peer.write(frame(1, b"early"))
            decide.set_result(None)
            assert (await peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
            assert (await peer.frame()).payload == b"early"
            await peer.close()

    @pytest.mark.parametrize("later", [False, True])
    async def test_an_upgrade_listener_that_raises_is_answered_with_500(
        self, reports: Reports, later: bool
    ) -> None:
        """The connection has no owner then, so the server answers it instead of leaving it open for ever."""

        def upgrade(request: Any, socket: Any, head: bytes) -> None:
            socket.destroy()

        async def upgrade_later(request: Any, socket: Any, head: bytes) -> None:
            await asyncio.sleep(0)
            socket.destroy()

        async with HttpServer().on("upgrade", upgrade_later if later else upgrade) as http:
            http.listen(0, "127.0.0.1")
            await within(http.wait_listening())
            peer = await connect(http)
            peer.write(upgrade_request())
            assert (await peer.head())[0] == "HTTP/1.1 500 Internal Server Error"
            await peer.close()
        assert isinstance(reports.take()["exception"], AttributeError)

    async def test_a_callback_that_raises_leaves_the_websocket_open(self, reports: Reports) -> None:
        """The WebSocket still belongs to the server, which also notices its end."""

        def connected(websocket: Any, request: Any) -> None:
            echo(websocket, request)
            raise KeyError("no such user")

        server = wsrs.WebSocketServer(no_server=True)
        http = HttpServer().on(
            "upgrade", lambda request, socket, head: server.handle_upgrade(request, socket, head, connected)
        )
        async with http.listen(0, "127.0.0.1"):
            async with wsrs.WebSocket(f"ws://127.0.0.1:{port_of(http)}") as ws:
                ws.send("still here")
                assert await within(ws.recv()) == "still here"
                (client,) = server.clients
            await within(client.wait_closed())
            assert server.clients == set()
            await within(server.shutdown())
        assert isinstance(reports.take()["exception"], KeyError)


def parse(head: bytes, transport: asyncio.Transport) -> Request:
    """A request as a program that reads requests by itself passes it to `handle_upgrade`."""
    first, *lines = head.decode("latin-1").split("\r\n")
    method, url, _ = first.split(" ")
    pairs = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return Request(method, url, Headers(pairs), "1.1", transport)


class Reader(asyncio.Protocol):
    """The protocol of another program, which reads heads by itself."""

    def __init__(self, server: wsrs.WebSocketServer, connected: Callable[..., object]) -> None:
        self._server = server
        self._connected = connected
        self._data = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, rest = self._data.partition(REQUEST_END)
        if end:
            request = parse(head, self._transport)
            self._server.handle_upgrade(request, self._transport, rest, self._connected)


Accepting = Callable[[wsrs.WebSocketServer, Any], Awaitable[asyncio.Server]]


async def accept_by_protocol(server: wsrs.WebSocketServer, context: Any) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Reader(server, echo), "127.0.0.1", 0, ssl=context)


async def accept_by_streams(server: wsrs.WebSocketServer, context: Any) -> asyncio.Server:
    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(REQUEST_END)
        transport: Any = writer.transport
        request = parse(head.removesuffix(REQUEST_END), transport)
        # Nothing keeps the streams alive: from here on the connection belongs to the WebSocket.
        server.handle_upgrade(request, writer, b"", echo)

    return await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=context)


@pytest.mark.parametrize("accept", [accept_by_protocol, accept_by_streams])
@pytest.mark.parametrize("secure", [False, True])
class TestTransportsOfOthers:
    async def test_transports_of_others_become_websockets(
        self, reports: Reports, collect: Callable[[], int], accept: Accepting, secure: bool
    ) -> None:
        server = wsrs.WebSocketServer(no_server=True)
        accepting = await accept(server, tls() if secure else None)
        port = accepting.sockets[0].getsockname()[1]
        url = f"{'wss' if secure else 'ws'}://localhost:{port}"
        async with wsrs.WebSocket(url, ssl=trusting(secure)) as ws:
            collect()
            for message in ("text", b"x" * 300_000):
                await ws.send(message)
                assert await within(ws.recv()) == message
            (client,) = server.clients
        await within(client.wait_closed())
        assert server.clients == set()
        accepting.close()
        await within(accepting.wait_closed())

    async def test_transports_of_others_are_refused_and_closed(
        self, reports: Reports, accept: Accepting, secure: bool
    ) -> None:
        async def verify(info: Any) -> bool:
            assert info.secure is secure
            await asyncio.sleep(0)
            return False

        server = wsrs.WebSocketServer(no_server=True, verify_client=verify)
        accepting = await accept(server, tls() if secure else None)
        port = accepting.sockets[0].getsockname()[1]
        url = f"{'wss' if secure else 'ws'}://localhost:{port}"
        with pytest.raises(wsrs.HandshakeError) as caught:
            await within(wsrs.WebSocket(url, ssl=trusting(secure)).wait_open())
        assert caught.value.status == 401
        accepting.close()
        await within(accepting.wait_closed())


class TestTheRequest:
    async def test_a_request_has_nodes_names_too(self, reports: Reports) -> None:
        async with wsrs.WebSocketServer(port=0, host="127.0.0.1") as server:
            connection = listen(server, "connection")
            peer = await raw_client(server, "/a?b=c", x_one="1")
            _, request = await within(connection)
            assert request.httpVersion == request.http_version == "1.1"
            assert request.rawHeaders == request.raw_headers
            assert request.rawHeaders[-2:] == ["x-one", "1"]
            assert await request.read() == b""
            assert repr(request) == "<Request GET '/a?b=c'>"
            await peer.close()
