"""A server serves only once; the `repr` of servers and of their WebSockets."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from typing import Any

import pytest
from aiohttp import web

import wsrs
from wsrs.http import HttpServer

from ..conftest import Reports, Serve
from ..peers import listen, raw_client, within

HERE: Any = {"port": 0, "host": "127.0.0.1"}


class TestEntering:
    async def test_a_server_serves_once(self, reports: Reports) -> None:
        server = wsrs.WebSocketServer(HERE)
        async with server:
            pass
        with pytest.raises(RuntimeError, match="a WebSocketServer serves once, make another"):
            async with server:
                pass
        bare = wsrs.WebSocketServer(no_server=True)
        bare.close()
        with pytest.raises(RuntimeError, match="the server was closed"):
            await bare.__aenter__()
        await within(bare.wait_closed())


def _waiting_in_a_task_of_a_task(server: Any) -> Any:
    async def outer() -> None:
        await asyncio.create_task(server.wait_listening())

    return asyncio.create_task(outer())


SERVERS: tuple[Any, ...] = (
    lambda port, host: wsrs.WebSocketServer(port=port, host=host),
    lambda port, host: HttpServer().listen(port, host),
)
WAITS: dict[str, Any] = {
    "wait_for": lambda server: asyncio.wait_for(server.wait_listening(), 5),
    "a task": lambda server: asyncio.create_task(server.wait_listening()),
    "wait_for in a task": lambda server: asyncio.create_task(asyncio.wait_for(server.wait_listening(), 5)),
    "a task in a task": _waiting_in_a_task_of_a_task,
    "gather": lambda server: asyncio.gather(server.wait_listening()),
    "a shield": lambda server: asyncio.shield(server.wait_listening()),
    "nothing": lambda server: server.wait_listening(),
}


class TestFailing:
    """A failure is reported once: to a listener, by an exception, or otherwise to the loop's handler."""

    @pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    async def test_a_failure_that_a_wait_raises_is_not_reported_to_the_loop(
        self, reports: Reports, host: str, wait: Any
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            for make in SERVERS:
                server = make(port, host)
                with pytest.raises(OSError, match="cannot listen on"):
                    await within(wait(server))
                await _some_ticks()
        assert not reports

    async def test_serve_forever_raises_the_failure(self, reports: Reports) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            server = wsrs.WebSocketServer(port=taken.getsockname()[1], host="127.0.0.1")
            with pytest.raises(OSError, match="cannot listen on"):
                await within(asyncio.create_task(server.serve_forever()))
            await _some_ticks()

    async def test_a_failure_that_no_task_awaits_is_reported_to_the_loop_once(self, reports: Reports) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            for make in SERVERS:
                server = make(port, "127.0.0.1")
                assert not reports
                await _some_ticks()
                report = reports.take()
                assert report["emitter"] is server
                assert "cannot listen on" in str(report["exception"])

    async def test_a_listener_and_a_later_wait_both_get_the_failure(self, reports: Reports) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            server = wsrs.WebSocketServer(port=taken.getsockname()[1], host="127.0.0.1")
            (heard,) = await within(listen(server, "error"))
            with pytest.raises(OSError, match="cannot listen on") as raised:
                await server.wait_listening()
            assert raised.value is heard

    async def test_a_later_failure_is_reported_although_earlier_ones_were_raised(
        self, reports: Reports
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            server = HttpServer()
            for _ in range(2):
                server.listen(taken.getsockname()[1], "127.0.0.1")
                with pytest.raises(OSError, match="cannot listen on"):
                    await server.wait_listening()
            await _some_ticks()
            server.listen(taken.getsockname()[1], "127.0.0.1")
            await _some_ticks()
            assert "cannot listen on" in str(reports.take()["exception"])

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    async def test_an_http_server_may_listen_again_after_a_failure(self, reports: Reports, host: str) -> None:
        """As in Node, this works even in a listener of 'error'."""
        server = HttpServer()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            server.listen(taken.getsockname()[1], host)
            (error,) = await within(listen(server, "error"))
            assert error.errno == errno.EADDRINUSE
        async with server.listen(0, host):
            assert server.listening


async def _some_ticks() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class TestRepr:
    async def test_the_repr_of_a_server(self, reports: Reports) -> None:
        options: Any = {**HERE, "path": "/chat"}
        server = wsrs.WebSocketServer(options)
        address: Any = server.address()
        where = f"127.0.0.1:{address['port']}"
        assert repr(server) == f"<WebSocketServer {where} /chat RUNNING, 0 open>"
        assert repr(server._http.server) == f"<HttpServer {where} NOT LISTENING>"
        async with server:
            peer = await raw_client(server, "/chat")
            assert repr(server) == f"<WebSocketServer {where} /chat RUNNING, 1 open>"
            assert repr(server._http.server) == f"<HttpServer {where} LISTENING>"
            (ws,) = server.clients
            host, port = peer.writer.get_extra_info("sockname")
            assert repr(ws) == f"<WebSocket from {host}:{port} OPEN>"
            gone = listen(ws, "close")
            server.close()
            assert repr(server) == "<WebSocketServer nowhere /chat CLOSING, 1 open>"
            await peer.close()
            await within(gone)
            assert repr(ws) == "<WebSocket CLOSED>"
        assert repr(server) == "<WebSocketServer nowhere /chat CLOSED, 0 open>"
        assert repr(server._http.server) == "<HttpServer nowhere CLOSED>"

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    async def test_the_repr_of_a_server_that_failed_to_listen(self, reports: Reports, host: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            server = wsrs.WebSocketServer(port=taken.getsockname()[1], host=host)
            shared: Any = HttpServer()
            on_shared = wsrs.WebSocketServer(server=shared)
            shared.listen(taken.getsockname()[1], host)
            heard = [listen(each, "error") for each in (server, on_shared)]
            for each, told in zip((server, on_shared), heard, strict=True):
                await within(told)
                assert repr(each) == "<WebSocketServer nowhere FAILED, 0 open>"
                assert repr(each._http.server) == "<HttpServer nowhere FAILED>"
        async with shared.listen(0, host):
            assert "LISTENING" in repr(shared)
            assert "RUNNING" in repr(on_shared)
        server.close()
        await within(server.wait_closed())
        assert repr(server) == "<WebSocketServer nowhere CLOSED, 0 open>"
        on_shared.close()

    async def test_the_repr_of_a_server_that_does_not_listen_itself(
        self, reports: Reports, tmp_path: Any
    ) -> None:
        assert repr(wsrs.WebSocketServer(no_server=True)) == "<WebSocketServer no_server RUNNING, 0 open>"
        path = str(tmp_path / "s")
        async with wsrs.WebSocketServer(unix=path) as server:
            assert repr(server) == f"<WebSocketServer {path!r} RUNNING, 0 open>"

    async def test_the_repr_of_a_server_whose_socket_other_code_has_closed(self, serve: Serve) -> None:
        server = await serve()
        (listening,) = server._http.server._serving.sockets
        with contextlib.closing(socket.socket(fileno=os.dup(listening.fileno()))) as kept:
            os.close(listening.fileno())
            assert repr(server) == "<WebSocketServer nowhere RUNNING, 0 open>"
            os.dup2(kept.fileno(), listening.fileno())

    async def test_the_repr_of_a_server_on_an_application(self, reports: Reports) -> None:
        server = wsrs.WebSocketServer(server=web.Application())
        assert repr(server) == "<WebSocketServer on Application RUNNING, 0 open>"

    def test_the_repr_of_an_object_whose_constructor_did_not_run(self) -> None:
        """A traceback with locals shows such an object if a constructor has raised."""

        class Mine(wsrs.WebSocket):
            pass

        for each in (wsrs.WebSocketServer, HttpServer, Mine):
            assert repr(each.__new__(each)) == f"<{each.__name__} not constructed>"
