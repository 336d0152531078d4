"""`HttpServer`: its start, its end, and listeners that raise."""

from __future__ import annotations

import asyncio

import pytest

import wsrs
from wsrs.http import HttpServer, Request, ServerResponse
from wsrs.http._protocol import ServerProtocol

from ..conftest import Reports
from ..peers import connect, upgrade_request, within

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_an_exception_after_the_answer_is_reported_and_changes_nothing(reports: Reports) -> None:
    def answer(request: Request, response: ServerResponse) -> None:
        response.end("done")
        raise KeyError("after")

    async with HttpServer(None, answer) as server:
        server.listen(0, "127.0.0.1")
        peer = await connect(server)
        peer.write(GET)
        assert (await peer.rest()).endswith(b"\r\n\r\ndone")
        assert isinstance(reports.take()["exception"], KeyError)
        await peer.close()


async def test_a_connection_accepted_as_the_server_closes_is_ended(reports: Reports) -> None:
    """The loop had accepted the connection before the server closed; its transport is a fake."""

    class Transport(asyncio.Transport):
        aborted = False

        def abort(self) -> None:
            self.aborted = True

        def is_closing(self) -> bool:
            return self.aborted

    server = HttpServer()
    server.close()
    transport, protocol = Transport(), ServerProtocol(server)
    protocol.connection_made(transport)
    assert transport.aborted
    protocol.connection_lost(None)
    await within(server.wait_closed())


async def test_an_upgrade_listener_that_raises_after_the_refusal_changes_nothing(reports: Reports) -> None:
    sockets = wsrs.WebSocketServer(no_server=True)

    def upgrade(request: Request, transport: asyncio.Transport, head: bytes) -> None:
        sockets.handle_upgrade(request, transport, head)
        raise KeyError("after")

    async with HttpServer() as server:
        server.on("upgrade", upgrade)
        server.listen(0, "127.0.0.1")
        peer = await connect(server)
        peer.write(upgrade_request(without=("sec-websocket-key",)))
        assert (await peer.head())[0] == "HTTP/1.1 400 Bad Request"
        assert isinstance(reports.take()["exception"], KeyError)
        await peer.close()


async def test_an_http_server_serves_once(reports: Reports) -> None:
    http = HttpServer()
    async with http.listen(0, "127.0.0.1"):
        pass
    with pytest.raises(RuntimeError, match="an HttpServer serves once, make another"):
        async with http:
            pass
