"""WebSocketServer: where it listens, which events it emits, and how it ends."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

import wsrs

from ..conftest import Reports, Serve
from ..peers import connect, listen, port_of, raw_client, upgrade_request, within


class TestConstruction:
    def test_outside_a_loop(self) -> None:
        with pytest.raises(RuntimeError, match=r"WebSocketServer.*inside a running event loop"):
            wsrs.WebSocketServer(port=0)

    @pytest.mark.parametrize("options", [{}, {"port": 1, "no_server": True}, {"port": 1, "unix": "x"}])
    async def test_exactly_one_place_must_be_given(self, options: Any) -> None:
        with pytest.raises(TypeError, match="One and only one"):
            wsrs.WebSocketServer(**options)

    @pytest.mark.parametrize(
        ("options", "error", "text"),
        [
            ({"port": 0, "maxPayloads": 1}, TypeError, "'maxPayloads'.*'max_payload'"),
            ({"port": 0, "host_": "x"}, TypeError, "'host_'.*'host'"),
            ({"port": 0, "callback": print}, TypeError, "'callback'.*the second positional argument"),
            ({"port": "80"}, TypeError, "port must be an int, not str"),
            ({"port": 65536}, ValueError, "port must be 0 to 65535, not 65536"),
            ({"port": 0, "max_payload": -1}, ValueError, "max_payload must be at least 0, not -1"),
            ({"port": 0, "auto_pong": 1}, TypeError, "auto_pong must be a bool, not int"),
            ({"port": 0, "close_timeout": -1.0}, ValueError, "close_timeout.*-1.0"),
            ({"port": 0, "close_timeout": float("inf")}, ValueError, "close_timeout.*inf"),
            ({"port": 0, "verify_client": 5}, TypeError, "verify_client must be callable"),
            ({"port": 0, "web_socket": int}, TypeError, "web_socket must be WebSocket"),
            (
                {"port": 0, "per_message_deflate": 1},
                TypeError,
                "per_message_deflate must be a bool or a mapping",
            ),
            ({"port": 0, "per_message_deflate": {"server_max_window_bits": 7}}, ValueError, "8 to 15, not 7"),
            (
                {"port": 0, "perMessageDeflate": {"zlibDeflateOptions": {"level": 10}}},
                ValueError,
                "level.*10",
            ),
            (
                {"port": 0, "perMessageDeflate": {"zlibDeflateOptions": {"levels": 1}}},
                TypeError,
                "'levels'.*'level'",
            ),
            ({"port": 0, "max_payload": 1, "maxPayload": 1}, TypeError, "'max_payload' is given twice"),
            ({"no_server": True, "host": "x"}, TypeError, "host has no meaning together with no_server"),
            ({"no_server": True, "max_headers": 1}, TypeError, "max_headers has no meaning"),
        ],
    )
    async def test_bad_options_are_named(self, options: Any, error: type[Exception], text: str) -> None:
        with pytest.raises(error, match=text):
            wsrs.WebSocketServer(options)
        if set(options) <= {"port", "max_payload", "auto_pong"}:
            with pytest.raises(error, match=text):
                wsrs.WebSocketServer(**options)

    async def test_times_are_seconds_in_pep8_and_milliseconds_in_ws(self) -> None:
        seconds = wsrs.WebSocketServer(no_server=True, close_timeout=5)
        milliseconds = wsrs.WebSocketServer({"noServer": True, "closeTimeout": 5000})
        assert seconds.options["close_timeout"] == milliseconds.options["close_timeout"] == 5
        assert wsrs.WebSocketServer(no_server=True).options["close_timeout"] == 30


class TestListening:
    async def test_the_address_is_known_at_once_and_listening_follows(self, reports: Reports) -> None:
        heard: list[str] = []
        server = wsrs.WebSocketServer({"port": 0, "host": "127.0.0.1"}, lambda: heard.append("callback"))
        server.on("listening", lambda: heard.append("listening"))
        address: Any = server.address()
        assert address == {"address": "127.0.0.1", "family": "IPv4", "port": address["port"]}
        assert heard == []
        await within(server.wait_listening())
        assert heard == ["callback", "listening"]
        await within(server.shutdown())
        assert server.address() is None

    async def test_a_server_listens_on_every_address_by_default(self, reports: Reports) -> None:
        async with wsrs.WebSocketServer(port=0) as server:
            address: Any = server.address()
            hosts = ["127.0.0.1", "::1"] if address["family"] == "IPv6" else ["127.0.0.1"]
            for host in hosts:
                shown = f"[{host}]" if ":" in host else host
                async with wsrs.WebSocket(f"ws://{shown}:{address['port']}"):
                    pass

    async def test_the_name_of_a_host_is_resolved(self, reports: Reports) -> None:
        async with wsrs.WebSocketServer(port=0, host="localhost") as server:
            address: Any = server.address()
            async with wsrs.WebSocket(f"ws://localhost:{address['port']}") as ws:
                assert ws.ready_state == wsrs.OPEN

    async def test_a_taken_port_is_an_error(self, serve: Serve, reports: Reports) -> None:
        port = (await serve()).address()["port"]
        server = wsrs.WebSocketServer(port=port, host="127.0.0.1")
        (error,) = await within(listen(server, "error"))
        assert isinstance(error, OSError)
        assert error.errno == errno.EADDRINUSE
        assert str(port) in str(error)
        # The waiting task gets the exception, so the loop's handler does not.
        with pytest.raises(OSError, match=str(port)):
            async with wsrs.WebSocketServer(port=port, host="127.0.0.1"):
                pass

    async def test_a_host_that_does_not_exist_is_an_error(self, reports: Reports) -> None:
        with pytest.raises(OSError, match=r"."):
            await within(wsrs.WebSocketServer(port=0, host="does-not-exist.invalid").wait_listening())

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Unix sockets in asyncio")
    async def test_a_server_may_listen_on_a_unix_socket(self, serve: Serve, tmp_path: Path) -> None:
        path = tmp_path / "server.sock"
        # A socket file that an earlier server left behind is taken over, and removed with this server.
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(path))
        stale.close()
        server = await serve(lambda ws, request: ws.send(request.url), unix=path)
        assert server.address() == str(path)
        async with wsrs.WebSocket(f"ws+unix:{path}:/a?b") as ws:
            assert await within(ws.recv()) == "/a?b"
        await within(server.shutdown())
        assert not path.exists()

    async def test_a_server_may_adopt_a_socket(self, serve: Serve) -> None:
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        server = await serve(lambda ws, request: ws.send("adopted"), sock=sock)
        async with wsrs.WebSocket(server.url) as ws:
            assert await within(ws.recv()) == "adopted"

    @pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="the system has no SO_REUSEPORT")
    async def test_reuse_port(self, serve: Serve) -> None:
        first = await serve(reuse_port=True)
        second = await serve(port=first.address()["port"], reusePort=True)
        assert first.address() == second.address()

    async def test_no_server(self, reports: Reports) -> None:
        server = wsrs.WebSocketServer(no_server=True)
        with pytest.raises(RuntimeError, match="no_server"):
            server.address()
        closed = listen(server, "close")
        server.close()
        await within(closed)


class TestConnections:
    async def test_connection_and_its_request(self, serve: Serve) -> None:
        server = await serve()
        connection = listen(server, "connection")
        headers = {"X-One": ["1", "2"], "Cookie": "a=b"}
        async with wsrs.WebSocket(server.url + "chat?x=1", headers=headers):
            ws, request = await within(connection)
            assert isinstance(ws, wsrs.WebSocket)
            assert ws.ready_state == wsrs.OPEN
            assert ws.url is None
            assert (request.method, request.url, request.http_version) == ("GET", "/chat?x=1", "1.1")
            assert request.headers["x-one"] == "1, 2"
            assert request.headers.get_all("X-ONE") == ["1", "2"]
            assert request.headers["COOKIE"] == "a=b"
            assert "x-two" not in request.headers
            assert request.socket.get_extra_info("peername")[0] == "127.0.0.1"
            assert server.clients == {ws}

    async def test_clients_may_change_while_they_are_iterated(self, serve: Serve) -> None:
        server = await serve()
        sockets = [wsrs.WebSocket(server.url) for _ in range(3)]
        for ws in sockets:
            await within(ws.wait_open())
        for client in server.clients:
            client.close()
            await within(client.wait_closed())
        assert server.clients == set()

    async def test_client_tracking_off(self, serve: Serve) -> None:
        server = await serve(client_tracking=False)
        assert not hasattr(server, "clients")
        ws = wsrs.WebSocket(server.url)
        await within(ws.wait_open())
        server.close()
        closed = listen(server, "close")
        ws.close()
        await within(closed)

    async def test_a_server_may_use_a_subclass_of_websocket(self, serve: Serve) -> None:
        class Mine(wsrs.WebSocket):
            def __init__(self, *args: Any, **keywords: Any) -> None:
                super().__init__(*args, **keywords)
                self.name = "mine"
                self.on("message", lambda data, is_binary: self.send(self.name))

        server = await serve(WebSocket=Mine)
        async with wsrs.WebSocket(server.url) as ws:
            await ws.send("who?")
            assert await within(ws.recv()) == "mine"

    async def test_the_headers_event_may_change_the_answer(self, serve: Serve) -> None:
        server = await serve()
        server.on("headers", lambda headers, request: headers.append(f"X-Path: {request.url}"))
        ws = wsrs.WebSocket(server.url + "p")
        (response,) = await within(listen(ws, "upgrade"))
        assert response.headers["x-path"] == "/p"
        await within(ws.wait_open())

    @pytest.mark.parametrize(
        ("line", "text"),
        [("X: a\r\nY: b", "control characters"), (("X", "a"), "must be a str, not tuple")],
    )
    async def test_a_header_cannot_break_out_of_its_line(
        self, serve: Serve, reports: Reports, line: Any, text: str
    ) -> None:
        server = await serve()
        server.on("headers", lambda headers, request: headers.append(line))
        with pytest.raises(wsrs.HandshakeError) as caught:
            await within(wsrs.WebSocket(server.url).wait_open())
        assert caught.value.status == 500
        assert re.search(text, str(reports.take()["exception"]))

    async def test_handle_protocols(self, serve: Serve) -> None:
        seen: list[Any] = []

        def choose(protocols: Any, request: Any) -> str | bool:
            seen.append((list(protocols), request.url))
            return "b" if "b" in protocols else False

        server = await serve(handle_protocols=choose)
        async with wsrs.WebSocket(server.url, ["a", "b"]) as ws:
            assert ws.protocol == "b"
            assert [client.protocol for client in server.clients] == ["b"]
        with pytest.raises(wsrs.HandshakeError, match="Server sent no subprotocol"):
            await within(wsrs.WebSocket(server.url, "a").wait_open())
        assert seen == [(["a", "b"], "/"), (["a"], "/")]

    async def test_the_first_protocol_by_default(self, serve: Serve) -> None:
        async with wsrs.WebSocket((await serve()).url, protocols=["x", "y"]) as ws:
            assert ws.protocol == "x"

    async def test_no_server_works_with_an_http_server_of_the_program(self, reports: Reports) -> None:
        a, b = wsrs.WebSocketServer(no_server=True), wsrs.WebSocketServer(no_server=True)

        def upgrade(request: Any, transport: Any, head: bytes) -> None:
            chosen = a if request.url == "/a" else b
            chosen.handle_upgrade(
                request, transport, head, lambda ws, request: chosen.emit("connection", ws, request)
            )

        a.on("connection", lambda ws, request: ws.send("from a"))
        b.on("connection", lambda ws, request: ws.send("from b"))
        async with wsrs.http.HttpServer().on("upgrade", upgrade).listen(0, "127.0.0.1") as http:
            port = port_of(http)
            for path in "ab":
                async with wsrs.WebSocket(f"ws://127.0.0.1:{port}/{path}") as ws:
                    assert await within(ws.recv()) == f"from {path}"

    async def test_the_same_socket_cannot_be_upgraded_twice(self, serve: Serve, reports: Reports) -> None:
        server = wsrs.WebSocketServer(no_server=True)

        def upgrade(request: Any, transport: Any, head: bytes) -> None:
            server.handle_upgrade(request, transport, head)
            with pytest.raises(RuntimeError, match="more than once with the same socket"):
                server.handle_upgrade(request, transport, head)

        async with wsrs.http.HttpServer().on("upgrade", upgrade).listen(0, "127.0.0.1") as http:
            await within(wsrs.WebSocket(f"ws://127.0.0.1:{port_of(http)}").wait_open())

    async def test_an_external_server_stays_open(self, reports: Reports) -> None:
        async with wsrs.http.HttpServer() as http:

            def plain(request: Any, response: Any) -> None:
                response.setHeader("X", 1)
                response.write_head(200, {"x": 2, "Set-Cookie": ["a=1", "b=2"]}).end(f"plain {request.url}")
                with pytest.raises(RuntimeError, match="answered already"):
                    response.end()

            server = wsrs.WebSocketServer(server=http)
            listening, closed = listen(server, "listening"), listen(server, "close")
            http.on("request", plain)
            http.listen(0, "127.0.0.1")
            await within(listening)
            assert server.address() == http.address()
            async with wsrs.WebSocket(f"ws://127.0.0.1:{port_of(http)}"):
                pass
            server.close()
            await within(closed)
            peer = await connect(http)
            peer.write(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            first, fields = await peer.head()
            assert first == "HTTP/1.1 200 OK"
            assert fields["content-type"] == "text/plain"
            assert (fields["x"], fields["set-cookie"]) == ("2", "b=2")
            assert await peer.rest() == b"plain /x"
            await peer.close()


class TestTheEnd:
    async def test_close_waits_for_the_clients(self, serve: Serve) -> None:
        server = await serve()
        ws = wsrs.WebSocket(server.url)
        await within(ws.wait_open())
        heard: list[Any] = []
        server.close(lambda *args: heard.append(args))
        port = int(server.url.split(":")[2].strip("/"))
        with pytest.raises(ConnectionRefusedError):
            await within(asyncio.open_connection("127.0.0.1", port))
        assert heard == []
        assert ws.ready_state == wsrs.OPEN
        ws.close()
        await within(server.wait_closed())
        assert heard == [()]

    async def test_closing_a_closed_server(self, serve: Serve) -> None:
        server = await serve()
        first, second, third = (asyncio.get_running_loop().create_future() for _ in range(3))
        server.close(lambda *args: first.set_result(args))
        server.close(lambda *args: second.set_result(args))
        assert await within(first) == await within(second) == ()
        server.close(lambda *args: third.set_result(args))
        (error,) = await within(third)
        assert isinstance(error, RuntimeError)
        assert "not running" in str(error)

    async def test_a_callback_that_is_not_callable_is_named_at_once(self, serve: Serve) -> None:
        server: Any = await serve()
        with pytest.raises(TypeError, match="callback must be callable, not int"):
            server.close(5)
        await (await raw_client(server)).close()  # the server is still open
        await within(server.shutdown())
        with pytest.raises(TypeError, match="callback must be callable, not int"):
            server.close(5)

    async def test_shutdown_closes_every_client_with_1001(self, serve: Serve) -> None:
        server = await serve()
        ws = wsrs.WebSocket(server.url)
        closed = listen(ws, "close")
        await within(ws.wait_open())
        await within(server.shutdown())
        assert (await within(closed))[0] == 1001

    async def test_silent_connections_do_not_delay_close(self, serve: Serve) -> None:
        server = await serve()
        peer = await connect(server)
        async with wsrs.WebSocket(server.url):
            pass
        await within(server.shutdown())
        assert await peer.at_end()
        await peer.close()

    async def test_a_handshake_under_way_gets_503(self, serve: Serve) -> None:
        server = await serve()
        peer = await connect(server)
        request = upgrade_request()
        peer.write(request[:20])
        async with wsrs.WebSocket(server.url):
            pass
        server.close()
        peer.write(request[20:])
        assert (await peer.head())[0] == "HTTP/1.1 503 Service Unavailable"
        await peer.close()
        await within(server.wait_closed())

    async def test_serve_forever_ends_with_close_and_with_cancellation(self, serve: Serve) -> None:
        server = await serve()
        serving = asyncio.ensure_future(server.serve_forever())
        peer = await raw_client(server)
        server.close()
        await peer.close()
        await within(serving)
        other = await serve()
        task = asyncio.ensure_future(other.serve_forever())
        asyncio.get_running_loop().call_soon(task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await within(task)
        await within(other.wait_closed())

    async def test_serve_forever_may_be_cancelled_before_the_server_listens(self) -> None:
        server = wsrs.WebSocketServer(port=0, host="localhost")
        task = asyncio.ensure_future(server.serve_forever())
        asyncio.get_running_loop().call_soon(task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await within(task)
        await within(server.wait_closed())
        assert server.address() is None
