"""A server serves only once; the `repr` of servers and of their WebSockets."""

from __future__ import annotations

import contextlib
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


class TestRepr:
    async def test_the_repr_of_a_server(self, reports: Reports) -> None:
        options: Any = {**HERE, "path": "/chat"}
        server = wsrs.WebSocketServer(options)
        address: Any = server.address()
        where = f"127.0.0.1:{address['port']}"
        assert repr(server) == f"<WebSocketServer {where} /chat RUNNING, 0 open>"
        assert repr(server._http) == f"<HttpServer {where} NOT LISTENING>"
        async with server:
            peer = await raw_client(server, "/chat")
            assert repr(server) == f"<WebSocketServer {where} /chat RUNNING, 1 open>"
            assert repr(server._http) == f"<HttpServer {where} LISTENING>"
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
        assert repr(server._http) == "<HttpServer nowhere CLOSED>"

    async def test_the_repr_of_a_server_that_does_not_listen_itself(
        self, reports: Reports, tmp_path: Any
    ) -> None:
        assert repr(wsrs.WebSocketServer(no_server=True)) == "<WebSocketServer no_server RUNNING, 0 open>"
        path = str(tmp_path / "s")
        async with wsrs.WebSocketServer(unix=path) as server:
            assert repr(server) == f"<WebSocketServer {path!r} RUNNING, 0 open>"

    async def test_the_repr_of_a_server_whose_socket_other_code_has_closed(self, serve: Serve) -> None:
        server = await serve()
        (listening,) = server._http._serving.sockets
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
