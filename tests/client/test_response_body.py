"""The body of an answer that is not an upgrade, for the listeners of `'unexpected-response'`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import wsrs
from wsrs._client.response_body import Body
from wsrs.http import Headers

from ..conftest import Reports
from ..peers import Peer, RawServer, listen, opening, within


async def unexpected(raw_server: RawServer, head: str) -> tuple[wsrs.WebSocket, Peer, Any]:
    """A client, the server's end of its connection, and the response that its listener got."""
    ws = wsrs.WebSocket(raw_server.url)
    ws.on("error", lambda error: None)
    heard = listen(ws, "unexpected-response")
    peer = await raw_server.peer()
    await peer.head()
    peer.write(f"HTTP/1.1 {head}\r\n\r\n".encode())
    _, response = await within(heard)
    return ws, peer, response


CHUNKED = "404 Not Found\r\nTransfer-Encoding: chunked"


async def test_a_body_by_content_length(raw_server: RawServer, reports: Reports) -> None:
    ws, peer, response = await unexpected(raw_server, "404 Not Found\r\nContent-Length: 4")
    peer.write(b"bo")
    peer.write(b"dy, and more")
    assert await within(response.read()) == b"body"
    assert await within(response.read()) == b""
    assert ws.ready_state == wsrs.CONNECTING


async def test_a_body_by_chunks(raw_server: RawServer, reports: Reports) -> None:
    _, peer, response = await unexpected(raw_server, CHUNKED)
    for byte in b"3;a=b\r\nbod\r\n00001\r\ny\r\n0\r\nTrailer: x\r\n\r\nmore":
        peer.write(bytes([byte]))
        await peer.writer.drain()
    assert await within(response.read()) == b"body"


async def test_a_client_reads_many_small_chunks_in_linear_time() -> None:
    count = 200_000
    head = Headers([("Transfer-Encoding", "chunked")])
    body = Body(asyncio.get_running_loop(), 404, head)
    body.feed(b"1\r\na\r\n" * count + b"0\r\n\r\nmore")
    assert await within(body.read(2 * count)) == b"a" * count


async def test_a_body_until_the_connection_ends(raw_server: RawServer, reports: Reports) -> None:
    ws, peer, response = await unexpected(raw_server, "404 Not Found")
    closed = listen(ws, "close")
    peer.hang_up(b"body")
    assert await within(response.read()) == b"body"
    assert await within(closed) == (1006, b"")


@pytest.mark.parametrize("head", ["204 No Content", "304 Not Modified", "404 X\r\nContent-Length: 0"])
async def test_an_answer_without_a_body(raw_server: RawServer, reports: Reports, head: str) -> None:
    _, _, response = await unexpected(raw_server, head)
    assert await within(response.read()) == b""


async def test_a_body_that_came_with_its_head_may_be_read_in_parts(
    raw_server: RawServer, reports: Reports
) -> None:
    _, _, response = await unexpected(raw_server, "404 X\r\nContent-Length: 7, 7\r\n\r\none two")
    assert await within(response.read(3)) == b"one"
    assert await within(response.read(1)) == b" "
    assert await within(response.read()) == b"two"


@pytest.mark.parametrize(
    ("head", "text"),
    [
        ("404 X\r\nContent-Length: 10\r\n\r\nbody", "closed before the end of the response's body"),
        (CHUNKED + "\r\n\r\n9\r\nbody", "closed before the end of the response's body"),
        (CHUNKED + "\r\n\r\nx\r\nbody", "the size of a chunk is b'x'"),
        (CHUNKED + "\r\n\r\n3\r\nbody\r\n", "a chunk is longer than its size"),
        (CHUNKED + "\r\n\r\n" + "1" * 20_000, "a line of its chunked coding is too long"),
        (CHUNKED + "\r\n\r\n0\r\n" + "a: b\r\n" * 5000, "a line of its chunked coding is too long"),
        ("404 X\r\nContent-Length: x", "its Content-Length is 'x'"),
        ("404 X\r\nContent-Length: 1\r\nContent-Length: 2", "its Content-Length is '1, 2'"),
    ],
)
async def test_bad_bodies_are_errors(raw_server: RawServer, reports: Reports, head: str, text: str) -> None:
    _, peer, response = await unexpected(raw_server, head)
    peer.writer.write_eof()
    with pytest.raises(wsrs.HandshakeError, match=text):
        await within(response.read())


async def test_a_large_body_waits_for_its_reader(raw_server: RawServer, reports: Reports) -> None:
    size = 32 * 1024 * 1024
    _, peer, response = await unexpected(raw_server, f"404 X\r\nContent-Length: {size}")
    peer.write(bytes(size))
    total = 0
    async for piece in response:
        assert response._body._reader is not None
        assert len(response._body._reader._buffer) < 1024 * 1024
        total += len(piece)
    assert total == size


async def test_a_coroutine_listener_may_fail_the_handshake_with_its_own_error(
    raw_server: RawServer, reports: Reports
) -> None:
    ws = wsrs.WebSocket(raw_server.url)
    waiting = opening(ws)

    @ws.on("unexpected-response")
    async def told(request: Any, response: Any) -> None:
        request.destroy(RuntimeError((await response.read()).decode()))

    peer = await raw_server.peer()
    await peer.head()
    peer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 10\r\n\r\ngo away: 5")
    with pytest.raises(RuntimeError, match="go away: 5"):
        await within(waiting)
    assert await peer.at_end()
