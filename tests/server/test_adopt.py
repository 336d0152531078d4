"""`WebSocketServer.adopt`: connected sockets that the program gives to a server."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

import wsrs
from wsrs.http import HttpServer

from ..conftest import Reports
from ..hosts import descriptors, no_descriptor_free
from ..peers import BINARY, CLOSE, TEXT, Peer, close_frame, frame, listen, upgrade_request, within

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"
HERE: Any = {"host": "127.0.0.1", "port": 0}
REQUEST = upgrade_request()

Make = Callable[..., Awaitable[Any]]


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def echo(ws: wsrs.WebSocket, request: Any) -> None:
    ws.on("message", lambda data, is_binary: ws.send(data, binary=is_binary))


@pytest_asyncio.fixture
async def make(reports: Reports, request: Any) -> AsyncIterator[Make]:
    """Makes servers that echo: `await make(kind, **options)`."""
    made: list[Any] = []

    async def start(kind: str = "no_server", **options: Any) -> Any:
        if kind == "shared":
            made.append(HttpServer())
            server = wsrs.WebSocketServer(server=made[-1], **options)
        else:
            server = wsrs.WebSocketServer(**({"no_server": True} if kind == "no_server" else HERE), **options)
        server.on("connection", echo)
        made.append(server)
        if kind == "own":
            await within(server.wait_listening())
        return server

    yield start
    for server in reversed(made):
        for ws in server.clients if isinstance(server, wsrs.WebSocketServer) else ():
            ws.terminate()
        server.close()
        await within(server.wait_closed())


async def peer_over(sock: socket.socket) -> Peer:
    sock.setblocking(False)
    return Peer(*await asyncio.open_connection(sock=sock))


async def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        theirs = socket.create_connection(listening.getsockname())
        return listening.accept()[0], theirs


def reset(sock: socket.socket) -> None:
    """Close a socket; over TCP, its peer reads an error."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("kind", ["own", "shared", "no_server"])
@pytest.mark.usefixtures("transports")
class TestAdopting:
    @pytest.mark.parametrize("read", [0, 1, len(REQUEST) - 1, len(REQUEST), len(REQUEST) + 3])
    async def test_with_the_bytes_that_were_read(self, make: Make, kind: str, read: int) -> None:
        server = await make(kind)
        ours, theirs = socket.socketpair()
        sent = REQUEST + frame(TEXT, b"one") + frame(BINARY, b"2" * 70_000)
        theirs.sendall(sent[: len(REQUEST) + 5])
        data = ours.recv(read) if read else b""
        connection = listen(server, "connection")
        assert server.adopt(ours, memoryview(data)) is None
        assert not connection.done()
        peer = await peer_over(theirs)
        peer.write(sent[len(REQUEST) + 5 :])
        assert (await peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
        assert [(await peer.frame()).payload for _ in range(2)] == [b"one", b"2" * 70_000]
        ws, request = await within(connection)
        assert server.clients == {ws}
        assert request.url == "/"
        closed = listen(ws, "close")
        peer.write(close_frame(1000))
        assert (await peer.frame()).opcode == CLOSE
        await peer.close()
        assert (await within(closed))[0] == 1000
        assert server.stats().total == 1

    async def test_with_an_address_of_its_own(self, make: Make, kind: str) -> None:
        server = await make(kind)
        ours, theirs = await tcp_pair()
        peer = await peer_over(theirs)
        connection = listen(server, "connection")
        server.adopt(ours)
        peer.write(REQUEST)
        ws, request = await within(connection)
        address = peer.writer.get_extra_info("sockname")
        assert request.socket.get_extra_info("peername") == address
        assert repr(ws) == f"<WebSocket from 127.0.0.1:{address[1]} OPEN>"
        await peer.close()

    async def test_no_descriptor_is_left(self, make: Make, kind: str) -> None:
        server = await make(kind)
        counted = []
        for _ in range(3):
            ours, theirs = socket.socketpair()
            connection = listen(server, "connection")
            server.adopt(ours, REQUEST)
            ws, _ = await within(connection)
            theirs.close()
            await within(ws.wait_closed())
            await asyncio.sleep(0)
            counted.append(descriptors())
        assert counted[1] == counted[2]

    async def test_a_client_in_the_same_process(self, make: Make, kind: str) -> None:
        server = await make(kind)
        ours, theirs = socket.socketpair()
        server.adopt(ours)
        async with wsrs.WebSocket("ws://localhost/", socket=theirs) as ws:
            await ws.send("hello")
            assert await within(ws.recv()) == "hello"

    async def test_refusals_and_limits_are_those_of_other_connections(self, make: Make, kind: str) -> None:
        server = await make(kind, max_connections=1, path="/chat")
        answers = []
        for path in ("/other", "/chat", "/chat"):
            ours, theirs = socket.socketpair()
            server.adopt(ours, upgrade_request(path))
            peer = await peer_over(theirs)
            answers.append((await peer.head())[0].split(" ")[1])
            if answers[-1] == "101":
                kept = peer
            else:
                await peer.close()
        assert answers == ["400", "101", "503"]
        assert server.stats().refused == {"path": 1, "max_connections": 1}
        await kept.close()

    async def test_a_server_that_is_closing_ends_it(self, make: Make, kind: str) -> None:
        server = await make(kind)
        ours, theirs = socket.socketpair()
        connection = listen(server, "connection")
        server.adopt(ours, REQUEST)
        peer = await peer_over(theirs)
        await within(connection)
        server.close()
        for state in ("CLOSING", "CLOSED"):
            assert state in repr(server)
            late, other = socket.socketpair()
            server.adopt(late, REQUEST)
            refused = await peer_over(other)
            # The HTTP server of the program is not closed, but has no WebSocketServer any more.
            answer = await refused.rest_or_reset()
            assert answer.startswith(b"HTTP/1.1 426 ") if kind == "shared" else answer == b""
            await refused.close()
            await peer.close()
            await within(server.wait_closed())

    async def test_a_server_that_was_closed_before_its_first(self, make: Make, kind: str) -> None:
        server = await make(kind)
        server.close()
        ours, theirs = socket.socketpair()
        server.adopt(ours)
        peer = await peer_over(theirs)
        if kind == "shared":
            peer.write(REQUEST)
            assert (await peer.head())[0] == "HTTP/1.1 426 Upgrade Required"
        else:
            assert await peer.rest_or_reset() == b""
        await peer.close()
        await within(server.wait_closed())

    async def test_a_peer_that_left_before_is_gone(self, make: Make, kind: str) -> None:
        server = await make(kind)
        for pair in (socket.socketpair(), await tcp_pair()):
            ours, theirs = pair
            reset(theirs)
            server.adopt(ours)
        ours, theirs = socket.socketpair()
        server.adopt(ours, REQUEST)
        peer = await peer_over(theirs)
        assert (await peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
        await peer.close()


@pytest.mark.usefixtures("transports")
class TestDeadlines:
    @pytest.mark.parametrize(("data", "answer"), [(b"", b""), (b"GET / HTTP", b"HTTP/1.1 408 ")])
    async def test_the_head_of_the_request_must_come(self, make: Make, data: bytes, answer: bytes) -> None:
        server = await make(handshake_timeout=0.05)
        ours, theirs = socket.socketpair()
        server.adopt(ours, data)
        peer = await peer_over(theirs)
        assert (await peer.rest_or_reset()).partition(b"Request")[0] == answer
        await peer.close()

    async def test_what_begins_no_request_is_refused_at_once(self, make: Make) -> None:
        server = await make(handshake_timeout=0)
        ours, theirs = socket.socketpair()
        server.adopt(ours, b"\x16\x03\x01")
        peer = await peer_over(theirs)
        assert (await peer.head())[0] == "HTTP/1.1 400 Bad Request"
        await peer.close()


class TestTls:
    async def test_it_comes_first(self, make: Make) -> None:
        server = await make("own", ssl=server_context())
        for pair in (socket.socketpair(), await tcp_pair()):
            server.adopt(pair[0])
            trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
            async with wsrs.WebSocket("wss://localhost/", socket=pair[1], ssl=trusting) as ws:
                await ws.send(b"x" * 100_000)
                assert await within(ws.recv()) == b"x" * 100_000

    async def test_a_handshake_that_fails_ends_the_connection(self, make: Make) -> None:
        server = await make("own", ssl=server_context())
        counted = []
        for _ in range(3):
            failed = listen(server, "tlsClientError")
            ours, theirs = socket.socketpair()
            server.adopt(ours)
            peer = await peer_over(theirs)
            peer.write(REQUEST)
            error, peername = await within(failed)
            assert isinstance(error, ssl.SSLError)
            assert peername == ""
            await peer.rest_or_reset()
            await peer.close()
            await asyncio.sleep(0)
            counted.append(descriptors())
        assert counted[1] == counted[2]
        assert server.stats().total == 0

    async def test_a_peer_that_left_before_its_handshake(self, make: Make) -> None:
        server = await make("own", ssl=server_context())
        failed = listen(server, "tlsClientError")
        ours, theirs = await tcp_pair()
        reset(theirs)
        server.adopt(ours)
        error, peername = await within(failed)
        assert isinstance(error, OSError)
        assert peername is None

    async def test_a_handshake_that_fails_after_the_server_has_closed(self, reports: Reports) -> None:
        server = HttpServer(ssl=server_context())
        heard: list[Any] = []
        server.on("tlsClientError", lambda *args: heard.append(args))
        ours, theirs = socket.socketpair()
        server.adopt(ours)
        server.close()
        await within(server.wait_closed())
        peer = await peer_over(theirs)
        peer.write(REQUEST)
        await peer.rest_or_reset()
        assert heard == []
        await peer.close()


class TestOwnership:
    async def test_a_wrong_argument_is_named_and_the_socket_closed(self, make: Make) -> None:
        server = await make("no_server")
        with pytest.raises(TypeError, match="adopt: sock must be a socket, not int"):
            server.adopt(3)
        ours, theirs = socket.socketpair()
        with theirs, pytest.raises(TypeError, match="adopt: data must be bytes, not str"):
            server.adopt(ours, "GET")
        assert ours.fileno() == -1
        with pytest.raises(ValueError, match="adopt: sock is closed: <socket"):
            server.adopt(ours)
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listening = socket.create_server(("127.0.0.1", 0))
        for sock, message in (
            (datagrams, "adopt: sock must be a stream socket, TCP or Unix: <socket"),
            (listening, "adopt: sock must be connected: <socket"),
            (socket.socket(), "adopt: sock must be connected: <socket"),
            (socket.socket(socket.AF_UNIX), "adopt: sock must be connected: <socket"),
        ):
            with pytest.raises(ValueError, match=message):
                server.adopt(sock)
            assert sock.fileno() == -1

    async def test_tls_is_not_of_the_socket_and_its_bytes_are_no_data(self, make: Make) -> None:
        server = await make("own", ssl=server_context())
        ours, theirs = socket.socketpair()
        with theirs, pytest.raises(ValueError, match="adopt: data must be empty with ssl, not 18 bytes"):
            server.adopt(ours, b"GET / HTTP/1.1\r\n\r\n")
        assert ours.fileno() == -1
        plain, theirs = socket.socketpair()
        secure = ssl.create_default_context().wrap_socket(
            plain, do_handshake_on_connect=False, server_hostname="localhost"
        )
        with theirs, pytest.raises(TypeError, match="adopt: sock must be a plain socket, not an SSLSocket"):
            server.adopt(secure)
        assert secure.fileno() == -1

    async def test_aiohttp_has_its_own_connections(self, reports: Reports) -> None:
        server = wsrs.WebSocketServer(server=web.Application())
        ours, theirs = socket.socketpair()
        with theirs, pytest.raises(RuntimeError, match="an aiohttp application gets its connections from"):
            server.adopt(ours)
        assert ours.fileno() == -1
        with pytest.raises(TypeError, match="sock must be a socket, not None"):
            server.adopt(None)  # type: ignore[arg-type]

    async def test_when_the_process_is_out_of_descriptors(self, make: Make) -> None:
        server = await make("own")
        if wsrs.backend == "pure":
            return  # a transport of the loop needs no other descriptor
        ours, theirs = socket.socketpair()
        theirs.settimeout(5)
        with theirs:
            with no_descriptor_free(), pytest.raises(OSError, match="Too many open files"):
                server.adopt(ours, REQUEST)
            assert ours.fileno() == -1
            assert theirs.recv(1) == b""

    async def test_in_another_thread(self, make: Make) -> None:
        server = await make()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with pytest.raises(RuntimeError, match="call_soon_threadsafe"):
                await asyncio.to_thread(server.adopt, ours)
            assert ours.fileno() >= 0

    @pytest.mark.parametrize("transports", ["loop"], indirect=True)
    async def test_when_the_task_that_connects_is_cancelled(self, make: Make, transports: str) -> None:
        server = await make("own")
        ours, theirs = socket.socketpair()
        theirs.settimeout(5)
        with theirs:
            before = asyncio.all_tasks()
            server.adopt(ours, REQUEST)
            (connecting,) = asyncio.all_tasks() - before
            connecting.cancel()
            await within(asyncio.wait([connecting]))
            assert ours.fileno() == -1
            assert theirs.recv(1) == b""

    async def test_a_descriptor_from_another_process(self, make: Make) -> None:
        server = await make()
        one, other = socket.socketpair()
        ours, theirs = socket.socketpair()
        with one, other:
            socket.send_fds(one, [REQUEST], [ours.fileno()])
            ours.close()
            data, received, _, _ = socket.recv_fds(other, 1000, 1)
        server.adopt(socket.socket(fileno=received[0]), data)
        peer = await peer_over(theirs)
        assert (await peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
        await peer.close()
