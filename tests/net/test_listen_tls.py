"""TLS handshakes that fail on a server, and what accepting does when it cannot go on."""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
import ssl
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wsrs
from wsrs._active_core import core
from wsrs._net import listen_tls
from wsrs.http import HttpServer

from ..conftest import Reports, Serve
from ..peers import TEXT, connect, frame, gather_into, listen, opening, port_of, upgrade_request, within

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the loop of Windows watches no sockets")

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"


def serving(**settings: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def asking() -> ssl.SSLContext:
    """Clients need a certificate."""
    context = serving(verify_mode=ssl.CERT_REQUIRED)
    context.load_verify_locations(CERTIFICATE)
    return context


def trusting(**settings: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(CERTIFICATE))
    for name, value in settings.items():
        setattr(context, name, value)
    return context


async def _says_no_tls(server: Any) -> None:
    with pytest.raises(wsrs.HandshakeError, match="the address must begin with wss:"):
        await within(opening(wsrs.WebSocket(f"ws://127.0.0.1:{port_of(server)}")))


async def _has_no_certificate(server: Any) -> None:
    # It is refused by an alert, which may come after the client's own half of the handshake.
    with pytest.raises((ssl.SSLError, ConnectionError, wsrs.HandshakeError)):
        await within(opening(wsrs.WebSocket(f"wss://localhost:{port_of(server)}", ssl=trusting())))


async def _is_of_another_version(server: Any) -> None:
    context = trusting(maximum_version=ssl.TLSVersion.TLSv1_2)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await within(opening(wsrs.WebSocket(f"wss://localhost:{port_of(server)}", ssl=context)))


async def _sends(server: Any, data: bytes) -> None:
    peer = await connect(server)
    peer.write(data)
    assert await peer.at_end()
    await peer.close()


async def _is_no_tls_at_all(server: Any) -> None:
    await _sends(server, b"SSH-2.0-peer\r\n")


async def _is_silent(server: Any) -> None:
    await _sends(server, b"")


async def _hangs_up(server: Any) -> None:
    await (await connect(server)).close()


Client = Callable[[Any], Any]

FAILING: list[Any] = [
    pytest.param(_says_no_tls, "HTTP_REQUEST", {}, id="a plain client"),
    pytest.param(_has_no_certificate, "PEER_DID_NOT_RETURN_A_CERTIFICATE", {}, id="no certificate"),
    pytest.param(_is_of_another_version, "UNSUPPORTED_PROTOCOL", {}, id="another version"),
    pytest.param(_is_no_tls_at_all, "WRONG_VERSION_NUMBER", {}, id="no TLS at all"),
    pytest.param(_hangs_up, "ConnectionResetError", {}, id="hung up"),
    pytest.param(_is_silent, "ConnectionAbortedError", {"handshake_timeout": 0.05}, id="silent"),
]


@pytest.mark.parametrize(("client", "reason", "options"), FAILING)
async def test_each_is_an_event_and_counted(
    serve: Serve, client: Client, reason: str, options: dict[str, Any]
) -> None:
    context = asking()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    server = await serve(ssl=context, **options)
    heard = listen(server, "tls_client_error")
    await client(server)
    error, peername = await within(heard)
    assert reason in (getattr(error, "reason", None), type(error).__name__)
    assert str(error)
    assert peername[0] == "127.0.0.1"
    assert peername[1] not in (0, port_of(server))
    assert server.stats().tls_errors == {reason: 1}
    # Nobody else is hurt, and a client that does it right is none of them.
    secure = trusting()
    secure.load_cert_chain(CERTIFICATE)
    async with wsrs.WebSocket(f"wss://localhost:{port_of(server)}", ssl=secure) as ws:
        assert ws.ready_state == wsrs.OPEN
    assert server.stats().tls_errors == {reason: 1}


async def test_an_http_server_tells_each_server_on_it(reports: Reports) -> None:
    http = HttpServer(ssl=serving()).listen(0, "127.0.0.1")
    servers = [wsrs.WebSocketServer(server=http) for _ in range(2)]
    await within(http.wait_listening())
    heard = [listen(each, "tlsClientError") for each in (http, *servers)]
    await _says_no_tls(http)
    found = [await within(each) for each in heard]
    assert found[0] == found[1] == found[2]
    # One that is closed hears nothing more.
    servers[0].close()
    again = listen(servers[1], "tlsClientError")
    await _says_no_tls(http)
    await within(again)
    assert [each.stats().tls_errors for each in servers] == [{"HTTP_REQUEST": 1}, {"HTTP_REQUEST": 2}]
    servers[1].close()
    http.close()
    await within(http.wait_closed())


async def test_on_a_unix_socket_too(serve: Serve, tmp_path: Path) -> None:
    server = await serve(unix=tmp_path / "socket", ssl=serving())
    heard = listen(server, "tlsClientError")
    with pytest.raises(wsrs.HandshakeError):
        await within(opening(wsrs.WebSocket(server.url)))
    error, peername = await within(heard)
    assert (error.reason, peername) == ("HTTP_REQUEST", "")


async def _collected(made: list[weakref.ref[Any]]) -> None:
    while any(each() for each in made):  # noqa: ASYNC110 (no event says it)
        await asyncio.sleep(0)


async def test_a_failed_handshake_leaves_nothing_to_the_collector(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[Any]] = []

    class Handing(listen_tls._Handing):
        def __init__(self, connected: Any) -> None:
            super().__init__(connected)
            made.append(weakref.ref(self))

    monkeypatch.setattr(listen_tls, "_Handing", Handing)
    server = await serve(ssl=serving())
    gc.disable()
    try:
        heard = listen(server, "tlsClientError")
        await _is_no_tls_at_all(server)
        await within(heard)
        await within(_collected(made))
        assert len(made) == 1
    finally:
        gc.enable()


async def test_closing_ends_the_handshakes_without_an_event(serve: Serve) -> None:
    server = await serve(ssl=serving())
    heard = listen(server, "tlsClientError")
    peer = await connect(server)
    while not server._http.server._serving._closers[0].__self__._handshakes:  # noqa: ASYNC110 (no event says it)
        await asyncio.sleep(0)
    # The handshake of the second, which is accepted in the tick of the end, has not begun.
    with socket.create_connection(("127.0.0.1", port_of(server)), 10) as second:
        server._http.server._serving._closers[0].__self__._accept()
        server.close()
        await within(server.wait_closed())
        assert second.recv(1) == b""
    assert await peer.at_end()
    await peer.close()
    assert not heard.done()
    assert server.stats().tls_errors == {}


async def test_a_server_that_closes_as_a_connection_comes_keeps_it(serve: Serve) -> None:
    """The request comes with the end of the TLS handshake, so that all happens within one read."""
    server = await serve(ssl=serving())
    connected = listen(server, "connection")
    server.on("connection", lambda ws, request: server.close())
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting().wrap_bio(incoming, outgoing, server_hostname="localhost")
    done = False
    while not done:
        try:
            client.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            writer.write(outgoing.read())
            incoming.write(await within(reader.read(65536)))
    client.write(upgrade_request())
    writer.write(outgoing.read())
    ws, _ = await within(connected)
    heard = listen(ws, "message")
    client.write(frame(TEXT, b"still here"))
    writer.write(outgoing.read())
    assert await within(heard) == (b"still here", False)
    writer.close()
    await within(server.wait_closed())


class Exhausted(socket.socket):
    """A listening socket whose first attempts to accept fail."""

    errors: list[OSError]

    def accept(self) -> tuple[socket.socket, Any]:
        if self.errors:
            raise self.errors.pop(0)
        return super().accept()


def _listening(*errors: OSError) -> Exhausted:
    sock = Exhausted()
    sock.bind(("127.0.0.1", 0))
    sock.errors = list(errors)
    return sock


async def _opens(server: Any) -> None:
    async with wsrs.WebSocket(f"wss://localhost:{port_of(server)}", ssl=trusting()) as ws:
        assert ws.ready_state == wsrs.OPEN


async def test_without_descriptors_accepting_pauses(
    serve: Serve, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen_tls, "_RETRY", 0.01)
    errors = [OSError(errno.EMFILE, "Too many open files") for _ in range(2)]
    server = await serve(sock=_listening(*errors), ssl=serving())
    await _opens(server)
    assert [reports.take()["exception"] for _ in range(2)] == errors


async def test_a_server_that_is_closed_does_not_go_on_to_accept(serve: Serve, reports: Reports) -> None:
    server = await serve(sock=_listening(OSError(errno.EMFILE, "Too many open files")), ssl=serving())
    peer = await connect(server)
    while not reports:  # noqa: ASYNC110 (no event says it)
        await asyncio.sleep(0)
    assert reports.take()["message"] == "accepting paused for a second"
    server.close()
    await within(server.wait_closed())
    assert server._http.server._serving._closers == []
    await peer.close()


async def test_connections_that_are_gone_before_they_are_accepted_are_passed_over(
    serve: Serve, reports: Reports
) -> None:
    errors = [ConnectionAbortedError(errno.ECONNABORTED, "Software caused connection abort")]
    server = await serve(sock=_listening(*errors), ssl=serving())
    await _opens(server)
    assert not reports


async def test_many_that_come_at_once_are_all_accepted(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen_tls, "_AT_ONCE", 2)
    server = await serve(ssl=serving())
    seen: list[Any] = []
    full = asyncio.Event()
    server.on("tlsClientError", gather_into(seen, 7, full))
    # The system completes them all before the loop can accept one.
    for _ in range(7):
        socket.create_connection(("127.0.0.1", port_of(server))).close()
    await within(full.wait())


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_a_loop_that_watches_no_sockets_accepts_by_itself(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    """As the loop of Windows does."""
    loop = asyncio.get_running_loop()
    plain = loop.add_reader

    def add_reader(file: Any, *args: Any) -> None:
        if isinstance(file, socket.socket):
            raise NotImplementedError
        plain(file, *args)

    monkeypatch.setattr(loop, "add_reader", add_reader)
    place: Any = {"unix": tmp_path / "socket"} if kind == "unix" else {}
    server = await serve(ssl=serving(), **place)
    monkeypatch.undo()
    if kind == "tcp":
        await _opens(server)
    else:
        reader, writer = await asyncio.open_unix_connection(
            str(place["unix"]), ssl=trusting(), server_hostname="localhost"
        )
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await within(reader.read())).split()[1] == b"426"
        writer.close()


@pytest.mark.parametrize("kind", ["handed over", "bound"])
@pytest.mark.parametrize("secure", [False, True])
async def test_connections_of_the_loop_have_nodelay(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, kind: str, secure: bool
) -> None:
    monkeypatch.setattr(core, "reactor", lambda loop: None)
    found: list[Any] = []

    def connected(ws: Any, request: Any) -> None:
        # A duplicate, because uvloop's socket cannot be asked.
        with socket.socket(fileno=socket.dup(request.socket.get_extra_info("socket").fileno())) as same:
            found.append(same.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    place: Any = {"sock": _listening()} if kind == "handed over" else {}
    server = await serve(connected, ssl=serving() if secure else None, **place)
    if secure:
        await _opens(server)
    else:
        async with wsrs.WebSocket(server.url):
            pass
    assert found == [1]
