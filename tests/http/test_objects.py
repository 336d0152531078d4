"""What the objects of `wsrs.http` and of events show of themselves, and what of HTTP ends in other ways."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import wsrs
from wsrs.http import Headers, HttpServer, Request, ServerResponse
from wsrs.http._protocol import ServerProtocol

from ..conftest import Reports, Serve
from ..peers import RawServer, connect, listen, upgrade_request, within

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def test_headers_are_a_mapping() -> None:
    headers = Headers([("A", "1"), ("b", "2"), ("a", "3")])
    assert (dict(headers), len(headers)) == ({"a": "1, 3", "b": "2"}, 2)
    assert repr(headers) == "Headers([('A', '1'), ('b', '2'), ('a', '3')])"


def test_events_show_their_type_and_want_one() -> None:
    assert repr(wsrs.MessageEvent("message")) == "<MessageEvent 'message'>"
    with pytest.raises(TypeError, match="the type of an event must be a str, not int"):
        wsrs.Event(1)  # type: ignore[arg-type]


async def test_onerror_is_what_was_set(serve: Serve) -> None:
    ws = wsrs.WebSocket((await serve()).url)
    ws.onerror = print
    assert ws.onerror == print
    await within(ws.wait_open())


async def test_an_unexpected_response(raw_server: RawServer, reports: Reports) -> None:
    ws = wsrs.WebSocket(raw_server.url)
    heard = listen(ws, "unexpected-response")
    peer = await raw_server.peer()
    await peer.head()
    peer.write(b"HTTP/1.1 299 So so\r\nContent-Length: 0\r\n\r\n")
    _, response = await within(heard)
    assert (response.statusCode, response.statusMessage) == (299, "So so")
    assert repr(response) == "<Response 299 'So so'>"
    ws.on("error", lambda error: None)
    ws.terminate()
    await within(ws.wait_closed())


async def test_a_status_without_a_phrase_and_headers_of_another_message(reports: Reports) -> None:
    def answer(request: Request, response: ServerResponse) -> None:
        response.write_head(299, Headers([("X-A", "1")]))
        response.end()

    async with HttpServer(None, answer) as server:
        server.listen(0, "127.0.0.1")
        peer = await connect(server)
        peer.write(GET)
        first, fields = await peer.head()
        assert (first, fields["x-a"]) == ("HTTP/1.1 299 Unknown", "1")
        await peer.close()


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


async def test_a_client_that_leaves_before_its_body_is_read_and_its_answer_is_written(
    reports: Reports,
) -> None:
    came: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    async with HttpServer(None, lambda *args: came.set_result(args)) as server:
        server.listen(0, "127.0.0.1")
        peer = await connect(server)
        peer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
        request, response = await within(came)
        request.socket.abort()
        await peer.rest_or_reset()
        with pytest.raises(ConnectionError):
            await within(request.read())
        response.end("to nobody")
        assert response.finished
        await peer.close()


async def test_a_connection_that_comes_as_the_server_closes_is_ended(reports: Reports) -> None:
    """The loop had accepted it before; the transport is a fake of the loop's."""

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


async def test_the_path_of_a_unix_socket_is_a_path(reports: Reports) -> None:
    with pytest.raises(TypeError, match="unix must be a str or a path, not bytes"):
        wsrs.WebSocketServer(unix=b"/x")  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ["ws://[v1.a:b]/", "ws://[::zz]/"])
async def test_a_host_in_brackets_is_an_ipv6_address(url: str) -> None:
    with pytest.raises(ValueError, match="Invalid URL"):
        wsrs.WebSocket(url)


async def test_of_two_who_wait_for_an_opening_that_fails_one_is_cancelled(
    raw_server: RawServer, reports: Reports
) -> None:
    ws = wsrs.WebSocket(raw_server.url)
    cancelled, told = (asyncio.ensure_future(ws.wait_open()) for _ in range(2))
    await raw_server.peer()
    ws.terminate()
    cancelled.cancel()
    with pytest.raises(wsrs.HandshakeError):
        await within(told)
    await asyncio.wait([cancelled])
    assert cancelled.cancelled()


async def test_a_mask_that_ends_the_connection_within_close(echo: Any, reports: Reports) -> None:
    def generate_mask(mask: bytearray) -> None:
        ws.terminate()

    ws = wsrs.WebSocket(echo.url, generate_mask=generate_mask)
    await within(ws.wait_open())
    closed = listen(ws, "close")
    ws.close(1000)
    assert ws.ready_state == wsrs.CLOSING
    assert await within(closed) == (1006, b"")


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


async def test_all_listeners_of_an_event_that_has_none_are_removed(reports: Reports) -> None:
    emitter = wsrs.EventEmitter()
    emitter.on("a", print)
    assert emitter.remove_all_listeners("b") is emitter
    assert emitter.event_names() == ["a"]
